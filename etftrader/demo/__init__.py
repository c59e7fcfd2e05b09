"""The demo: what three people hold, built through the services."""
