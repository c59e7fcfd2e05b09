"""What the positions on one underlying gain when it moves: profile and spot x volatility grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketdata.calculations import american
from marketdata.choices import OptionRight
from portfolios.calculations import greeks as sums
from portfolios.calculations.greeks import Legs
from portfolios.selectors.greeks import Group
from portfolios.selectors.option_legs import Leg

WIDTH, STEP = 0.20, 0.01  # of the profile, fractions of the spot
MOST_BENDS = 20  # strikes that are points of the profile
GRID_SPOTS = (-0.20, -0.15, -0.10, -0.05, 0.0, 0.05, 0.10, 0.15, 0.20)
GRID_VOLATILITIES = (0.30, 0.20, 0.10, 0.0, -0.10, -0.20, -0.30)
HORIZON_DAYS, LONGEST_DAYS = 7, 365
LOWEST_SHIFT, HIGHEST_SHIFT = -0.9, 2.0
NO_SPOT, NOTHING_LIVES = "no_price", "nothing_to_move"

Column = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Gains of one underlying's positions, dollars; `reason` says why there are none."""

    spot: float | None
    moves: Column  # (k,) fractions of the spot: every per cent, and the strikes between them
    today: Column
    later: Column
    at_expiry: Column
    delta_gamma: Column
    grid: Column  # (GRID_VOLATILITIES, GRID_SPOTS)
    horizon_days: int
    volatility_shift: float
    expiry_days: float  # until the first expiry
    strikes: tuple[float, ...]  # within the width
    models: dict[str, int]  # legs priced by each
    excluded: tuple[Leg, ...]
    reason: str = ""


def scenario(
    *, group: Group, horizon_days: int = HORIZON_DAYS, volatility_shift: float = 0.0
) -> Scenario:
    """Full revaluation of everything held on one underlying, at the model's own values.

    Parameters
    ----------
    group : Group
        Legs without figures, and those that have expired, are left out and named.
    horizon_days : int
        Calendar days to the second line of the profile.
    volatility_shift : float
        Fraction of each leg's volatility, for all lines of the profile.

    Returns
    -------
    Scenario
        Empty arrays and a reason where there is no price, or nothing with figures.
    """
    living = [each for each in group.legs if each.alive]
    left_out = tuple(each for each in group.legs if not each.known)
    if group.spot is None or not (living or group.shares):
        nothing = np.empty(0)
        reason = NO_SPOT if group.spot is None else NOTHING_LIVES
        return Scenario(
            group.spot, nothing, nothing, nothing, nothing, nothing, np.empty((0, 0)),
            horizon_days, volatility_shift, 0.0, (), {}, left_out, reason,
        )  # fmt: skip
    # spots and strikes stay in the underlying's currency, gains are in the book's
    rate = next((each.to_book for each in group.legs), 1.0)
    legs = arrays(living)
    legs = legs._replace(multiplier=legs.multiplier * rate)
    units = float(group.shares) * rate
    strikes = _strikes(legs, group.spot)
    rows = np.array([each.row for each in living], dtype=float).reshape(-1, len(sums.FIGURES))
    rows[:, :2] *= rate  # delta and gamma count units
    lines = sums.profile(
        legs,
        rows,
        units,
        group.spot,
        moves=_moves(strikes, group.spot),
        days=float(horizon_days),
        volatility_move=volatility_shift,
    )
    table = sums.grid(
        legs,
        units,
        group.spot,
        moves=np.array(GRID_SPOTS),
        volatility_moves=np.array(GRID_VOLATILITIES),
    )
    return Scenario(
        spot=group.spot,
        moves=lines.moves,
        today=lines.today,
        later=lines.later,
        at_expiry=lines.at_expiry,
        delta_gamma=lines.delta_gamma,
        grid=table,
        horizon_days=horizon_days,
        volatility_shift=volatility_shift,
        expiry_days=sums.first_expiry_days(legs),
        strikes=strikes,
        models=_models(legs),
        excluded=left_out,
    )


def arrays(legs: Sequence[Leg]) -> Legs:
    """Living options as the kernels take them."""
    terms = [each.contract for each in legs if each.contract is not None]
    return Legs(
        quantity=np.array([float(each.quantity) for each in legs]),
        multiplier=np.array([float(each.multiplier) for each in legs]),
        strike=np.array([float(each.strike) for each in terms]),
        rate=np.array([each.rate for each in legs], dtype=float),
        dividend_yield=np.array([each.dividend_yield for each in legs], dtype=float),
        volatility=np.array([each.iv for each in legs], dtype=float),
        years=np.array([each.years for each in legs], dtype=float),
        is_call=np.array([each.right == OptionRight.CALL for each in terms], dtype=bool),
        early=np.array([each.model == american.TREE for each in legs], dtype=bool),
    )


def _strikes(legs: Legs, spot: float) -> tuple[float, ...]:
    near = np.unique(legs.strike[np.abs(legs.strike / spot - 1.0) <= WIDTH])
    return tuple(near.tolist())


def _moves(strikes: Sequence[float], spot: float) -> Column:
    """Every per cent, and the strikes, where the line at expiry bends, unless they are as dense."""
    count = round(2 * WIDTH / STEP) + 1
    even = np.round(np.linspace(-WIDTH, WIDTH, count), 4)
    bends = np.array([each / spot - 1.0 for each in strikes if len(strikes) <= MOST_BENDS])
    return np.unique(np.concatenate([even, bends[np.abs(bends) > 1e-9]]))


def _models(legs: Legs) -> dict[str, int]:
    trees = int(legs.early.sum())
    found = {american.BSM: legs.early.size - trees, sums.TREE: trees}
    return {name: count for name, count in found.items() if count}
