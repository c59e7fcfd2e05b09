"""Reads of risk: matrices in force, aligned inputs, runs, limits, stops, alerts."""
