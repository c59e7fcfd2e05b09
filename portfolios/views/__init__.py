"""Pages of people and books."""
