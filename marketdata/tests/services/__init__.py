"""Tests of marketdata/services."""
