"""Tests of portfolios/selectors."""
