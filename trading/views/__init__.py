"""Pages of trading: the ticket with its check, the blotter, one order."""
