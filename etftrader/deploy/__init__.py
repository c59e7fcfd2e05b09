"""How the product is installed, started and packed: launcher, image, requirement files."""
