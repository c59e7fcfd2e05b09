"""The ground floor: money, errors, clock, events, jobs, live records. It names no portfolio."""
