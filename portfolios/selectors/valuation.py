"""What a book is worth at given marks: exposures, weights, gains, and how much of it is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.core.money import to_money
from marketdata.choices import PriceClass
from marketdata.selectors.prices import Mark
from portfolios.choices import Quality
from portfolios.selectors.holdings import Book, HeldLine, Traded

ZERO = Decimal(0)
NO_PRICE = "no_price"
CURRENT = {PriceClass.LIVE, PriceClass.DELAYED, PriceClass.EOD, PriceClass.MANUAL}


@dataclass(frozen=True, slots=True)
class ValuedLine:
    """One line with its price; figures that need a missing price are None, with the reason."""

    line: HeldLine
    mark: Mark | None
    exposure: Decimal | None
    market_value: Decimal | None
    weight: float | None
    cost: Decimal
    unrealized_pnl: Decimal | None
    day_pnl: Decimal | None
    reason: str


@dataclass(frozen=True, slots=True)
class Valuation:
    """A book in dollars; `short` is zero or negative, `coverage` a share of gross exposure.

    `receivables` are dividends to come less those to be paid: in `nav`, not in `cash`.
    """

    portfolio_id: UUID
    ledger_seq: int
    nav: Decimal
    cash: Decimal
    long: Decimal
    short: Decimal
    gross: Decimal
    net: Decimal
    lines: tuple[ValuedLine, ...]
    coverage: float | None
    excluded: list[dict[str, str]]
    unrealized_pnl: Decimal
    day_pnl: Decimal | None
    quality: str
    warnings: list[dict[str, Any]]
    receivables: Decimal = ZERO


def value(
    *,
    book: Book,
    marks: Mapping[UUID, Mark],
    traded: Mapping[UUID, Traded] | None = None,
) -> Valuation:
    """Value a book.

    Parameters
    ----------
    book : Book
        Lines, cash and receivables.
    marks : mapping of instrument id to Mark
        A line without a mark, or with one without a price, counts as nothing and is excluded.
    traded : mapping of instrument id to Traded, optional
        The session's fills: they gain from their own price, not from yesterday's close. Its
        dividends are a gain of the line that went ex.

    Returns
    -------
    Valuation
        `day_pnl` is that of the lines still held, before fees; None when one of them has no
        close of the day before.
    """
    known = {line.instrument_id: _exposure(line, marks) for line in book.lines}
    long = sum((each for each in known.values() if each is not None and each > 0), ZERO)
    short = sum((each for each in known.values() if each is not None and each < 0), ZERO)
    nav = book.cash + book.receivables + long + short
    trades = traded or {}
    lines = tuple(
        _line(line, marks.get(line.instrument_id), known[line.instrument_id], nav, trades)
        for line in book.lines
    )
    gains = [each.unrealized_pnl for each in lines if each.unrealized_pnl is not None]
    days = [each.day_pnl for each in lines if each.exposure is not None]
    known_days = [each for each in days if each is not None]
    coverage = _coverage(lines)
    return Valuation(
        portfolio_id=book.portfolio_id,
        ledger_seq=book.ledger_seq,
        nav=nav,
        cash=book.cash,
        long=long,
        short=short,
        gross=long - short,
        net=long + short,
        lines=lines,
        coverage=coverage,
        excluded=[
            {"symbol": each.line.symbol, "reason": each.reason} for each in lines if each.reason
        ],
        unrealized_pnl=sum(gains, ZERO),
        day_pnl=sum(known_days, ZERO) if len(known_days) == len(days) else None,
        quality=_quality(lines),
        warnings=[_warning(each) for each in lines if _is_old(each)],
        receivables=book.receivables,
    )


def _exposure(line: HeldLine, marks: Mapping[UUID, Mark]) -> Decimal | None:
    mark = marks.get(line.instrument_id)
    if mark is None or mark.price is None:
        return None
    return to_money(line.quantity * mark.price * line.multiplier)


def _line(
    line: HeldLine,
    mark: Mark | None,
    exposure: Decimal | None,
    nav: Decimal,
    trades: Mapping[UUID, Traded],
) -> ValuedLine:
    if mark is None or exposure is None:
        return ValuedLine(line, mark, None, None, None, line.cost_basis, None, None, NO_PRICE)
    return ValuedLine(
        line=line,
        mark=mark,
        exposure=exposure,
        market_value=abs(exposure),
        weight=float(exposure / nav) if nav > 0 else None,
        cost=line.cost_basis,
        unrealized_pnl=exposure - line.cost_basis,
        day_pnl=_day_pnl(line, mark, exposure, trades.get(line.instrument_id, Traded())),
        reason=mark.reason,
    )


def _day_pnl(line: HeldLine, mark: Mark, exposure: Decimal, done: Traded) -> Decimal | None:
    """What was held moved from the last close, what was traded from its own price."""
    held = line.quantity - done.quantity
    gain = exposure - done.paid + done.income
    if not held:
        return gain
    if mark.previous_close is None:
        return None
    before = to_money(held * mark.previous_close * line.multiplier)
    return gain - before


def _coverage(lines: tuple[ValuedLine, ...]) -> float | None:
    """Share of gross exposure with a current price; an unpriced line weighs with its cost."""
    sizes = [each.market_value if each.exposure is not None else abs(each.cost) for each in lines]
    total = sum((size for size in sizes if size is not None), ZERO)
    if not lines or not total:
        return None
    current = sum(
        (each.market_value for each in lines if each.market_value is not None and not each.reason),
        ZERO,
    )
    return float(current / total)


def _is_old(each: ValuedLine) -> bool:
    return each.mark is None or each.mark.price is None or each.mark.price_class not in CURRENT


def _quality(lines: tuple[ValuedLine, ...]) -> str:
    if any(each.exposure is None for each in lines):
        return Quality.MISSING.value
    if any(each.reason for each in lines):
        return Quality.STALE.value
    return (Quality.LIMITED if any(_is_old(each) for each in lines) else Quality.FULL).value


def _warning(each: ValuedLine) -> dict[str, Any]:
    if each.mark is None or each.mark.price is None:
        return {"code": NO_PRICE, "symbol": each.line.symbol, "detail": "no price is known"}
    return {
        "code": "price_stale",
        "symbol": each.line.symbol,
        "detail": f"price of {each.mark.session_date}",
    }
