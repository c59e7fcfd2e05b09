"""Writes of orders and trades: submit, cancel, fill, expire, book the past, stop everything."""
