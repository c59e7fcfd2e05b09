"""Pure functions of execution: what a fill costs, which order states may follow. No Django."""
