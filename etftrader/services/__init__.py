"""What the roof does: acts of several packages, each one transaction."""
