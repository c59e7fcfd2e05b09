"""What every endpoint shares: errors, lists, batches, versions, limits."""
