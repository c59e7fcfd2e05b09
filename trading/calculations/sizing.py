"""Units from an amount of money or from a target weight, in whole lots and never beyond either."""

from decimal import ROUND_FLOOR, Decimal

WHOLE, FRACTION = Decimal(1), Decimal("0.000001")  # lots


def lot_of(*, whole_shares: bool) -> Decimal:
    """The smallest quantity a portfolio trades."""
    return WHOLE if whole_shares else FRACTION


def for_amount(amount: Decimal, price: Decimal, multiplier: Decimal, lot: Decimal) -> Decimal:
    """Units an amount pays for before costs, rounded down to whole lots; 0 when it pays for none.

    Raises ValueError for a price or multiplier that is not positive.
    """
    if price <= 0 or multiplier <= 0:
        raise ValueError(f"no price to size an order by: {price} x {multiplier}")
    return _lots(amount / (price * multiplier), lot)


def for_weight(
    weight: Decimal,
    *,
    equity: Decimal,
    held: Decimal,
    price: Decimal,
    multiplier: Decimal,
    lot: Decimal,
) -> Decimal:
    """Signed units that bring a position to a share of the equity without passing it.

    Parameters
    ----------
    weight : Decimal
        Fraction of the equity, signed.
    equity : Decimal
        Currency, positive.
    held : Decimal
        Signed units held.
    price, multiplier : Decimal
        Currency a unit, units a contract.
    lot : Decimal
        Smallest quantity.

    Returns
    -------
    Decimal
        Positive to buy, negative to sell; 0 when the target is less than a lot away.

    Raises
    ------
    ValueError
        Equity, price or multiplier are not positive.
    """
    if equity <= 0 or price <= 0 or multiplier <= 0:
        raise ValueError("a target weight needs equity and a price above zero")
    missing = weight * equity / (price * multiplier) - held
    return _lots(abs(missing), lot).copy_sign(missing)


def _lots(units: Decimal, lot: Decimal) -> Decimal:
    return units.quantize(lot, rounding=ROUND_FLOOR)
