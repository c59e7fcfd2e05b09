"""What options are priced with: closes, yields, dividends and past volatility, as of a session."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

import numpy as np
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from marketdata.calculations.options import NEW_YORK, PM_SETTLEMENT
from marketdata.choices import ActionKind, ActionStatus, PriceBasis
from marketdata.constants import MAX_STALE_SESSIONS
from marketdata.models import CorporateAction, Instrument, OptionGreeks, TreasuryYield
from marketdata.selectors import prices

TENORS = {"3M": 0.25, "2Y": 2.0, "10Y": 10.0, "30Y": 30.0}
YIELD_AGE = timedelta(days=5)
DIVIDEND_WINDOW = timedelta(days=365)
VOLATILITY_WINDOW, FEWEST_RETURNS = 60, 20
TRADING_DAYS = 252
HISTORY = 260  # sessions: the volatility's, and closes of contracts that expired unsettled
# flags of a figure: what stood in for its proper input
HIST_VOL, ASSUMED_YIELD = "fallback:hist_vol", "fallback:assumed_yield"
NO_DIVIDENDS, STALE_PRICE, STALE_RATE = "no_dividends_known", "stale_price", "stale_rate"
ADJUSTED, ASYNCHRONOUS = "adjusted_close", "asynchronous"


@dataclass(frozen=True, slots=True)
class Underlying:
    """One underlying as of a session; None where a figure is not known."""

    instrument_id: UUID
    symbol: str
    spot: float | None  # close, currency a share
    historical: float | None  # 60-day volatility, fraction a year
    dividend_yield: float | None  # continuous, fraction a year
    flags: tuple[str, ...]
    sessions: NDArray[np.datetime64]
    closes: NDArray[np.float64]

    def close_on(self, day: date) -> float | None:
        """The last close not after a past day, at most five sessions before it."""
        row = int(np.searchsorted(self.sessions, np.datetime64(day, "D"), side="right"))
        known = np.flatnonzero(np.isfinite(self.closes[:row]))
        if not known.size or row - 1 - known[-1] > MAX_STALE_SESSIONS:
            return None
        return float(self.closes[known[-1]])


@dataclass(frozen=True, slots=True)
class Market:
    """The inputs of every contract of some underlyings at one session."""

    session_date: date
    moment: datetime  # 16:00 in New York, at which contracts are valued
    underlyings: dict[UUID, Underlying]
    rates: dict[str, float]  # by tenor, continuous, fraction a year
    stale_tenors: frozenset[str]

    def rate(self, years: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Rate of the tenor nearest to each time, NaN when it is missing; and whether it is old."""
        names = list(TENORS)
        places = np.array(list(TENORS.values()))
        nearest = np.abs(np.asarray(years)[:, None] - places).argmin(axis=1)
        level = np.array([self.rates.get(name, np.nan) for name in names])
        old = np.array([name in self.stale_tenors for name in names])
        return level[nearest], old[nearest]


def market(*, underlying_ids: Iterable[UUID], session_date: date) -> Market:
    """Read the inputs in a few queries, however many underlyings; nothing after the session."""
    rows = list(Instrument.objects.filter(pk__in=set(underlying_ids)).order_by("symbol"))
    rates, stale = _rates(session_date)
    return Market(
        session_date=session_date,
        moment=datetime.combine(session_date, PM_SETTLEMENT, tzinfo=NEW_YORK),
        underlyings=_underlyings(rows, session_date),
        rates=rates,
        stale_tenors=stale,
    )


def wanted_a_price(*, symbols: Iterable[str] | None, session_date: date) -> bool:
    """Whether a session's rows lack figures for want of an underlying's price, or rest on an old
    one; of these underlyings, or of all.
    """
    rows = OptionGreeks.objects.filter(session_date=session_date)
    if symbols is not None:
        rows = rows.filter(contract__underlying__symbol__in=list(symbols))
    said = rows.annotate(words=Cast("flags", TextField()))
    old = Q(underlying_price__isnull=True) | Q(words__contains=STALE_PRICE)
    return said.filter(old).exists()


def _rates(session_date: date) -> tuple[dict[str, float], frozenset[str]]:
    """ln(1 + yield) by tenor: the session's, else the last known up to five days before."""
    rows = TreasuryYield.objects.filter(
        tenor__in=list(TENORS),
        session_date__range=(session_date - YIELD_AGE, session_date),
    ).order_by("session_date")
    newest = {row.tenor: row for row in rows}
    rates = {
        tenor: float(np.log1p(row.percent / 100.0))
        for tenor, row in newest.items()
        if row.percent > -100.0
    }
    old = {tenor for tenor, row in newest.items() if row.session_date < session_date}
    return rates, frozenset(old)


def _underlyings(rows: list[Instrument], session_date: date) -> dict[UUID, Underlying]:
    if not rows:
        return {}
    panel = prices.panel(symbols=[each.symbol for each in rows], until=session_date, rows=HISTORY)
    dividends = _dividends(rows, session_date)
    volatilities = historical(panel)
    found = {}
    for each in rows:
        column = panel.symbols.index(each.symbol)
        closes = panel.close[:, column]
        known = np.flatnonzero(np.isfinite(closes))
        age = closes.size - 1 - known[-1] if known.size else MAX_STALE_SESSIONS + 1
        spot = float(closes[known[-1]]) if age <= MAX_STALE_SESSIONS else None
        dividend_yield, flags = _yield(each, spot, dividends.get(each.pk))
        if known.size and age:
            flags.append(STALE_PRICE)
        if each.price_basis == PriceBasis.ADJUSTED:
            flags.append(ADJUSTED)
        found[each.pk] = Underlying(
            each.pk,
            each.symbol,
            spot,
            volatilities[column],
            dividend_yield,
            tuple(flags),
            panel.sessions,
            closes,
        )
    return found


def historical(panel: prices.PricePanel) -> list[float | None]:
    """Yearly volatility of the newest 60 returns of each column; None below 20 of them."""
    found: list[float | None] = []
    for series in panel.returns()[-VOLATILITY_WINDOW:].T:
        known = series[np.isfinite(series)]
        level = float(known.std(ddof=1) * np.sqrt(TRADING_DAYS)) if known.size > 1 else 0.0
        found.append(level if known.size >= FEWEST_RETURNS and level > 0.0 else None)
    return found


def _dividends(rows: list[Instrument], session_date: date) -> dict[UUID, float]:
    """Dividends of the last twelve months, currency a share."""
    paid = (
        CorporateAction.objects.filter(
            instrument__in=rows,
            kind=ActionKind.DIVIDEND,
            ex_date__gt=session_date - DIVIDEND_WINDOW,
            ex_date__lte=session_date,
        )
        .exclude(status=ActionStatus.REJECTED)
        .values_list("instrument_id", "amount")
    )
    total: dict[UUID, float] = {}
    for instrument_id, amount in paid:
        total[instrument_id] = total.get(instrument_id, 0.0) + float(amount or 0)
    return total


def _yield(
    instrument: Instrument, spot: float | None, paid: float | None
) -> tuple[float | None, list[str]]:
    if paid is not None:
        return (paid / spot if spot else None), []
    if instrument.assumed_dividend_yield is not None:
        return instrument.assumed_dividend_yield, [ASSUMED_YIELD]
    return 0.0, [NO_DIVIDENDS]
