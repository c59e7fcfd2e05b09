"""What a portfolio is compared with: its benchmarks, their returns, the risk-free rate."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import numpy as np
from django.db.models import OuterRef, Q, Subquery
from numpy.typing import NDArray

from etftrader.core.errors import BadInput
from marketdata.choices import InstrumentKind, PriceBasis, Pricing
from marketdata.constants import BENCHMARK
from marketdata.models import Instrument, PriceSeries, TreasuryYield
from marketdata.selectors import instruments
from marketdata.selectors.instruments import UnknownSymbol
from portfolios.constants import MAX_BENCHMARKS
from portfolios.models import PortfolioBenchmark

BILL = "3M"
LOOK_BACK = timedelta(days=14)  # a yield older than that is none of the period
UNPRICED = (InstrumentKind.OPTION, InstrumentKind.BOND)


@dataclass(frozen=True, slots=True)
class RiskFree:
    """A yearly rate, fraction: the 3-month bill's mean over the period's sessions; 0 unknown."""

    annual: float
    known: int  # sessions it was known on
    source: str


@dataclass(frozen=True, slots=True)
class Track:
    """A benchmark on the portfolio's dates: NaN where it has no price."""

    symbol: str
    name: str
    is_price_series: bool  # dividends are not in it
    returns: NDArray[np.float64]  # (t,), from each date to the next
    level: NDArray[np.float64]  # (t + 1,), 1 at the first date it has a price on


def kept(*, portfolio_id: UUID) -> list[str]:
    """Symbols somebody has chosen, in their order; empty where it is the default."""
    rows = PortfolioBenchmark.objects.filter(portfolio_id=portfolio_id).order_by("place")
    return list(rows.values_list("instrument__symbol", flat=True))


def checked(symbols: Sequence[str], attr: str) -> list[Instrument]:
    """The instruments of symbols somebody wants to compare with, in their order: one query.

    Raises UnknownSymbol, and BadInput for more than three, the same one twice, and what has no
    series of prices.
    """
    wanted = [each.strip().upper() for each in symbols if each.strip()]
    if len(wanted) > MAX_BENCHMARKS:
        raise BadInput(f"At most {MAX_BENCHMARKS} benchmarks, not {len(wanted)}.", attr=attr)
    known = _by_symbols(wanted) if wanted else {}
    found: list[Instrument] = []
    for symbol in wanted:
        each = known.get(symbol)
        if each is None:
            near = instruments.suggestions(symbol)
            hint = f" Did you mean {', '.join(near)}?" if near else ""
            raise UnknownSymbol(f"{symbol[:32]} is not known.{hint}", attr=attr, suggestions=near)
        if each.kind in UNPRICED or each.pricing != Pricing.AUTO:
            raise BadInput(f"{each.symbol} has no daily series of prices.", attr=attr)
        if each in found:
            raise BadInput(f"{each.symbol} is named twice.", attr=attr)
        found.append(each)
    return found


def _by_symbols(wanted: Sequence[str]) -> dict[str, Instrument]:
    """Public instruments with their series; aliases are asked for only when one is missing."""
    public = Instrument.objects.filter(owner_id__isnull=True, symbol__in=wanted)
    found = {each.symbol.upper(): each for each in public.select_related("series")}
    return found if set(wanted) <= found.keys() else found | instruments.by_symbols(wanted)


def of_portfolio(*, portfolio_id: UUID) -> Sequence[Instrument]:
    """What a portfolio is compared with, in order: those chosen, else the default; one query."""
    mine = PortfolioBenchmark.objects.filter(portfolio_id=portfolio_id)
    place = mine.filter(instrument=OuterRef("pk")).values("place")
    rows = Instrument.objects.filter(
        Q(pk__in=mine.values("instrument")) | Q(symbol=BENCHMARK)
    ).annotate(place=Subquery(place))
    found = list(rows.select_related("series"))
    chosen = sorted((each for each in found if each.place), key=lambda each: each.place)
    return chosen or found


def tracks(*, benchmarks: Iterable[Instrument], dates: Sequence[date]) -> list[Track]:
    """The benchmarks between the portfolio's sessions, in the order given.

    Where the portfolio has no snapshot of a session, the benchmark's return runs on to the next
    one it has, so that both speak of the same stretch. None is taken across a new price basis.
    """
    wanted = np.array(dates, dtype="datetime64[D]").astype("int64")
    found = []
    for each in benchmarks:
        series: PriceSeries | None = getattr(each, "series", None)
        level = np.full(wanted.size, np.nan)
        basis = np.zeros(wanted.size, dtype=np.int64)
        if series is not None and series.sessions.size:
            days = series.sessions.astype("int64")
            place = np.minimum(np.searchsorted(days, wanted), days.size - 1)
            here = days[place] == wanted
            level[here] = series.total_return[place[here]]
            basis = np.searchsorted(np.array(series.basis_breaks, dtype="int64"), place, "right")
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = level[1:] / level[:-1] - 1.0
        returns[np.diff(basis) != 0] = np.nan
        found.append(
            Track(
                each.symbol,
                each.name,
                each.price_basis == PriceBasis.CLOSE,
                returns,
                _grown(returns, level),
            )
        )
    return found


def _grown(returns: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    """The level rebased to 1 at the first price, chained by returns."""
    steps = np.concatenate([[1.0], 1.0 + np.nan_to_num(returns)]) if level.size else level
    return np.where(np.isfinite(level), np.cumprod(steps), np.nan)


def risk_free(*, dates: Sequence[date]) -> RiskFree:
    """The mean over sessions of the bill yield each of them knew: one query."""
    if not dates:
        return RiskFree(0.0, 0, "")
    rows = TreasuryYield.objects.filter(
        tenor=BILL, session_date__gte=dates[0] - LOOK_BACK, session_date__lte=dates[-1]
    ).order_by("session_date")
    known = list(rows.values_list("session_date", "percent", "source"))
    if not known:
        return RiskFree(0.0, 0, "")
    days = np.array([day for day, _, _ in known], dtype="datetime64[D]")
    percent = np.array([value for _, value, _ in known])
    wanted = np.array(dates, dtype="datetime64[D]")
    place = np.searchsorted(days, wanted, side="right") - 1
    age = wanted - days[np.maximum(place, 0)]
    usable = (place >= 0) & (age <= np.timedelta64(LOOK_BACK.days, "D"))
    if not usable.any():
        return RiskFree(0.0, 0, "")
    mean = float(percent[place[usable]].mean()) / 100.0
    return RiskFree(mean, int(usable.sum()), known[-1][2])
