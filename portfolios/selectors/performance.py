"""How a portfolio has done: returns freed of flows, their risk, falls, and the series."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np

from marketdata.constants import BENCHMARK
from marketdata.selectors import prices
from portfolios.calculations import drawdowns as falls
from portfolios.calculations import performance as kernel
from portfolios.calculations.drawdowns import Drawdown
from portfolios.calculations.performance import DAYS_PER_YEAR, Relative, Summary
from portfolios.constants import MIN_RATIO_SESSIONS
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import snapshots

SHORT = "short_history"
TOO_SHORT = "insufficient_history"
NONE = "no_snapshots"


@dataclass(frozen=True, slots=True)
class Performance:
    """Figures of one stretch; a figure that cannot be computed is None, `reason` says why."""

    start: date | None
    end: date | None
    sessions: int  # returns in the stretch
    cumulative_return: float | None
    cumulative_pnl: Decimal | None
    annual_return: float | None
    is_short: bool  # annualised from less than a year
    annual_volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    calmar: float | None
    hit_rate: float | None
    reason: str  # of the ratios
    benchmark: str
    relative: Relative | None
    drawdowns: tuple[Drawdown, ...]
    series: tuple[PortfolioSnapshot, ...]

    @property
    def flags(self) -> list[str]:
        """What a reader must know beside the figures."""
        return [SHORT] if self.is_short and self.annual_return is not None else []


def performance(*, portfolio_id: UUID, until: date, start: date | None = None) -> Performance:
    """Return the performance between two sessions.

    Parameters
    ----------
    portfolio_id : UUID
        Its daily snapshots are the source.
    until : date
        No session after it counts.
    start : date, optional
        The stretch begins with the first snapshot from this day on; its own return is the base.

    Returns
    -------
    Performance
        Ratios are None with fewer than 20 returns; annualised figures say when the stretch is
        shorter than a year. The benchmark is compared over common sessions, at least 20.
    """
    found = snapshots.series(portfolio_id=portfolio_id, until=until, start=start)
    if not found:
        return _empty(NONE)
    later = [each for each in found[1:] if each.daily_return is not None]
    daily = np.array([each.daily_return for each in later], dtype=np.float64)
    figures = kernel.summary(daily)
    known = daily.size >= MIN_RATIO_SESSIONS
    return Performance(
        start=found[0].session_date,
        end=found[-1].session_date,
        sessions=int(daily.size),
        cumulative_return=figures.cumulative_return if daily.size else 0.0,
        cumulative_pnl=sum((each.daily_pnl for each in found[1:]), Decimal(0)),
        is_short=daily.size < DAYS_PER_YEAR,
        reason="" if known else TOO_SHORT,
        benchmark=BENCHMARK,
        relative=_relative(later, daily) if known else None,
        drawdowns=_drawdowns(found),
        series=tuple(found),
        max_drawdown=figures.max_drawdown if daily.size else None,
        **_ratios(figures, known),
    )


def _ratios(figures: Summary, known: bool) -> dict[str, float | None]:
    names = ("annual_return", "annual_volatility", "sharpe", "sortino", "calmar", "hit_rate")
    return {name: getattr(figures, name) if known else None for name in names}


def _relative(later: list[PortfolioSnapshot], daily: np.ndarray) -> Relative | None:
    """Beside the benchmark, on the sessions both have."""
    panel = prices.panel(symbols=[BENCHMARK], until=later[-1].session_date, rows=len(later) + 30)
    theirs = dict(zip(panel.sessions[1:].tolist(), panel.returns()[:, 0], strict=True))
    pairs = [
        (mine, theirs[each.session_date])
        for each, mine in zip(later, daily, strict=True)
        if np.isfinite(theirs.get(each.session_date, np.nan))
    ]
    if len(pairs) < MIN_RATIO_SESSIONS:
        return None
    both = np.array(pairs)
    return kernel.relative(both[:, 0], both[:, 1])


def _drawdowns(found: list[PortfolioSnapshot]) -> tuple[Drawdown, ...]:
    index = np.array([each.twr_index for each in found])
    if not (index > 0).all():
        return ()
    return falls.drawdowns([each.session_date for each in found], index)


def _empty(reason: str) -> Performance:
    return Performance(
        start=None,
        end=None,
        sessions=0,
        cumulative_return=None,
        cumulative_pnl=None,
        annual_return=None,
        is_short=False,
        annual_volatility=None,
        sharpe=None,
        sortino=None,
        max_drawdown=None,
        calmar=None,
        hit_rate=None,
        reason=reason,
        benchmark=BENCHMARK,
        relative=None,
        drawdowns=(),
        series=(),
    )
