"""What a basket is from its legs alone: where it stands, and what its options are called."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from trading.calculations.order_states import OPEN

BUY, CALL = "buy", "call"
FILLED, ACCEPTED, PARTIALLY_FILLED, ENDED = "filled", "accepted", "partially_filled", "ended"
VERTICAL, STRADDLE, STRANGLE = "vertical", "straddle", "strangle"
CALENDAR, CUSTOM = "calendar", "custom"
MIN_SPREAD_LEGS, MAX_SPREAD_LEGS, MAX_EXPIRIES = 2, 4, 2


@dataclass(frozen=True, slots=True)
class OptionLeg:
    """One contract of a spread."""

    underlying: str
    expiry: date
    strike: Decimal  # currency a share
    right: str  # call, put
    side: str  # buy, sell
    quantity: Decimal  # contracts, positive


def state(states: Sequence[str], *, filled: bool) -> str:
    """Where a basket stands.

    Parameters
    ----------
    states : sequence of str
        Of its orders; at least one.
    filled : bool
        Whether anything of any order is filled.

    Returns
    -------
    str
        The state all orders share; while one works `accepted`, or `partially_filled` once
        something is filled; `ended` when the orders ended in different ways.

    Raises
    ------
    ValueError
        There is no order.
    """
    if not states:
        raise ValueError("a basket has at least one order")
    if len(set(states)) == 1:
        return states[0]
    if any(each in OPEN for each in states):
        return PARTIALLY_FILLED if filled else ACCEPTED
    return ENDED


def ratio(quantities: Sequence[Decimal]) -> tuple[int, ...]:
    """Quantities of a spread in lowest terms: 10, 20, 10 is 1:2:1.

    Raises ValueError for what is no whole, positive number of contracts.
    """
    if not quantities or any(each <= 0 or each != each.to_integral_value() for each in quantities):
        raise ValueError("a spread has whole contracts")
    whole = [int(each) for each in quantities]
    unit = math.gcd(*whole)
    return tuple(each // unit for each in whole)


def name(legs: Sequence[OptionLeg]) -> str:
    """What a spread is called.

    Parameters
    ----------
    legs : sequence of OptionLeg
        Two to four contracts, each once, of one underlying, with at most two expiries.

    Returns
    -------
    str
        With two legs of the same size: `vertical` (one right and expiry, two strikes, bought and
        sold), `calendar` (one right and strike, two expiries, bought and sold), `straddle` (call
        and put of one strike and expiry, both bought or both sold), `strangle` (the same with the
        call's strike above the put's). Everything else is `custom`.

    Raises
    ------
    ValueError
        The legs are no spread; the sentence says why.

    References
    ----------
    Hull, Options, Futures, and Other Derivatives, ch. "Trading Strategies Involving Options".
    """
    _check(legs)
    ratios = ratio([each.quantity for each in legs])
    if ratios != (1, 1):
        return CUSTOM
    one, two = sorted(legs, key=lambda each: each.right != CALL)
    opposite = one.side != two.side
    same_expiry, same_strike = one.expiry == two.expiry, one.strike == two.strike
    if one.right == two.right and opposite:
        if same_expiry:
            return VERTICAL
        return CALENDAR if same_strike else CUSTOM
    if one.right != two.right and not opposite and same_expiry:
        if same_strike:
            return STRADDLE
        return STRANGLE if one.strike > two.strike else CUSTOM
    return CUSTOM


def _check(legs: Sequence[OptionLeg]) -> None:
    if not MIN_SPREAD_LEGS <= len(legs) <= MAX_SPREAD_LEGS:
        raise ValueError(f"A spread has {MIN_SPREAD_LEGS} to {MAX_SPREAD_LEGS} legs.")
    if len({each.underlying for each in legs}) > 1:
        raise ValueError("The legs of a spread are options on one underlying.")
    if len({each.expiry for each in legs}) > MAX_EXPIRIES:
        raise ValueError("The legs of a spread have one expiry, or two in a calendar.")
    if len({(each.expiry, each.strike, each.right) for each in legs}) < len(legs):
        raise ValueError("A contract stands in a spread once.")
