"""What the tests share: fixtures, servers, and the map from number names to kernels."""
