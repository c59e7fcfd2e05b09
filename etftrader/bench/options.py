"""Greeks and implied volatilities: one contract a call against all at once.

Peer: mibian, its Merton class, one object a contract. Ours: bsm, bsm_one, implied_volatility.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from etftrader.bench.harness import Case, Growth, Side
from marketdata.calculations.implied_volatility import implied_volatility
from marketdata.calculations.options import FIELDS, bsm, bsm_one

MANY, MILLION, SOME, FEW = 100_000, 1_000_000, 40, 8
GREEKS_GOAL, IMPLIED_GOAL = 10_000, 10_000
ONE_GOAL, HUNDRED_GOAL = 600, 2_500
Columns = list[NDArray[np.float64]]


@dataclass(frozen=True)
class Contracts:
    """Random contracts: spot, strike, rate, dividend yield, volatility, years, right."""

    columns: Columns
    out: NDArray[np.float64]

    def first(self, count: int) -> "Contracts":
        """The first few of them."""
        return Contracts(
            [one[:count].copy() for one in self.columns], np.empty((len(FIELDS), count))
        )

    def priced(self) -> NDArray[np.float64]:
        """Price and Greeks of all."""
        return bsm(*self.columns, out=self.out).values


def cases(quick: bool) -> Iterator[Case | Growth]:
    """Cases by number of contracts, then how the time of one grows with their number."""
    sizes = [10_000, MANY] if quick else [10_000, MILLION]
    book = _contracts(sizes[-1])
    yield _greeks(book, MANY, GREEKS_GOAL)
    yield _greeks(book, 100, HUNDRED_GOAL)
    yield _single(book)
    yield _implied(book.first(MANY))
    sides = [Side(book.first(size).priced, size) for size in sizes]
    yield Growth(f"Greeks, a contract, {sizes[0]:,} to {sizes[-1]:,}", sizes, sides, 1.25)


def _contracts(count: int) -> Contracts:
    rng = np.random.default_rng(11)
    spot = rng.uniform(20.0, 400.0, count)
    years = rng.uniform(0.05, 2.0, count)
    volatility = rng.uniform(0.1, 0.6, count)
    return Contracts(
        [
            spot,
            spot * np.exp(rng.uniform(-1.5, 1.5, count) * volatility * np.sqrt(years)),
            rng.uniform(0.0, 0.06, count),
            rng.uniform(0.0, 0.04, count),
            volatility,
            years,
            (rng.random(count) < 0.5).astype(np.float64),
        ],
        np.empty((len(FIELDS), count)),
    )


def _greeks(book: Contracts, count: int, goal: float) -> Case:
    ours, sample = book.first(count), book.first(SOME)
    return Case(
        f"price and five Greeks of {count:,} contracts",
        Side(_mibian(sample), SOME),
        Side(ours.priced, count),
        goal,
        partial(_apart, sample),
        1e-9,
    )


def _single(book: Contracts) -> Case:
    sample = book.first(SOME)
    rows = list(zip(*(one.tolist() for one in sample.columns), strict=True))

    def ours() -> None:
        for row in rows:
            bsm_one(*row)

    return Case(
        "price and five Greeks of one contract",
        Side(_mibian(sample), SOME),
        Side(ours, SOME),
        ONE_GOAL,
        partial(_apart, sample),
        1e-9,
    )


def _implied(book: Contracts) -> Case:
    """Agreement is with the volatility behind the price: the peer stops at printed decimals."""
    import mibian

    spot, strike, rate, dividend_yield, volatility, years, right = book.columns
    price = book.priced()[0].copy()
    few = list(
        zip(*(one[:FEW].tolist() for one in (*book.columns, price)), strict=True),
    )

    def peer() -> None:
        for s, k, r, q, _, t, is_call, worth in few:
            side = "callPrice" if is_call else "putPrice"
            mibian.Me([s, k, r * 100.0, q * s, t * 365.0], **{side: worth})

    def ours() -> NDArray[np.float64]:
        found = implied_volatility(price, spot, strike, rate, dividend_yield, years, right)
        return found.values

    return Case(
        f"implied volatilities of {price.size:,} prices",
        Side(peer, FEW),
        Side(ours, price.size),
        IMPLIED_GOAL,
        lambda: float(np.abs(ours() - volatility).max()),
        1e-10,
    )


def _mibian(sample: Contracts) -> Callable[[], list[object]]:
    import mibian

    rows = [
        ([s, k, r * 100.0, q * s, t * 365.0], v * 100.0)
        for s, k, r, q, v, t, _ in zip(*(one.tolist() for one in sample.columns), strict=True)
    ]

    def peer() -> list[object]:
        return [mibian.Me(inputs, volatility=volatility) for inputs, volatility in rows]

    return peer


def _apart(sample: Contracts) -> float:
    """Largest difference over the mean size of each field."""
    ours = sample.priced()
    theirs = np.empty_like(ours)
    for place, answer in enumerate(_mibian(sample)()):
        side = "call" if sample.columns[-1][place] else "put"
        names = (f"{side}Price", f"{side}Delta", "gamma", f"{side}Theta", "vega", f"{side}Rho")
        theirs[:, place] = [getattr(answer, name) for name in names]
    scale = np.abs(theirs).mean(axis=1, keepdims=True)
    return float((np.abs(ours - theirs) / scale).max())
