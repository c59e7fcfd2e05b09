"""Tear sheets on the wire: money as text, figures as numbers, each null with its reason."""

import math
from collections.abc import Mapping
from typing import Any

from etftrader.core.money import plain
from portfolios.selectors.performance import Beside, TearSheet, Window
from portfolios.selectors.performance_books import Books
from portfolios.selectors.performance_figures import BESIDE, Figure

Json = dict[str, Any]


def values(figures: Mapping[str, Figure]) -> Json:
    """Each figure by its name."""
    return {name: figure.value for name, figure in figures.items()}


def reasons(figures: Mapping[str, Figure]) -> Json:
    """Why figures are null, by name; those that are not null are absent."""
    return {name: figure.reason for name, figure in figures.items() if figure.reason}


def formulas(figures: Mapping[str, Figure]) -> Json:
    """How each was computed, with the rates and sessions it was computed with."""
    return {name: figure.formula for name, figure in figures.items()}


def whole(found: TearSheet) -> Json:
    """The tear sheet; the figures against the first benchmark stand beside the own ones too."""
    first = found.beside[0] if found.beside else None
    against = first.figures if first else {}
    return {
        **head(found),
        **values(found.figures),
        "cumulative_pnl": plain(found.pnl),
        "flows": plain(found.flows),
        "nav_start": plain(found.rows[0].nav) if found.rows else None,
        "nav_end": plain(found.rows[-1].nav) if found.rows else None,
        "risk_free_rate": found.risk_free.annual if found.risk_free.known else None,
        "reason": found.reason,
        "benchmark": first.symbol if first else None,
        **{name: against[name].value if name in against else None for name in BESIDE},
        "reasons": reasons(found.figures) | reasons(against),
        "formulas": formulas(found.figures) | formulas(against),
        "benchmarks": [_beside(each) for each in found.beside],
        "drawdowns": drawdowns(found),
        "years": years(found),
        "income": {name: plain(amount) for name, amount in _books(found, "income").items()},
        "costs": {name: plain(amount) for name, amount in _books(found, "costs").items()},
        "trades": _trades(found.books),
        "series": _series(found),
    }


def head(found: TearSheet) -> Json:
    """What every part of the sheet says of its period."""
    return {
        "period": found.period.name,
        "start": found.start.isoformat() if found.start else None,
        "end": found.end.isoformat() if found.end else None,
        "sessions": found.sessions,
    }


def drawdowns(found: TearSheet) -> list[Json]:
    """The deepest falls, deepest first."""
    return [
        {
            "peak": each.peak.isoformat(),
            "trough": each.trough.isoformat(),
            "recovery": each.recovery.isoformat() if each.recovery else None,
            "depth": each.depth,
            "days_to_trough": each.days_to_trough,
            "length_days": each.length_days,
        }
        for each in found.drawdowns
    ]


def years(found: TearSheet) -> list[Json]:
    """Twelve months and the whole of each year."""
    return [
        {"year": each.year, "months": list(each.months), "cumulative_return": each.total}
        for each in found.years
    ]


def rolling(found: TearSheet) -> Json:
    """One row a session of each window, from the first full one on."""
    return {
        **head(found),
        "benchmark": found.beside[0].symbol if found.beside else None,
        "risk_free_rate": found.risk_free.annual if found.risk_free.known else None,
        "windows": [_window(each) for each in found.windows],
    }


def _window(each: Window) -> Json:
    made = each.figures
    first = each.sessions - 1
    rows = zip(
        each.dates[first:],
        made.sharpe[first:].tolist(),
        made.volatility[first:].tolist(),
        made.beta[first:].tolist(),
        strict=True,
    )
    return {
        "sessions": each.sessions,
        "points": [
            {
                "session_date": day.isoformat(),
                "sharpe": _known(sharpe),
                "annual_volatility": _known(volatility),
                "beta": _known(beta),
            }
            for day, sharpe, volatility, beta in rows
        ],
    }


def contributions(found: TearSheet) -> Json:
    """What each position gave; the parts and `unexplained` add up to `cumulative_pnl`."""
    books = found.books
    return {
        **head(found),
        "cumulative_pnl": plain(found.pnl),
        "unexplained": plain(books.difference) if books else None,
        "contributions": [
            {
                "symbol": each.symbol or None,
                "name": each.name,
                "price_pnl": plain(each.contribution.price),
                "income": plain(each.contribution.income),
                "fees": plain(each.contribution.fees),
                "pnl": plain(each.contribution.pnl),
            }
            for each in (books.parts if books else ())
        ],
    }


def _books(found: TearSheet, name: str) -> Mapping[str, Any]:
    return getattr(found.books, name) if found.books else {}


def _beside(each: Beside) -> Json:
    return {
        "symbol": each.symbol,
        "name": each.name,
        "basis": "price" if each.is_price_series else "total_return",
        "sessions": each.sessions,
        "cumulative_return": each.cumulative_return,
        **values(each.figures),
        "reasons": reasons(each.figures),
    }


def _trades(books: Books | None) -> Json | None:
    if books is None:
        return None
    told = books.trades
    return {
        "round_trips": len(told.trips),
        "wins": told.wins,
        "losses": told.losses,
        "win_rate": told.figures.win_rate,
        "profit_factor": told.figures.profit_factor,
        "payoff_ratio": told.figures.payoff_ratio,
        "expectancy": told.figures.expectancy,
        "best": plain(told.best),
        "worst": plain(told.worst),
        "average_days": told.average_days,
    }


def _series(found: TearSheet) -> list[Json]:
    depths = found.falls or (None,) * len(found.rows)
    return [
        {
            "session_date": row.session_date.isoformat(),
            "nav": plain(row.nav),
            "twr_index": row.twr_index,
            "daily_return": row.daily_return,
            "drawdown": depth,
        }
        for row, depth in zip(found.rows, depths, strict=True)
    ]


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None
