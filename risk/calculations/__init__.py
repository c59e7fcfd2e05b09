"""Pure functions that say how much can be lost: VaR, its parts, the gate, stops. No Django."""
