"""Books side by side over the sessions they have in common, on one base."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core.errors import BadInput
from portfolios.calculations import performance as kernel
from portfolios.calculations import returns
from portfolios.calculations.periods import CUSTOM, OPENING, Period
from portfolios.constants import MIN_RATIO_SESSIONS
from portfolios.models import Portfolio
from portfolios.selectors import performance_benchmarks as benchmarks
from portfolios.selectors import performance_figures, performance_rows
from portfolios.selectors.performance_benchmarks import RiskFree
from portfolios.selectors.performance_figures import Figure
from portfolios.selectors.performance_rows import Row

LEAST, MOST = 2, 4
TOO_SHORT, FLAT, NO_VAR = "insufficient_history", "zero_denominator", "no_var"


@dataclass(frozen=True, slots=True)
class Side:
    """One book over the common stretch; `level` is 1 at the base, on the dates of the whole."""

    portfolio_id: UUID
    name: str
    rows: tuple[Row, ...]  # empty where it has no snapshot of the stretch
    level: tuple[float | None, ...]
    figures: dict[str, Figure]
    correlation: Figure  # of its daily returns with those of the first book

    @property
    def pnl(self) -> Decimal | None:
        """Gain of the stretch in the books' currency, free of flows."""
        return sum((row.daily_pnl for row in self.rows[1:]), Decimal(0)) if self.rows else None

    @property
    def nav(self) -> Decimal | None:
        """Equity at the end."""
        return self.rows[-1].nav if self.rows else None

    @property
    def var(self) -> float | None:
        """VaR of the last snapshot, 95 %, one day, as a share of its equity; positive is a loss."""
        last = self.rows[-1] if self.rows else None
        if last is None or last.var is None or last.nav <= 0:
            return None
        return last.var / float(last.nav)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two to four books; without a common session `dates` is empty."""

    sides: tuple[Side, ...]
    dates: tuple[date, ...]  # that all have; the first is the base
    risk_free: RiskFree


def compare(*, portfolios: Sequence[Portfolio], period: Period, as_of: date) -> Comparison:
    """Compare books over the sessions all of them have a snapshot of.

    Parameters
    ----------
    portfolios : sequence of Portfolio
        Two to four, each once.
    period : Period
        A preset or days of one's own; the base is the first session within it that all have.
    as_of : date
        Nothing of a later session counts.

    Returns
    -------
    Comparison
        Figures are None with a reason; ratios need 20 returns. One query a book, one for the bill.

    Raises
    ------
    BadInput
        Of fewer or more books, one that is named twice, or several base currencies
        (`other_currency`).
    """
    _check(portfolios)
    whole = Period(OPENING)
    found = [
        performance_rows.stretch(portfolio_id=each.pk, period=whole, until=as_of).rows
        for each in portfolios
    ]
    span = _common(found, period)
    dates = tuple(sorted(span))
    parts = [_between(rows, dates) for rows in found]
    free = benchmarks.risk_free(dates=list(dates[1:]))
    levels = [_levels(rows, dates) for rows in parts]
    sides = tuple(
        Side(
            portfolio_id=each.pk,
            name=each.name,
            rows=rows,
            level=level,
            figures=_figures(rows, free),
            correlation=_correlation(level, levels[0]),
        )
        for each, rows, level in zip(portfolios, parts, levels, strict=True)
    )
    return Comparison(sides, dates, free)


def _check(portfolios: Sequence[Portfolio]) -> None:
    count = len({each.pk for each in portfolios})
    if count < len(portfolios):
        raise BadInput("Choose each portfolio once.", attr="portfolio")
    if not LEAST <= count <= MOST:
        raise BadInput(f"Choose {LEAST} to {MOST} portfolios.", attr="portfolio")
    currencies = sorted({each.base_currency for each in portfolios})
    if len(currencies) > 1:
        raise BadInput(
            f"They are kept in {' and '.join(currencies)}: choose portfolios of one currency.",
            attr="portfolio",
            code="other_currency",
        )


def _common(found: Sequence[Sequence[Row]], period: Period) -> set[date]:
    """Sessions of the period that every book has."""
    ends = [rows[-1].session_date for rows in found if rows]
    if len(ends) < len(found):
        return set()
    end = min([*ends, *([period.end] if period.end else [])])
    named = Period(period.name, period.start, end) if period.name == CUSTOM else period
    until = [[row for row in rows if row.session_date <= end] for rows in found]
    kept = [performance_rows.inside(rows, named) for rows in until]
    starts = [rows[0].session_date for rows in kept if rows]
    if len(starts) < len(kept):
        return set()
    start = max(starts)
    days = [{row.session_date for row in rows if row.session_date >= start} for rows in kept]
    return set.intersection(*days)


def _between(rows: Sequence[Row], dates: Sequence[date]) -> tuple[Row, ...]:
    """A book's own rows of the stretch, those others lack too."""
    if not dates:
        return ()
    return tuple(row for row in rows if dates[0] <= row.session_date <= dates[-1])


def _levels(rows: Sequence[Row], dates: Sequence[date]) -> tuple[float | None, ...]:
    index = {row.session_date: row.twr_index for row in rows}
    base = index[dates[0]] if dates else 0.0
    return tuple(index[day] / base if base > 0.0 else None for day in dates)


def _figures(rows: tuple[Row, ...], free: RiskFree) -> dict[str, Figure]:
    if not rows:
        return performance_figures.missing(performance_figures.NONE)
    known = [row.daily_return for row in rows[1:] if row.daily_return is not None]
    daily = np.array(known, dtype=np.float64)
    ends = (float(rows[0].nav), float(rows[-1].nav))
    days = [row.session_date for row in rows]
    weighted = returns.money_weighted(days, ends, [float(row.flows) for row in rows[1:]])
    made = kernel.summary(daily, free.annual)
    return performance_figures.alone(made, weighted, int(daily.size), (days[0], days[-1]), free)


def _correlation(mine: Sequence[float | None], first: Sequence[float | None]) -> Figure:
    """Pearson's, of the returns between the sessions all have."""
    levels = np.array([mine, first], dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = levels[:, 1:] / levels[:, :-1] - 1.0
    table: NDArray[np.float64] = steps[:, np.isfinite(steps).all(axis=0)]
    count = table.shape[1]
    said = f"cov(r, first) ÷ (std(r) × std(first)); {count} sessions both have"
    if count < MIN_RATIO_SESSIONS:
        why = performance_figures.needs(count)
        return Figure("correlation", None, "ratio", said, TOO_SHORT, why)
    if not (table.std(axis=1) > 0.0).all():
        return Figure("correlation", None, "ratio", said, FLAT, "its denominator is zero")
    return Figure("correlation", float(np.corrcoef(table[0], table[1])[0, 1]), "ratio", said)
