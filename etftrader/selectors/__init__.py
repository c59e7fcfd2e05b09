"""Reads that span rooms: dashboard, overview, positions, jobs."""
