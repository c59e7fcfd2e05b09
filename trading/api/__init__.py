"""Endpoints of orders and trades."""
