"""Splits in exact arithmetic: the ratio as a fraction, prices and units restated by it."""

import math
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

MAX_DENOMINATOR = 1_000
HALF_STEP = Fraction(1, 2_000_000)  # half of the sixth place a ratio is stored with
OWN_MOVE = 0.2  # of a price: what it may well do beside its split


def exact_ratio(ratio: Decimal) -> Fraction:
    """Return a stored ratio as the fraction it stands for: 0.066667 is one for fifteen.

    Raises ValueError for a ratio that is not positive and finite.
    """
    if not ratio.is_finite() or ratio <= 0:
        raise ValueError(f"not a split ratio: {ratio}")
    written = Fraction(ratio)
    simple = written.limit_denominator(MAX_DENOMINATOR)
    return simple if simple and abs(simple - written) <= HALF_STEP else written


def whole(ratio: Fraction) -> bool:
    """Return whether listed options keep their standard terms: two or more new for one old."""
    return ratio.denominator == 1 and ratio > 1


def times(amount: Decimal, ratio: Fraction, step: Decimal) -> Decimal:
    """Multiply by a fraction and round once, half up, to multiples of `step`."""
    exact = amount * ratio.numerator / ratio.denominator
    return exact.quantize(step, rounding=ROUND_HALF_UP)


def is_restated(before: float, after: float, ratio: Fraction) -> bool:
    """Return whether prices before an ex-date are already in units of the day after it.

    Parameters
    ----------
    before, after : float
        The last price before the ex-date and the first one from it on, above zero.
    ratio : Fraction
        New shares per old share.

    Returns
    -------
    bool
        True when the step between the two is nearer to none than to the split's: a source
        that restates its history has no step there.
    """
    step = math.log(before / after)
    return abs(step) < abs(step - math.log(ratio))


def is_absent(before: float, after: float, ratio: Fraction) -> bool:
    """Return whether two prices as they were traded deny that there was a split between them.

    Parameters
    ----------
    before, after : float
        The last price before the ex-date and the first one from it on, above zero.
    ratio : Fraction
        New shares per old share.

    Returns
    -------
    bool
        True when there is no step of the split's size and the price cannot have made up for it
        by a move of its own. A small ratio, such as a spin-off's, is never denied.
    """
    own = math.log(after / before) + math.log(ratio)
    return is_restated(before, after, ratio) and abs(own) > math.log1p(OWN_MOVE)
