"""Tests of portfolios/services."""
