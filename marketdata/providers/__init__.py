"""The outside world behind protocols: typed rows in, none of our tables."""
