"""The tear sheet: how a portfolio has done over a period, against what, at what risk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.models import Instrument
from portfolios.calculations import drawdowns as falls
from portfolios.calculations import performance as kernel
from portfolios.calculations import returns, rolling
from portfolios.calculations.drawdowns import Drawdown
from portfolios.calculations.performance import DAYS_PER_YEAR
from portfolios.calculations.periods import Period
from portfolios.calculations.returns import Year
from portfolios.calculations.rolling import WINDOWS, Histogram, Rolling
from portfolios.constants import MIN_RATIO_SESSIONS
from portfolios.models import Portfolio
from portfolios.selectors import performance_benchmarks as benchmarks
from portfolios.selectors import performance_books, performance_figures, performance_rows
from portfolios.selectors.performance_benchmarks import RiskFree, Track
from portfolios.selectors.performance_books import Books
from portfolios.selectors.performance_figures import NONE, TOO_SHORT, Figure
from portfolios.selectors.performance_rows import Row, Stretch

SHORT, NO_BILL, GAPS, PRICE_SERIES, UNEXPLAINED = (
    "short_history",
    "no_risk_free_rate",
    "days_without_return",
    "price_series",
    "unexplained_gain",
)


@dataclass(frozen=True, slots=True)
class Beside:
    """One benchmark over the period; `level` is 1 where it begins, None without a price."""

    symbol: str
    name: str
    is_price_series: bool
    sessions: int  # in common
    figures: dict[str, Figure]
    cumulative_return: float | None
    level: tuple[float | None, ...]  # on the dates of `rows`


@dataclass(frozen=True, slots=True)
class Window:
    """Figures over the last so many sessions of each day of `dates`; NaN where there is none."""

    sessions: int
    dates: tuple[date, ...]
    figures: Rolling


@dataclass(frozen=True, slots=True)
class TearSheet:
    """What page, API and report show of one portfolio and period."""

    portfolio_id: UUID
    name: str
    currency: str
    period: Period
    as_of: date  # nothing later was looked at
    opened: date | None  # session of its first snapshot
    newest: Row | None  # its last one as of then, whatever the period
    start: date | None  # the base
    end: date | None
    sessions: int  # returns
    reason: str  # why the ratios are missing
    risk_free: RiskFree
    figures: dict[str, Figure]
    beside: tuple[Beside, ...]
    drawdowns: tuple[Drawdown, ...]
    years: tuple[Year, ...]
    windows: tuple[Window, ...]
    histogram: Histogram | None
    books: Books | None
    rows: tuple[Row, ...]
    falls: tuple[float, ...]  # of the index from its highest so far, <= 0, on the dates of `rows`
    hypothetical: tuple[Row, ...]  # drawn dashed, in no figure
    warnings: tuple[tuple[str, str], ...]

    @property
    def is_short(self) -> bool:
        """Annualised from less than a year."""
        return self.sessions < DAYS_PER_YEAR

    @property
    def pnl(self) -> Decimal | None:
        """The period's gain, dollars, free of flows."""
        return sum((row.daily_pnl for row in self.rows[1:]), Decimal(0)) if self.rows else None

    @property
    def flows(self) -> Decimal | None:
        """Net external flow of the period, in positive."""
        return sum((row.flows for row in self.rows[1:]), Decimal(0)) if self.rows else None

    @property
    def var(self) -> float | None:
        """The last snapshot's VaR, 95 %, one day, as a share of its equity; positive is a loss."""
        last = self.rows[-1] if self.rows else None
        if last is None or last.var is None or last.nav <= 0:
            return None
        return last.var / float(last.nav)

    @property
    def needs(self) -> str:
        """What the ratios wait for, in words."""
        return performance_figures.needs(self.sessions)


def tear_sheet(
    *,
    portfolio: Portfolio,
    period: Period,
    as_of: date,
    against: Sequence[Instrument] | None = None,
) -> TearSheet:
    """Return the performance of a portfolio over a period.

    Parameters
    ----------
    portfolio : Portfolio
        Its actual daily snapshots and its ledger are the source.
    period : Period
        A preset or days of one's own.
    as_of : date
        Nothing of a later session counts.
    against : sequence of Instrument, optional
        Benchmarks instead of those chosen for the portfolio. None of the portfolio's own figures
        depends on them.

    Returns
    -------
    TearSheet
        Figures that cannot be computed are None with a reason; ratios need 20 returns, those
        beside a benchmark 20 sessions both have.
    """
    found = performance_rows.stretch(portfolio_id=portfolio.pk, period=period, until=as_of)
    if not found.rows:
        return _empty(portfolio, period, as_of, found)
    dates, daily = found.dates, found.returns
    days = [row.session_date for row in found.later]
    free = benchmarks.risk_free(dates=days)
    chosen = benchmarks.of_portfolio(portfolio_id=portfolio.pk) if against is None else against
    tracks = benchmarks.tracks(benchmarks=chosen, dates=dates)
    books = performance_books.books(portfolio_id=portfolio.pk, found=found)
    known = daily.size >= MIN_RATIO_SESSIONS
    index = np.array([row.twr_index for row in found.rows])
    usable = bool((index > 0.0).all())
    beside = tuple(_beside(each, found, daily, free) for each in tracks)
    return TearSheet(
        portfolio_id=portfolio.pk,
        name=portfolio.name,
        currency=portfolio.base_currency,
        period=period,
        as_of=as_of,
        opened=found.opened,
        newest=found.newest,
        start=dates[0],
        end=dates[-1],
        sessions=int(daily.size),
        reason="" if known else TOO_SHORT,
        risk_free=free,
        figures=performance_figures.alone(
            kernel.summary(daily, free.annual),
            _money_weighted(found),
            int(daily.size),
            (dates[0], dates[-1]),
            free,
        ),
        beside=beside,
        drawdowns=falls.drawdowns(dates, index) if usable else (),
        years=returns.calendar_years(days, daily.tolist()),
        windows=_windows(found, daily, tracks, free),
        histogram=rolling.histogram(daily) if known else None,
        books=books,
        rows=found.rows,
        falls=tuple((index / np.maximum.accumulate(index) - 1.0).tolist()) if usable else (),
        hypothetical=found.hypothetical,
        warnings=_warnings(found, daily, free, beside, books),
    )


def _money_weighted(found: Stretch) -> tuple[float | None, float | None]:
    ends = (float(found.rows[0].nav), float(found.rows[-1].nav))
    return returns.money_weighted(found.dates, ends, [float(row.flows) for row in found.rows[1:]])


def _aligned(track: Track, found: Stretch) -> NDArray[np.float64]:
    """A benchmark's returns on the days the portfolio has one."""
    kept = [place for place, row in enumerate(found.rows[1:]) if row.daily_return is not None]
    return track.returns[np.array(kept, dtype=np.int64)]


def _beside(track: Track, found: Stretch, daily: NDArray[np.float64], free: RiskFree) -> Beside:
    theirs = _aligned(track, found)
    both = np.isfinite(theirs)
    common = int(both.sum())
    made = None
    if common >= MIN_RATIO_SESSIONS:
        made = kernel.relative(daily[both], theirs[both], free.annual)
    level = [float(each) if np.isfinite(each) else None for each in track.level]
    first, last = (level[0], level[-1]) if level else (None, None)
    return Beside(
        symbol=track.symbol,
        name=track.name,
        is_price_series=track.is_price_series,
        sessions=common,
        figures=performance_figures.beside(made, common, track.symbol, free),
        cumulative_return=None if first is None or last is None else last - 1.0,
        level=tuple(level),
    )


def _windows(
    found: Stretch, daily: NDArray[np.float64], tracks: Sequence[Track], free: RiskFree
) -> tuple[Window, ...]:
    """Rolling figures; their beta is against the first benchmark."""
    days = tuple(row.session_date for row in found.later)
    theirs = _aligned(tracks[0], found) if tracks else None
    return tuple(
        Window(size, days, rolling.rolling(daily, size, free.annual, theirs))
        for size in WINDOWS
        if daily.size >= size
    )


def _warnings(
    found: Stretch,
    daily: NDArray[np.float64],
    free: RiskFree,
    beside: Sequence[Beside],
    books: Books,
) -> tuple[tuple[str, str], ...]:
    told = []
    if MIN_RATIO_SESSIONS <= daily.size < DAYS_PER_YEAR:
        told.append((SHORT, f"annualised from {daily.size} sessions"))
    if daily.size and not free.known:
        told.append((NO_BILL, "no 3-month bill yield is known; the ratios take 0%"))
    without = len(found.rows) - 1 - daily.size
    if without:
        told.append((GAPS, f"{without} sessions began without equity and have no return"))
    prices = [each.symbol for each in beside if each.is_price_series]
    if prices:
        told.append((PRICE_SERIES, f"{', '.join(prices)}: prices, dividends are not in them"))
    if books.difference:
        told.append((UNEXPLAINED, f"{books.difference} of the gain is of no booking or price"))
    return tuple(told)


def _empty(portfolio: Portfolio, period: Period, as_of: date, found: Stretch) -> TearSheet:
    return TearSheet(
        portfolio_id=portfolio.pk,
        name=portfolio.name,
        currency=portfolio.base_currency,
        period=period,
        as_of=as_of,
        opened=found.opened,
        newest=found.newest,
        start=None,
        end=None,
        sessions=0,
        reason=NONE,
        risk_free=RiskFree(0.0, 0, ""),
        figures=performance_figures.missing(NONE),
        beside=(),
        drawdowns=(),
        years=(),
        windows=(),
        histogram=None,
        books=None,
        rows=(),
        falls=(),
        hypothetical=(),
        warnings=(),
    )
