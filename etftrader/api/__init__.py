"""Endpoints of the roof: description, jobs, data."""
