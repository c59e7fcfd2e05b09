"""Pages of risk: the risk of a portfolio, its limits, the alerts."""
