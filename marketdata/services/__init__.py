"""Use cases of market data: load, sync, replay, stream."""
