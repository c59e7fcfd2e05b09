"""What a book is worth at given marks: exposures, weights, gains, and how much of it is known."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from etftrader.core.money import to_money
from marketdata.calculations.exchange import Rate
from marketdata.choices import PriceClass, Source
from marketdata.selectors import exchange_rates
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.prices import Mark, Sensitivities
from marketdata.selectors.suspects import PRICE_SUSPECT
from portfolios.calculations import greeks
from portfolios.calculations.greeks import BookGreeks
from portfolios.choices import Quality
from portfolios.selectors.holdings import Book, HeldLine, Traded

ZERO = Decimal(0)
NO_PRICE, NO_DELTA = "no_price", "no_delta"
NO_GREEKS, SIMULATED_PRICE = "no_greeks", "simulated_price"
CURRENT = {
    PriceClass.LIVE,
    PriceClass.DELAYED,
    PriceClass.EOD,
    PriceClass.MANUAL,
    PriceClass.MODEL,
}


@dataclass(frozen=True, slots=True)
class ValuedLine:
    """One line with its price; figures that need a missing price are None, with the reason.

    `delta_exposure` is what risk works on: signed dollars of the underlying for an option, the
    exposure itself for everything else.
    """

    line: HeldLine
    mark: Mark | None
    exposure: Decimal | None
    market_value: Decimal | None
    weight: float | None
    cost: Decimal
    unrealized_pnl: Decimal | None
    day_pnl: Decimal | None
    reason: str
    delta_exposure: Decimal | None = None
    delta_reason: str = ""  # why there is none

    @property
    def delta(self) -> float | None:
        """Of one unit, whatever side is held; 1 for what is no option."""
        if self.line.contract is None:
            return 1.0 if self.exposure is not None else None
        return self.greeks.delta if self.greeks is not None else None

    @property
    def greeks(self) -> Sensitivities | None:
        """Of one unit of an option."""
        return self.mark.greeks if self.mark is not None else None

    @property
    def rate(self) -> Rate | None:
        """What converts its price into the book's currency; None where it is in it."""
        return self.mark.rate if self.mark is not None else None

    @property
    def price(self) -> Decimal | None:
        """In the instrument's own currency."""
        return self.mark.own_price if self.mark is not None else None


@dataclass(frozen=True, slots=True)
class Valuation:
    """A book in its own currency; `short` is at most zero, `coverage` a share of gross exposure.

    `receivables` are dividends to come less those to be paid: in `nav`, not in `cash`. The delta
    exposures take options by their delta and net them with their underlying; `greeks` are those
    of the options, None where none of them is known.
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
    gross_delta: Decimal | None = ZERO
    net_delta: Decimal | None = ZERO
    greeks: BookGreeks | None = None


def value(
    *,
    book: Book,
    marks: Mapping[UUID, Mark],
    traded: Mapping[UUID, Traded] | None = None,
    rates: Rates = exchange_rates.NONE,
) -> Valuation:
    """Value a book in its own currency.

    Parameters
    ----------
    book : Book
        Lines, cash and receivables.
    marks : mapping of instrument id to Mark
        A line without a mark, or with one without a price, counts as nothing and is excluded.
    traded : mapping of instrument id to Traded, optional
        The session's fills: they gain from their own price, not from yesterday's close. Its
        dividends are a gain of the line that went ex.
    rates : Rates, optional
        Of the moment of the marks; a line in a currency without a rate is excluded.

    Returns
    -------
    Valuation
        `day_pnl` is that of the lines still held, before fees; None when one of them has no
        close of the day before.
    """
    currencies = {line.instrument_id: line.currency for line in book.lines}
    marks = rates.converted(marks, currencies, book.base_currency)
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
    gross_delta, net_delta = _deltas(lines)
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
        warnings=[_warning(each) for each in lines if _is_old(each)] + _doubts(lines),
        receivables=book.receivables,
        gross_delta=gross_delta,
        net_delta=net_delta,
        greeks=_greeks(lines),
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
        reason = (mark.reason if mark is not None else "") or NO_PRICE
        return ValuedLine(
            line, mark, None, None, None, line.cost_basis, None, None, reason, None, NO_PRICE
        )
    delta = _delta_exposure(line, mark, exposure)
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
        delta_exposure=delta,
        delta_reason="" if delta is not None else NO_DELTA,
    )


def _delta_exposure(line: HeldLine, mark: Mark, exposure: Decimal) -> Decimal | None:
    if line.contract is None:
        return exposure
    if mark.greeks is None:
        return None
    units = float(line.quantity * line.multiplier)
    return to_money(units * mark.greeks.delta * mark.greeks.spot)


def _deltas(lines: tuple[ValuedLine, ...]) -> tuple[Decimal | None, Decimal | None]:
    """Gross and net delta dollars, by underlying; None where nothing held has a delta."""
    sums: dict[str, Decimal] = {}
    for each in lines:
        if each.delta_exposure is not None:
            name = each.line.underlying
            sums[name] = sums.get(name, ZERO) + each.delta_exposure
    if lines and not sums:
        return None, None
    return sum((abs(each) for each in sums.values()), ZERO), sum(sums.values(), ZERO)


def _greeks(lines: tuple[ValuedLine, ...]) -> BookGreeks | None:
    """Of the options; zeros for a book without, None where no Greeks of them are known.

    Those of a price in doubt are left out, as risk leaves them out.
    """
    options = [each for each in lines if each.line.contract is not None]
    known = [
        (each.line, each.greeks)
        for each in options
        if each.greeks is not None and each.reason != PRICE_SUSPECT
    ]
    if options and not known:
        return None
    units = [[getattr(found, name) for name in greeks.ORDER] for _, found in known]
    return greeks.total(
        np.array([float(line.quantity) for line, _ in known]),
        np.array([float(line.multiplier) for line, _ in known]),
        np.array([found.spot for _, found in known]),
        np.ones(len(known), dtype=bool),
        np.array(units, dtype=np.float64).reshape(-1, len(greeks.ORDER)),
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
    if any(_is_made(each) for each in lines):
        return Quality.FALLBACK.value
    if any(each.delta_exposure is None for each in lines):
        return Quality.LIMITED.value
    return (Quality.LIMITED if any(_is_old(each) for each in lines) else Quality.FULL).value


def _is_made(each: ValuedLine) -> bool:
    """Whether an option's price is of the house's own making: a simulated quote, or a model's."""
    mark = each.mark
    if each.line.contract is None or mark is None or mark.price is None:
        return False
    return mark.source == Source.SIM or mark.price_class == PriceClass.MODEL


def _doubts(lines: tuple[ValuedLine, ...]) -> list[dict[str, Any]]:
    """What options ask a reader to know: prices nobody quoted, Greeks that are missing."""
    made = [each.mark for each in lines if _is_made(each) and each.mark is not None]
    simulated = sum(1 for mark in made if mark.source == Source.SIM)
    found = [
        {"code": code, "symbol": "Options", "detail": f"{count} of {len(lines)} positions {said}"}
        for code, count, said in (
            (SIMULATED_PRICE, simulated, "at SIMULATED quotes"),
            ("model_price", len(made) - simulated, "at a model's value, quoted by nobody"),
        )
        if count
    ]
    return found + [
        {
            "code": NO_GREEKS,
            "symbol": each.line.symbol,
            "detail": "no Greeks of this session: left out of delta and risk",
        }
        for each in lines
        if each.exposure is not None and each.delta_exposure is None
    ]


def _warning(each: ValuedLine) -> dict[str, Any]:
    if each.mark is None or each.mark.price is None:
        why = each.reason.replace("_", " ") if each.reason != NO_PRICE else "no price is known"
        return {"code": each.reason, "symbol": each.line.symbol, "detail": why}
    rate = each.rate
    if rate is not None and rate.price_class == PriceClass.SUSPECT:
        detail = f"a newer exchange rate is held back; converted at that of {rate.session_date}"
        return {"code": each.reason, "symbol": each.line.symbol, "detail": detail}
    if each.mark.price_class == PriceClass.SUSPECT:
        detail = f"a newer price is held back; valued at that of {each.mark.session_date}"
        return {"code": each.reason, "symbol": each.line.symbol, "detail": detail}
    if rate is not None and rate.price_class == PriceClass.STALE:
        detail = f"price of {each.mark.session_date}, exchange rate of {rate.session_date}"
    else:
        detail = f"price of {each.mark.session_date}"
    return {"code": "price_stale", "symbol": each.line.symbol, "detail": detail}
