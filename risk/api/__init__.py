"""REST of risk: figures, limits, stops, alerts, matrices."""
