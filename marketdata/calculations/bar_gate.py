"""Which rows of a series may be believed: each against the last believed one before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from marketdata.calculations import price_checks
from marketdata.calculations.price_checks import MAX_JUMP

ACCEPTED, HELD, REFUSED = "accepted", "held", "refused"
MAX_DISAGREEMENT = 0.05
FUTURE, INCONSISTENT, MAGNITUDE = "future", "inconsistent", "magnitude"
PLACEHOLDER, SOURCES_DIFFER, SPLIT = "placeholder", "sources_differ", "split_without_action"

# why a move is held back
MOVES = (price_checks.JUMP, MAGNITUDE, PLACEHOLDER, SPLIT)
_PLACEHOLDER_PRICE, _PLACEHOLDER_MOVE = 1.0, 0.10
_MAGNITUDES = (100.0, 1000.0)
_SPLITS = (1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 15.0, 20.0, 25.0, 50.0)
_SIXTH = Decimal("0.000001")  # place a ratio is stored with
_NEAR = 0.05  # a session's own move beside a factor that explains it
_MOST_SHARES = 1e15
_OUTSIDE = 5e-4  # rounding between a close and its session's range, a fraction of the price


@dataclass(frozen=True, slots=True)
class Row:
    """One session as its source gave it; prices in dollars, None where it said nothing."""

    session_date: date
    close: float
    open: float | None = None
    high: float | None = None
    low: float | None = None
    volume: float | None = None
    adj_close: float | None = None


@dataclass(frozen=True, slots=True)
class Judged:
    """What becomes of a row. `compared_with` is the price it was held against, in dollars."""

    verdict: str
    reason: str | None = None
    compared_with: float | None = None


def judge(
    rows: Sequence[Row],
    *,
    until: date,
    last: tuple[date, float] | None = None,
    splits: Mapping[date, float] | None = None,
    others: Mapping[date, float] | None = None,
    confirmed: frozenset[date] = frozenset(),
    free: frozenset[date] = frozenset(),
) -> list[Judged]:
    """Judge the rows of one instrument, oldest first.

    Parameters
    ----------
    rows : sequence of Row, length n
        Sessions ascending; closes in dollars.
    until : date
        The newest session that may be known; a later row is refused.
    last : (date, float), optional
        Session and close of the last believed row before these, dollars.
    splits : mapping of date to float, optional
        New shares for one old, by ex-date: they explain a move.
    others : mapping of date to float, optional
        The same session's close from another source, dollars.
    confirmed : frozenset of date
        Sessions a person has vouched for.
    free : frozenset of date
        Sessions whose move from the one before is not judged; everything else about them is.

    Returns
    -------
    list of Judged, length n
        Refused: not finite, not above zero, above ten million, in the future. Held: a move beyond
        40% from the last believed close that no split explains (with the likeliest cause as the
        reason), a switch to exactly 1.00, two sources more than 5% apart, a close outside its own
        session's range, another figure that can be none. A held or refused row is never what the
        next one is compared with.
    """
    judged = []
    for row in rows:
        before = None if row.session_date in free else _expected(row, last, splits or {})
        verdict = _judge_one(row, until, before, others or {}, confirmed)
        judged.append(verdict)
        if verdict.verdict == ACCEPTED:
            last = (row.session_date, row.close)
    return judged


def _judge_one(
    row: Row,
    until: date,
    before: float | None,
    others: Mapping[date, float],
    confirmed: frozenset[date],
) -> Judged:
    # one comparison for the rule, arrays for the exception: histories are long
    sane = 0.0 < row.close <= price_checks.MAX_PRICE
    impossible = None if sane else price_checks.check_one(row.close)
    if impossible is None and row.session_date > until:
        impossible = FUTURE
    if impossible is not None:
        return Judged(REFUSED, impossible)
    if row.session_date in confirmed:
        return Judged(ACCEPTED)
    reason = _move(row.close, before)
    if reason is not None:
        return Judged(HELD, reason, before)
    other = others.get(row.session_date)
    if other is not None and other > 0 and abs(row.close / other - 1.0) > MAX_DISAGREEMENT:
        return Judged(HELD, SOURCES_DIFFER, other)
    if not _consistent(row):
        return Judged(HELD, INCONSISTENT, before)
    return Judged(ACCEPTED)


def _expected(
    row: Row, last: tuple[date, float] | None, splits: Mapping[date, float]
) -> float | None:
    """The last believed close in the shares of this session."""
    if last is None:
        return None
    since, close = last
    for ex_date, ratio in splits.items():
        if since < ex_date <= row.session_date:
            close /= ratio
    return close


def _move(close: float, before: float | None) -> str | None:
    """Why the move from the last believed close is not believed, or None."""
    if before is None:
        return None
    ratio = close / before
    if close == _PLACEHOLDER_PRICE and abs(ratio - 1.0) > _PLACEHOLDER_MOVE:
        return PLACEHOLDER
    if abs(ratio - 1.0) <= MAX_JUMP:
        return None
    if _near(ratio, _MAGNITUDES):
        return MAGNITUDE
    if _near(ratio, _SPLITS):
        return SPLIT
    return price_checks.JUMP


def _near(ratio: float, factors: Sequence[float]) -> bool:
    wide = max(ratio, 1.0 / ratio)
    return any(abs(wide / factor - 1.0) <= _NEAR for factor in factors)


def likeliest_split(before: float, close: float) -> Decimal | None:
    """New shares for one old that a move from one close to the next would be; None for no such."""
    wide = max(close / before, before / close)
    near = min(_SPLITS, key=lambda factor: abs(wide / factor - 1.0))
    if abs(wide / near - 1.0) > _NEAR:
        return None
    ratio = Decimal(near) if close < before else 1 / Decimal(near)
    return ratio.quantize(_SIXTH)


def _consistent(row: Row) -> bool:
    """Whether range and volume fit: low <= open, close <= high, but for rounding; no volume < 0."""
    prices = (row.open, row.high, row.low, row.adj_close)
    if not all(each is None or possible_price(each) for each in prices):
        return False
    if row.volume is not None and not possible_volume(row.volume):
        return False
    room = row.close * _OUTSIDE
    inside = [row.close] if row.open is None else [row.close, row.open]
    above = row.high is not None and max(inside) > row.high + room
    below = row.low is not None and min(inside) < row.low - room
    return not above and not below


def possible_price(price: float) -> bool:
    """Whether a figure can be a price at all: finite, above zero, at most ten million."""
    return 0.0 < price <= price_checks.MAX_PRICE


def possible_volume(volume: float) -> bool:
    """Whether a figure can be a session's shares."""
    return 0.0 <= volume <= _MOST_SHARES
