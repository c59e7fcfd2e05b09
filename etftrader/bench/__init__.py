"""How fast the kernels are, beside named peers: python -m etftrader.bench. Nothing imports it."""
