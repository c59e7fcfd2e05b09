"""The one way out of the house: who may be asked, at which address, how often, how much."""
