"""VaR after a tick and before a trade: full recomputation against books that are kept.

Peer: numpy, w'Sw for each portfolio and for each side of a trade. Ours: BookVariances (exposures
held), DriftingBooks (exposures drifting with prices) and PortfolioVariance (the pre-trade check).
Each tick of ours is timed with the VaR that follows it; the peer is given its matrix ready made.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side
from risk.calculations.books import BookVariances, DriftingBooks
from risk.calculations.decomposition import PortfolioVariance
from risk.calculations.var import quantile

DECAY, CONFIDENCE = 0.94, 0.95
PORTFOLIOS, HELD, WINDOW = 1_000, 50, 298
# assets: goals for fixed exposures, drifting exposures, pre-trade
GOALS = {500: (280, 9, 500), 5_000: (100_000, 1_500, 150_000)}
Z = quantile(CONFIDENCE)


@dataclass(frozen=True)
class Market:
    """A market of n assets and a thousand books in it."""

    covariance: NDArray[np.float64]
    window: NDArray[np.float64]
    returns: NDArray[np.float64]
    rows: NDArray[np.intp]
    dollars: NDArray[np.float64]

    def dense(self, book: int) -> NDArray[np.float64]:
        """One book's exposures to every asset."""
        exposures = np.zeros(len(self.covariance))
        exposures[self.rows[book]] = self.dollars[book]
        return exposures


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases by number of assets, then how each grows with it."""
    sizes = [500, 2_000] if quick else [500, 5_000]
    checks, ticks = [], []
    for size in sizes:
        market = _market(size)
        books = BookVariances(market.rows, market.dollars, market.covariance)
        kept = PortfolioVariance(market.dense(0), market.covariance)
        checks.append(Side(_check(kept, int(market.rows[0, 3]))))
        ticks.append(Side(_ticker(books, market), PORTFOLIOS))
        yield from _after_a_tick(market, GOALS.get(size, (1, 1, 1)))
        yield _before_a_trade(market, kept, GOALS.get(size, (1, 1, 1))[2])
    span = f"N={sizes[0]} to {sizes[-1]}"
    yield Growth(f"pre-trade check, {span}: the same time", sizes, checks, 1.25)
    yield Growth(f"{PORTFOLIOS} books after a tick, {span}", sizes, ticks, 12.0)


def _market(size: int) -> Market:
    rng = np.random.default_rng(5)
    window = rng.normal(0.0, 0.01, (WINDOW, size)) + rng.normal(0.0, 0.006, (WINDOW, 1))
    weights = np.sqrt((1.0 - DECAY) * DECAY ** np.arange(WINDOW - 1, -1, -1.0))
    weighted = window * weights[:, None]
    return Market(
        covariance=weighted.T @ weighted,
        window=window,
        returns=rng.normal(0.0, 0.01, size),
        rows=np.array([rng.choice(size, HELD, replace=False) for _ in range(PORTFOLIOS)]),
        dollars=rng.normal(1e5, 5e4, (PORTFOLIOS, HELD)),
    )


def _after_a_tick(market: Market, goals: tuple[float, float, float]) -> Iterator[Case]:
    size, some = len(market.covariance), 20
    books = [market.dense(book) for book in range(some)]

    def peer() -> list[float]:
        return [Z * math.sqrt(x @ market.covariance @ x) for x in books]

    held = BookVariances(market.rows, market.dollars, market.covariance)
    drifting = DriftingBooks(market.rows, market.window, DECAY)

    def plain() -> NDArray[np.float64]:
        after = DECAY * market.covariance
        after += (1.0 - DECAY) * np.outer(market.returns, market.returns)
        return np.array([Z * math.sqrt(x @ after @ x) for x in books])

    def agree_held() -> float:
        fresh = BookVariances(market.rows, market.dollars, market.covariance)
        fresh.tick(market.returns, DECAY)
        return float(np.abs(fresh.value_at_risk()[:some] / plain() - 1.0).max())

    def drift() -> NDArray[np.float64]:
        drifting.tick(market.returns)
        return Z * np.sqrt(drifting.variances(market.dollars))

    def agree_drifting() -> float:
        ours = Z * np.sqrt(drifting.variances(market.dollars))
        before = float(np.abs(ours[:some] / np.array(peer()) - 1.0).max())
        return max(before, float(np.abs(drift()[:some] / plain() - 1.0).max()))

    yield Case(
        f"VaR after a tick, N={size}, exposures held",
        Side(peer, some),
        Side(_ticker(held, market), PORTFOLIOS),
        goals[0],
        agree_held,
        1e-10,
    )
    yield Case(
        f"VaR after a tick, N={size}, exposures drift",
        Side(peer, some),
        Side(drift, PORTFOLIOS),
        goals[1],
        agree_drifting,
        1e-8,
    )


def _before_a_trade(market: Market, kept: PortfolioVariance, goal: float) -> Case:
    before, row = market.dense(0), int(market.rows[0, 3])
    covariance = market.covariance

    def peer() -> float:
        after = before.copy()
        after[row] += 12_345.0
        return math.sqrt(after @ covariance @ after) - math.sqrt(before @ covariance @ before)

    ours = _check(kept, row)
    return Case(
        f"pre-trade check, one leg, N={len(covariance)}",
        Side(peer),
        Side(ours),
        goal,
        lambda: abs(ours() / peer() - 1.0),
        1e-8,
    )


def _check(kept: PortfolioVariance, row: int) -> Callable[[], float]:
    return partial(kept.added, row, 12_345.0)


def _ticker(books: BookVariances, market: Market) -> Callable[[], object]:
    def tick() -> NDArray[np.float64]:
        books.tick(market.returns, DECAY)
        return books.value_at_risk(CONFIDENCE)

    return tick
