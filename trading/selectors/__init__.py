"""Reads of orders and trades: blotters, timelines, what still works, what trading costs."""
