"""The ground floor: money, errors, clock, events, jobs and live records. It names no price and no portfolio."""
