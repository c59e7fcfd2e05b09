"""Tests of portfolios/api."""
