"""The JSON endpoints of the market data: instruments, prices, quotes, rates, calendar, VIX."""
