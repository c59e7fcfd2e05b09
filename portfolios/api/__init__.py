"""REST doors of people and books."""
