"""Pure functions over holdings: cost basis, exposure, returns. No Django, no I/O."""
