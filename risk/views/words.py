"""Reason codes as people read them."""

REASONS = {
    "no_covariance": "no covariance of this session",
    "nothing_covered": "no position has enough history",
    "no_price": "no price",
    "price_stale": "price older than five sessions",
    "price_suspect": "a newer price is held back until a person has looked",
    "manual_price_no_returns": "valued by its owner, no returns",
    "no_delta": "an option without Greeks",
    "no_settlement_price": "expired, and the close it settles at is missing",
    "not_computed": "not computed yet",
}


def words(reason: str) -> str:
    """A reason code in words."""
    return REASONS.get(reason, reason.replace("_", " "))
