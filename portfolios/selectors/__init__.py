"""Readers of people and books."""
