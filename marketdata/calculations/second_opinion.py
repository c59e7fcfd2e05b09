"""A second opinion on option prices from mibian: a sample of contracts, compared with ours.

The library is slow and silent about bad input, so it is loaded only when it is asked, every
contract is judged before the call, and only its Merton class is used, in our units.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.normal import columns
from marketdata.calculations.options import (
    CODE,
    DAYS_PER_YEAR,
    FIELDS,
    POINTS,
    Priced,
    bsm,
    why_not,
)


@dataclass(frozen=True, slots=True)
class Contract:
    """A European option and its market; rates and volatility are fractions a year."""

    spot: float | None
    strike: float | None
    rate: float | None
    dividend_yield: float | None
    volatility: float | None
    years: float | None
    is_call: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """How far two engines are apart, in units of price and Greeks; None if nothing compared."""

    compared: int
    skipped: int
    largest: float | None  # over all FIELDS
    field: str | None  # where it is
    reason: str | None = None


def installed() -> bool:
    """Whether the library is there: the product works without it."""
    from importlib.util import find_spec

    return find_spec("mibian") is not None


def second_opinion(contracts: Sequence[Contract]) -> Priced:
    """Price and Greeks as mibian sees them, one contract at a time (about 1 ms each).

    Parameters
    ----------
    contracts : sequence of Contract

    Returns
    -------
    Priced
        Units of `options.bsm`. Null: inputs that are missing or not positive where they must be,
        `expired` contracts, which the library cannot price, and figures that are no finite real
        numbers (`out_of_range`).

    Raises
    ------
    ImportError
        The library is not installed.
    """
    import mibian

    given = _columns(contracts)
    reason = why_not(*given)
    reason[(reason == 0) & (given[5] <= 0.0)] = CODE["expired"]
    values = np.full((len(FIELDS), len(contracts)), np.nan)
    for place in np.flatnonzero(reason == 0).tolist():
        spot, strike, rate, dividend_yield, volatility, years = (float(one[place]) for one in given)
        try:
            # Percent and days; the fourth argument is the year's dividend in currency.
            answer = mibian.Me(
                [spot, strike, rate * POINTS, dividend_yield * spot, years * DAYS_PER_YEAR],
                volatility=volatility * POINTS,
            )
        except (ArithmeticError, ValueError, TypeError):
            reason[place] = CODE["out_of_range"]
            continue
        figures = _figures(answer, "call" if contracts[place].is_call else "put")
        if figures is None:
            reason[place] = CODE["out_of_range"]
        else:
            values[:, place] = figures
    return Priced(values, reason)


def compare(contracts: Sequence[Contract]) -> Comparison:
    """The largest difference between our closed form and mibian on some contracts.

    Contracts that either engine cannot price are counted as skipped; without the library the
    reason is `not_installed`, with nothing to compare `no_contracts`.
    """
    if not installed():
        return Comparison(0, len(contracts), None, None, "not_installed")
    is_call = np.array([contract.is_call for contract in contracts], dtype=np.float64)
    spot, strike, rate, dividend_yield, volatility, years = _columns(contracts)
    ours = bsm(spot, strike, rate, dividend_yield, volatility, years, is_call)
    return apart(ours, second_opinion(contracts))


def apart(ours: Priced, other: Priced) -> Comparison:
    """Where two answers for the same contracts differ most; nulls of either are skipped."""
    both = (ours.reason == 0) & (other.reason == 0)
    compared = int(both.sum())
    if not compared:
        return Comparison(0, both.size, None, None, "no_contracts")
    gaps = np.abs(ours.values - other.values)[:, both].max(axis=1)
    worst = int(gaps.argmax())
    return Comparison(compared, both.size - compared, float(gaps[worst]), FIELDS[worst])


def _columns(contracts: Sequence[Contract]) -> list[NDArray[np.float64]]:
    names = ("spot", "strike", "rate", "dividend_yield", "volatility", "years")
    return columns(*([getattr(one, name) for one in contracts] for name in names))


def _figures(answer: object, side: str) -> tuple[float, ...] | None:
    """FIELDS of a mibian answer, or None unless all are finite real numbers."""
    names = (f"{side}Price", f"{side}Delta", "gamma", f"{side}Theta", "vega", f"{side}Rho")
    found = [getattr(answer, name, None) for name in names]
    if any(one is None or isinstance(one, complex) or not math.isfinite(one) for one in found):
        return None
    return tuple(float(one) for one in found if one is not None)
