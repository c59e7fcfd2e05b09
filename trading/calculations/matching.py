"""When an order trades on a bar, and from which price: types, triggers, limits, gaps.

The reference price is what the market traded at; half the spread and the impact come on top of
it (`fills`). A reference is never outside the bar, and a limit holds after these costs.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from trading.calculations import fills

MARKET, LIMIT, STOP, STOP_LIMIT = "market", "limit", "stop", "stop_limit"
MARKET_ON_CLOSE = "market_on_close"
LIMITED = frozenset({LIMIT, STOP_LIMIT})
STOPPED = frozenset({STOP, STOP_LIMIT})
STEP = Decimal("0.000001")  # of a reference price
OPEN, INSIDE, LAST = "open", "inside", "last"  # where in the bar a reference stands


@dataclass(frozen=True, slots=True)
class Bar:
    """What an instrument traded at over (begins, ends]; a quote is a bar of one price.

    Raises ValueError for prices that are not 0 < low <= open, last <= high.
    """

    begins: datetime
    ends: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    last: Decimal
    closing: bool = False  # its last price is the session's close
    volume: float | None = None  # units; None where it is not known
    counted: datetime | None = None  # when that volume was complete, if not when the bar ends

    def __post_init__(self) -> None:
        """Refuse what is no bar."""
        low, high = min(self.open, self.last), max(self.open, self.last)
        if not (self.begins <= self.ends and 0 < self.low <= low and high <= self.high):
            raise ValueError(f"not a bar: {self.open} {self.high} {self.low} {self.last}")

    @classmethod
    def point(
        cls,
        price: Decimal,
        at: datetime,
        *,
        closing: bool = False,
        volume: float | None = None,
        counted: datetime | None = None,
    ) -> "Bar":
        """A bar of one price at one moment."""
        return cls(at, at, price, price, price, price, closing, volume, counted)

    def is_taken(self, filled: datetime | None) -> bool:
        """Whether an order last filled at a moment has had its share of this volume."""
        if self.volume is None or self.counted is None or filled is None:
            return False
        return filled >= self.counted

    def after(self, moment: datetime | None) -> "Bar | None":
        """What of the bar came after a moment: all of it, its last price alone, or nothing."""
        if moment is None:
            return self
        if self.ends <= moment:
            return None
        if self.begins >= moment:
            return self
        return Bar.point(
            self.last,
            self.ends,
            closing=self.closing,
            volume=self.volume,
            counted=self.counted,
        )


@dataclass(frozen=True, slots=True)
class Terms:
    """What an order asks for; a type has exactly its own prices, currency a unit."""

    side: str  # buy, sell
    order_type: str = MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    triggered: bool = False  # its stop was reached before


@dataclass(frozen=True, slots=True)
class Match:
    """Whether a stop is reached now or before, and from which price the order trades."""

    triggered: bool
    reference: Decimal | None = None  # None: it does not trade on this bar
    where: str = LAST


@dataclass(frozen=True, slots=True)
class Attempt:
    """A match with the fill it leads to."""

    match: Match
    fill: fills.Fill | None = None


NOTHING = Match(triggered=False)


def match(terms: Terms, bar: Bar, *, cost: float = 0.0) -> Match:
    """Match an order with a bar that is wholly after it.

    Parameters
    ----------
    terms : Terms
    bar : Bar
    cost : float
        Half-spread and impact together, as a fraction of the price.

    Returns
    -------
    Match
        A market order trades at the open, market-on-close at the close and nowhere else. A stop
        that is gapped over trades at the open, one that is reached within the bar at its stop
        price. A limit order trades at the open where that is good enough, else at the price that
        meets its limit after costs, if the bar went there. After a stop that is reached within
        the bar only its own price and the last one are known to have come.

    Raises
    ------
    ValueError
        The type is not known.
    """
    if terms.order_type == MARKET:
        return Match(False, bar.open, OPEN)
    if terms.order_type == MARKET_ON_CLOSE:
        return Match(False, bar.last, LAST) if bar.closing else NOTHING
    if terms.order_type == LIMIT:
        return _limited(terms, bar, cost, triggered=False)
    if terms.order_type not in STOPPED or terms.stop_price is None:
        raise ValueError(f"not an order type: {terms.order_type}")
    if terms.triggered or _reaches(terms.side, bar.open, terms.stop_price):
        if terms.order_type == STOP:
            return Match(True, bar.open, OPEN)
        return _limited(terms, bar, cost, triggered=True)
    if not _reaches(terms.side, bar.high if _buys(terms.side) else bar.low, terms.stop_price):
        return NOTHING
    if terms.order_type == STOP:
        return Match(True, terms.stop_price, INSIDE)
    best = _best(terms, cost)
    if best is not None and _good(terms.side, terms.stop_price, best):
        return Match(True, terms.stop_price, INSIDE)
    if best is not None and _good(terms.side, bar.last, best):
        return Match(True, bar.last, LAST)
    return Match(True)


def attempt(
    terms: Terms,
    quantity: Decimal,
    bar: Bar | None,
    market: fills.Market,
    costs: fills.CostModel | None = None,
    *,
    multiplier: Decimal = Decimal(1),
) -> Attempt:
    """Match an order with what of a bar came after it, and fill what the bar's volume allows.

    Parameters
    ----------
    terms : Terms
    quantity : Decimal
        Units open.
    bar : Bar, optional
        From `Bar.after`; without one nothing happens.
    market : fills.Market
        Liquidity; its prices are replaced by the reference, its volume by the bar's.
    costs, multiplier
        As for `fills.fill`.

    Returns
    -------
    Attempt
        Without a fill when nothing trades; the price of a fill keeps the limit.
    """
    if bar is None:
        return Attempt(Match(triggered=terms.triggered))
    model = costs or fills.CostModel()
    depth = replace(market, last=None, bid=None, ask=None, bar_volume=bar.volume)
    found = match(terms, bar, cost=fills.cost_fraction(quantity, depth, model))
    if found.reference is None:
        return Attempt(found)
    priced = replace(depth, last=float(found.reference))
    made = fills.fill(terms.side, quantity, priced, model, multiplier=multiplier)
    if made.price is None or not _keeps_limit(terms, made.price):
        return Attempt(replace(found, reference=None))
    return Attempt(found, made)


def cash_price(terms: Terms) -> Decimal | None:
    """The price an order's cash is judged at while it waits; None for the mark.

    A buy may cost its limit, or its stop until that is reached; a sale may bring as little.
    """
    if terms.order_type in LIMITED:
        return terms.limit_price
    if terms.order_type == STOP and not terms.triggered:
        return terms.stop_price
    return None


def _buys(side: str) -> bool:
    return side == fills.BUY


def _reaches(side: str, price: Decimal, stop: Decimal) -> bool:
    return price >= stop if _buys(side) else price <= stop


def _good(side: str, price: Decimal, best: Decimal) -> bool:
    return price <= best if _buys(side) else price >= best


def _best(terms: Terms, cost: float) -> Decimal | None:
    """The worst reference that still keeps the limit after costs; None where none does."""
    assert terms.limit_price is not None
    if _buys(terms.side):
        bound = terms.limit_price / (1 + Decimal(repr(cost)))
        return bound.quantize(STEP, rounding=ROUND_FLOOR)
    if cost >= 1.0:
        return None
    bound = terms.limit_price / (1 - Decimal(repr(cost)))
    return bound.quantize(STEP, rounding=ROUND_CEILING)


def _limited(terms: Terms, bar: Bar, cost: float, *, triggered: bool) -> Match:
    best = _best(terms, cost)
    if best is None:
        return Match(triggered)
    if _good(terms.side, bar.open, best):
        return Match(triggered, bar.open, OPEN)
    if _good(terms.side, bar.low if _buys(terms.side) else bar.high, best):
        return Match(triggered, best, INSIDE)
    return Match(triggered)


def _keeps_limit(terms: Terms, price: Decimal) -> bool:
    if terms.order_type not in LIMITED or terms.limit_price is None:
        return True
    return _good(terms.side, price, terms.limit_price)
