"""Pure functions over prices and returns: covariance, bars, the calendar. No Django, no I/O."""
