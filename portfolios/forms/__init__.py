"""Forms of people and books."""
