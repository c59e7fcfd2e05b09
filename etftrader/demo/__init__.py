"""The demo: what three people hold and watch, built through the services."""
