"""The size a ticket suggests: the largest that passes, less room for the next minute's prices."""

from decimal import ROUND_FLOOR, Decimal

ROOM = 0.01  # of the limit that binds, kept free
FRACTION_LOT = Decimal("0.000001")  # of a portfolio that holds parts of a share


def with_room(
    largest: Decimal, *, used: float | None = None, limit: float | None = None
) -> Decimal:
    """Cut a size so that it leaves a part of its limit free.

    What is used grows at most along the straight line from `used` at no order to `limit` at the
    largest one, because VaR, gross exposure and weight are convex in the size. So a share of the
    largest size uses at most that share of the room.

    Parameters
    ----------
    largest : Decimal
        The largest quantity that passes; in whole units if it is one.
    used, limit : float, optional
        Of the limit that binds, in its own unit: before the order, and where it ends. Without
        them the order itself is cut by the room, as for cash.

    Returns
    -------
    Decimal
        At least nothing, never more than `largest`; 0 when the room is already taken.
    """
    share = 1.0 - ROOM
    if used is not None and limit is not None:
        # beyond its limit only an order that lowers the figure passes, and a smaller one too
        share = min(share, 1.0 - ROOM * limit / (limit - used)) if used < limit else share
    whole = largest == largest.to_integral_value()
    lot = Decimal(1) if whole else FRACTION_LOT
    cut = (largest * Decimal(repr(max(share, 0.0)))).quantize(lot, rounding=ROUND_FLOOR)
    return max(cut, Decimal(0))
