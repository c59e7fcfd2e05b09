"""The number names of the specification, mapped to the kernels that compute them."""

from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from etftrader.testing.quantity_books import BOOKS
from etftrader.testing.quantity_options import OPTIONS
from etftrader.testing.quantity_risk import RISK

BUILT: dict[str, Callable[[dict[str, Any]], Any]] = {**BOOKS, **OPTIONS, **RISK}
NOT_YET = frozenset(
    {
        "attribution.brinson_fachler",
        "attribution.carino",
        "attribution.carino_active",
        "chain.apply",
        "chain.block_hash",
        "chain.tx_id",
        "chain.verify",
        "corr.clusters",
        "corr.effective_positions",
        "corr.entropy_bets",
        "cov.ledoit_wolf",
        "factor.regress",
        "factor.risk_decomposition",
        "factor.univariate_beta",
        "factor.vif",
        "forecast.metrics",
        "forecast.random_walk",
        "forecast.ses",
        "fraud.c_factor",
        "fraud.recommendation",
        "identity.score",
        "opt.minvar",
        "opt.mvo",
        "opt.rank_based",
        "opt.simple",
        "rates.beta",
        "rates.scenario",
        "rebal.drift",
        "rebal.trades",
        "scenario.market",
        "scores.composite",
        "scores.momentum",
        "scores.quality_inputs",
        "scores.zscore",
        "stress.conditional",
        "stress.positions",
        "surveillance.zscore",
        "var.liquidity",
    }
)


def compute(quantity: str, inputs: dict[str, Any]) -> dict[str, Any]:
    """Compute one named quantity from plain JSON values, as plain JSON values.

    Parameters
    ----------
    quantity : str
        A name such as "var.parametric".
    inputs : dict
        Its inputs; those with a default may be missing.

    Returns
    -------
    dict
        Plain numbers, strings, lists and None; never NaN.

    Raises
    ------
    KeyError
        The quantity is not built, or no such quantity exists.
    """
    if quantity in NOT_YET:
        raise KeyError(f"{quantity} is not built")
    if quantity not in BUILT:
        raise KeyError(f"no quantity is named {quantity}")
    return plain(BUILT[quantity](dict(inputs)))


def plain(value: Any) -> Any:
    """Turn dataclasses, arrays, Decimals and dates into JSON types; NaN becomes None."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, Decimal | float):
        return float(value) if np.isfinite(float(value)) else None
    return value
