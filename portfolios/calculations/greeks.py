"""Greeks of positions and books, and their gain when spot, volatility and time move.

Theta is per calendar day, vega and rho per percentage point, as the option kernels have them.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations.american import american
from marketdata.calculations.normal import columns
from marketdata.calculations.options import DAYS_PER_YEAR, POINTS, bsm

ORDER = ("delta", "gamma", "theta", "vega", "rho")
FIGURES = (*ORDER, "dollar_delta", "gamma_1pct_dollar")
PERCENT = 0.01
FLOOR = 0.05  # volatility no shock goes below, fraction a year
TREE_STEPS = 51  # of a tree in a scenario: hundreds of prices a leg
TREE = f"lr{TREE_STEPS}"
NODES = 17  # spots that a tree is built on, at most, for each volatility and day

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BookGreeks:
    """Sums over positions; theta per calendar day, vega and rho per point."""

    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float
    dollar_delta: float
    gamma_1pct_dollar: float
    skipped: int

    @property
    def delta_per_pct(self) -> float:
        """Dollars gained, to first order, when the underlying rises 1 %."""
        return self.dollar_delta * PERCENT

    @property
    def gamma_per_pct2(self) -> float:
        """Change of `delta_per_pct`, dollars, for each further 1 %."""
        return self.gamma_1pct_dollar * PERCENT

    @property
    def rho_per_bp(self) -> float:
        """Dollars a basis point of the rate."""
        return self.rho / POINTS


class Legs(NamedTuple):
    """Options on one underlying, one entry a leg; rates and volatilities are fractions a year."""

    quantity: Column  # signed contracts
    multiplier: Column
    strike: Column
    rate: Column
    dividend_yield: Column
    volatility: Column
    years: Column
    is_call: NDArray[np.bool_]
    early: NDArray[np.bool_]  # exercise before expiry is worth something: priced on a tree

    def part(self, chosen: Any) -> "Legs":
        """Some of the legs, by mask, slice or places."""
        columns_: Any = (each[chosen] for each in self)
        return Legs(*columns_)


@dataclass(frozen=True, slots=True)
class Profile:
    """Gains of one underlying's positions over moves of its spot, dollars, (k,) each."""

    moves: Column  # fractions of the spot
    today: Column
    later: Column
    at_expiry: Column
    delta_gamma: Column  # second-order expansion of `today`


def figures(
    quantities: Column,
    multipliers: Column,
    underlying_prices: Column,
    is_option: NDArray[np.bool_],
    unit_greeks: Column,
) -> Column:
    """Greeks of each position.

    Parameters
    ----------
    quantities, multipliers, underlying_prices : ndarray, shape (n,)
        Signed units, units per contract, dollars of the underlying.
    is_option : ndarray of bool, shape (n,)
        What is no option has a delta of 1 a unit and nothing else.
    unit_greeks : ndarray, shape (n, 5)
        ORDER of one option; rows of what is no option are not read.

    Returns
    -------
    ndarray, shape (n, 7)
        Columns as FIGURES; NaN throughout a row that lacks an input. `gamma_1pct_dollar` is the
        change of dollar delta for a 1 % move of the underlying.
    """
    linear = np.zeros_like(unit_greeks)
    linear[:, 0] = 1.0
    units = np.where(is_option[:, None], unit_greeks, linear)
    scale = quantities * multipliers
    rows = np.empty((units.shape[0], len(FIGURES)))
    rows[:, :5] = scale[:, None] * units
    rows[:, 5] = rows[:, 0] * underlying_prices
    rows[:, 6] = rows[:, 1] * underlying_prices**2 * PERCENT
    rows[~np.isfinite(rows).all(axis=1)] = np.nan
    return rows


def summed(rows: Column) -> BookGreeks:
    """Add up rows of `figures`; those with NaN are left out and counted. Zeros for no rows."""
    known = np.isfinite(rows).all(axis=1)
    parts = rows[known].sum(axis=0).tolist()
    return BookGreeks(**dict(zip(FIGURES, parts, strict=True)), skipped=int((~known).sum()))


def total(
    quantities: Column,
    multipliers: Column,
    underlying_prices: Column,
    is_option: NDArray[np.bool_],
    unit_greeks: Column,
) -> BookGreeks:
    """Add up the Greeks of a book: `summed` of `figures`, whose parameters these are."""
    return summed(figures(quantities, multipliers, underlying_prices, is_option, unit_greeks))


def mean_volatility(volatilities: Column, vegas: Column) -> float | None:
    """Volatility of several options, weighted with the size of their vega.

    Parameters
    ----------
    volatilities : ndarray, shape (n,)
        Fractions a year, NaN where unknown.
    vegas : ndarray, shape (n,)
        Of the positions, any sign.

    Returns
    -------
    float or None
        Plain mean where no vega weighs; None when no volatility is known.
    """
    known = np.isfinite(volatilities)
    if not known.any():
        return None
    weights = np.abs(np.where(np.isfinite(vegas), vegas, 0.0))[known]
    return float(np.average(volatilities[known], weights=weights if weights.any() else None))


def gains(
    legs: Legs, spot: float, *, moves: Any, volatility_moves: Any = 0.0, days: Any = 0.0
) -> Column:
    """Gain of each leg under each scenario, by full revaluation.

    Parameters
    ----------
    legs : Legs
        n options on one underlying.
    spot : float
        Of the underlying now, dollars.
    moves : array_like, broadcast to (k,)
        Fractions of the spot.
    volatility_moves : array_like
        Fractions of each leg's own volatility, which does not fall below FLOOR.
    days : array_like
        Calendar days that pass. What expires meanwhile is worth its intrinsic value.

    Returns
    -------
    ndarray, shape (n, k)
        Dollars, a gain positive; NaN where a value does not exist. Both values come from the same
        model, the closed form or a tree of 51 steps, and nothing is gained without a shock.

    Notes
    -----
    Trees stand on at most 17 spots for each volatility and day. Between them what a tree adds to
    the closed form is interpolated by cubics that keep its value and delta at each of them.
    """
    move, bent, passed = columns(moves, volatility_moves, days)
    still = np.zeros(1)
    before = _values(legs, spot, still, still, still)
    after = _values(legs, spot, move, bent, passed)
    held = legs.quantity * legs.multiplier
    result: Column = held[:, None] * (after - before)
    # the same contract may differ in its last digit from one place of an array to another
    result[:, (move == 0.0) & (bent == 0.0) & (passed == 0.0)] = 0.0
    return result


def profile(
    legs: Legs,
    rows: Column,
    units: float,
    spot: float,
    *,
    moves: Column,
    days: float,
    volatility_move: float = 0.0,
) -> Profile:
    """Gains over moves of the spot: today, some days later, and when the first leg expires.

    Parameters
    ----------
    legs : Legs
        Options on the underlying; they may be none.
    rows : ndarray, shape (n, 7)
        `figures` of the same options, for the expansion.
    units : float
        Signed units of the underlying itself.
    spot : float
        Dollars.
    moves : ndarray, shape (k,)
        Fractions of the spot.
    days : float
        Calendar days to the second line.
    volatility_move : float
        Fraction of each volatility, for all lines.

    Returns
    -------
    Profile
        Without options all lines are that of the units.
    """
    count = moves.size
    until = first_expiry_days(legs)
    when = np.repeat([0.0, days, until], count)
    lines = gains(
        legs, spot, moves=np.tile(moves, 3), volatility_moves=volatility_move, days=when
    ).sum(axis=0)
    lines = lines.reshape(3, count) + linear_gains(units, spot, moves)
    change = spot * moves
    delta, gamma = rows[:, 0].sum() + units, rows[:, 1].sum()
    bent = POINTS * volatility_move * float(rows[:, 3] @ legs.volatility)
    today, later, last = lines
    expansion = delta * change + 0.5 * gamma * change**2 + bent
    return Profile(moves, today, later, last, expansion)


def grid(
    legs: Legs, units: float, spot: float, *, moves: Column, volatility_moves: Column
) -> Column:
    """Gains today over moves of spot and volatility, by full revaluation.

    Returns
    -------
    ndarray, shape (v, m)
        Rows are volatility moves (fractions of each leg's own), columns are spot moves.
    """
    across, down = np.meshgrid(moves, volatility_moves)
    table = gains(legs, spot, moves=across.ravel(), volatility_moves=down.ravel()).sum(axis=0)
    result: Column = table.reshape(across.shape) + linear_gains(units, spot, moves)
    return result


def linear_gains(units: float, spot: float, moves: Column) -> Column:
    """Gain of signed units of the underlying itself, dollars, (k,)."""
    return units * spot * moves


def first_expiry_days(legs: Legs) -> float:
    """Calendar days until the first living leg expires; 0 when none lives."""
    living = legs.years[legs.years > 0.0]
    return float(living.min() * DAYS_PER_YEAR) if living.size else 0.0


def _values(legs: Legs, spot: float, move: Column, bent: Column, days: Column) -> Column:
    """Value of one unit of each leg under each scenario, (n, k)."""
    value = bsm(*_market(legs, spot, move, bent, days)).values[0].reshape(-1, move.size)
    if legs.early.any():
        value[legs.early] += _premium(legs.part(legs.early), spot, move, bent, days)
    return value


def _market(
    legs: Legs, spot: float, move: Column, bent: Column, days: Column
) -> list[NDArray[Any]]:
    """The seven arguments of the pricing kernels, n x k entries each."""
    base = legs.volatility[:, None]
    given = (
        spot * (1.0 + move),
        legs.strike[:, None],
        legs.rate[:, None],
        legs.dividend_yield[:, None],
        # a floor above today's volatility would be a shock of its own
        np.maximum(np.minimum(base, FLOOR), base * (1.0 + bent)),
        legs.years[:, None] - days / DAYS_PER_YEAR,
        legs.is_call[:, None],
    )
    shape = (legs.strike.size, move.size)
    return [np.broadcast_to(each, shape).ravel() for each in given]


def _premium(legs: Legs, spot: float, move: Column, bent: Column, days: Column) -> Column:
    """What early exercise is worth under each scenario, (n, k)."""
    pairs, pair = np.unique(np.stack([bent, days]), axis=1, return_inverse=True)
    asked = [np.unique(move[pair == place]) for place in range(pairs.shape[1])]
    nodes = [
        each if each.size <= NODES else np.linspace(each[0], each[-1], NODES) for each in asked
    ]
    sizes = [each.size for each in nodes]
    given = _market(
        legs, spot, np.concatenate(nodes), np.repeat(pairs[0], sizes), np.repeat(pairs[1], sizes)
    )
    tree, closed = american(*given, steps=TREE_STEPS).values, bsm(*given).values
    level, slope = ((tree[row] - closed[row]).reshape(-1, sum(sizes)) for row in (0, 1))
    found = np.empty((legs.strike.size, move.size))
    start = 0
    for place, each in enumerate(nodes):
        part, columns_ = slice(start, start + each.size), pair == place
        found[:, columns_] = _between(each, level[:, part], slope[:, part] * spot, move[columns_])
        start += each.size
    return found


def _between(nodes: Column, level: Column, slope: Column, wanted: Column) -> Column:
    """Cubics through the levels (n, m) with the slopes given, at the wanted places."""
    if nodes.size == 1:
        return np.broadcast_to(level, (level.shape[0], wanted.size))
    left = np.clip(np.searchsorted(nodes, wanted, side="right") - 1, 0, nodes.size - 2)
    width = nodes[left + 1] - nodes[left]
    at = (wanted - nodes[left]) / width
    rest = 1.0 - at
    result: Column = (
        level[:, left] * (1.0 + 2.0 * at) * rest**2
        + level[:, left + 1] * (1.0 + 2.0 * rest) * at**2
        + width * at * rest * (slope[:, left] * rest - slope[:, left + 1] * at)
    )
    return result
