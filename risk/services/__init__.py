"""Writes of risk: matrices, runs, verdicts, limits, stops, alerts, the live revaluation."""
