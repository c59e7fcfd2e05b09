"""Performance figures of five years of days: a library a portfolio against one pass over arrays.

Peers: empyrical-reloaded (ten figures) and quantstats (eight), timed where they are installed, and
the same ten formulas written in pandas. Ours: `carried` over a thousand portfolios, ten figures
each, equal to the product's `summary` and `relative`; and one day more in `carry`, which no peer
has: they compute the whole history again.
"""

from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side
from portfolios.calculations import carried_metrics, performance
from portfolios.calculations.carried_metrics import Carried, Table

DAYS, PORTFOLIOS, QUICK = 1_260, 1_000, 100
RATE = 0.02
YEAR = performance.DAYS_PER_YEAR
GOALS = {"pandas": 25.0, "empyrical": 35.0, "quantstats": 150.0, "a day more": 20_000.0}
NAMES = Table.__slots__
Figures = dict[str, float]


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases by peer, then what a day more costs, and that it does not grow with the history."""
    count = QUICK if quick else PORTFOLIOS
    rng = np.random.default_rng(8)
    market = rng.normal(0.0004, 0.01, DAYS)
    book = 0.5 * market + rng.normal(0.0002, 0.009, (count, DAYS))
    ours = Side(
        lambda: carried_metrics.table(carried_metrics.carried(book, market, RATE), RATE), count
    )
    for name, peer in _peers(book[0], market).items():
        yield Case(
            f"{name}, {len(peer())} figures, 5 years of days",
            Side(peer),
            ours,
            GOALS[name],
            lambda peer=peer: _differs(peer(), book[0], market),
            1e-9,
        )
    kept = carried_metrics.carried(book, market, RATE)
    whole = _pandas(book[0], market)
    yield Case(
        "a day more, against the whole again",
        Side(whole),
        Side(_day(kept, rng.normal(0.0, 0.01, count)), count),
        GOALS["a day more"],
        lambda: _carried_differs(book[:20], market),
        1e-9,
    )
    lengths = [252, 2_520]
    sides = [Side(_day(_after(days, count), rng.normal(0.0, 0.01, count))) for days in lengths]
    yield Growth("a day more, 1 to 10 years before it", lengths, sides, 1.25)


def _after(days: int, count: int) -> Carried:
    rng = np.random.default_rng(days)
    market = rng.normal(0.0004, 0.01, days)
    return carried_metrics.carried(rng.normal(0.0004, 0.01, (count, days)), market, RATE)


def _day(kept: Carried, returns: NDArray[np.float64]) -> Callable[[], None]:
    def carry() -> None:
        carried_metrics.carry(kept, returns, 0.001, RATE)

    return carry


def _peers(mine: NDArray[np.float64], market: NDArray[np.float64]) -> dict[str, Callable]:
    made: dict[str, Callable[[], Figures]] = {"pandas": _pandas(mine, market)}
    if find_spec("empyrical"):
        made["empyrical"] = _empyrical(mine, market)
    if find_spec("quantstats"):
        made["quantstats"] = _quantstats(mine)
    return made


def _series(values: NDArray[np.float64]) -> Any:
    import pandas as pd

    return pd.Series(values, index=pd.bdate_range("2019-01-01", periods=values.size))


def _pandas(mine: NDArray[np.float64], market: NDArray[np.float64]) -> Callable[[], Figures]:
    x, b = _series(mine), _series(market)
    free = performance.daily_rate(RATE)

    def figures() -> Figures:
        index = (1.0 + x).cumprod()
        annual = index.iloc[-1] ** (YEAR / len(x)) - 1.0
        excess = x - free
        downside = ((excess.clip(upper=0.0) ** 2).mean() * YEAR) ** 0.5
        worst = (index / index.cummax().clip(lower=1.0) - 1.0).min()
        beta = x.cov(b) / b.var()
        alpha = excess.mean() - beta * (b - free).mean()
        return {
            "cumulative_return": index.iloc[-1] - 1.0,
            "annual_return": annual,
            "annual_volatility": x.std() * YEAR**0.5,
            "sharpe": excess.mean() / x.std() * YEAR**0.5,
            "sortino": excess.mean() * YEAR / downside,
            "downside_deviation": downside,
            "max_drawdown": worst,
            "calmar": annual / -worst,
            "beta": beta,
            "alpha": (1.0 + alpha) ** YEAR - 1.0,
        }

    return figures


def _empyrical(mine: NDArray[np.float64], market: NDArray[np.float64]) -> Callable[[], Figures]:
    import empyrical

    x, b = _series(mine), _series(market)
    free = performance.daily_rate(RATE)

    def figures() -> Figures:
        return {
            "cumulative_return": empyrical.cum_returns_final(x),
            "annual_return": empyrical.annual_return(x),
            "annual_volatility": empyrical.annual_volatility(x),
            "sharpe": empyrical.sharpe_ratio(x, free),
            "sortino": empyrical.sortino_ratio(x, free),
            "downside_deviation": empyrical.downside_risk(x, free),
            "max_drawdown": empyrical.max_drawdown(x),
            "calmar": empyrical.calmar_ratio(x),
            "beta": empyrical.beta(x, b, free),
            "alpha": empyrical.alpha(x, b, free),
        }

    return figures


def _quantstats(mine: NDArray[np.float64]) -> Callable[[], Figures]:
    """Without a risk-free rate: what it does with one is its own."""
    from quantstats import stats

    x = _series(mine)

    def figures() -> Figures:
        return {
            "cumulative_return": stats.comp(x),
            "annual_return": stats.cagr(x),
            "annual_volatility": stats.volatility(x),
            "sharpe at 0": stats.sharpe(x),
            "sortino at 0": stats.sortino(x),
            "max_drawdown": stats.max_drawdown(x),
            "calmar": stats.calmar(x),
            "skew": stats.skew(x),
        }

    return figures


def _differs(peer: Figures, mine: NDArray[np.float64], market: NDArray[np.float64]) -> float:
    """Largest relative difference of the figures both have."""
    kept = carried_metrics.carried(mine[None, :], market, RATE)
    ours = carried_metrics.figures_of(carried_metrics.table(kept, RATE), 0)
    flat = performance.summary(mine)
    known = ours | {"sharpe at 0": flat.sharpe, "sortino at 0": flat.sortino}
    return max(_relative(peer[name], known[name]) for name in peer.keys() & known.keys())


def _carried_differs(book: NDArray[np.float64], market: NDArray[np.float64]) -> float:
    whole = carried_metrics.table(carried_metrics.carried(book, market, RATE), RATE)
    kept = carried_metrics.empty(len(book))
    for returns, other in zip(np.ascontiguousarray(book.T), market.tolist(), strict=True):
        carried_metrics.carry(kept, returns, other, RATE)
    daily = carried_metrics.table(kept, RATE)
    return max(
        float(np.abs(getattr(daily, name) / getattr(whole, name) - 1.0).max()) for name in NAMES
    )


def _relative(theirs: float, ours: float | None) -> float:
    return float("inf") if ours is None else abs(float(theirs) / ours - 1.0)
