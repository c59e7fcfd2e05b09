"""Tests of portfolios/views."""
