"""Plain JSON values turned into what the kernels take: arrays, Decimals, events."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from portfolios.calculations.cost_basis import Dividend, Fill, Split
from portfolios.calculations.equity import Transfer
from trading.calculations.fills import CostModel, Market


@dataclass(frozen=True, slots=True)
class Positions:
    """A list of positions as columns."""

    quantity: NDArray[np.float64]
    price: NDArray[np.float64]
    multiplier: NDArray[np.float64]
    underlying_price: NDArray[np.float64]
    is_option: NDArray[np.bool_]


def numbers(values: Sequence[Any]) -> NDArray[np.float64]:
    """An array of float64; None becomes NaN."""
    return np.array(values, dtype=object).astype(np.float64)


def exact(value: float | int | str) -> Decimal:
    """The decimal number as it is written."""
    return Decimal(str(value))


def event(item: dict[str, Any]) -> Transfer | Fill | Dividend | Split:
    """One event of a ledger. Raises ValueError for an unknown type."""
    kind, symbol = item["type"], item.get("symbol", "")
    if kind == "deposit":
        return Transfer(exact(item["amount"]))
    if kind == "withdrawal":
        return Transfer(-exact(item["amount"]))
    if kind == "dividend":
        return Dividend(exact(item["per_share"]), symbol)
    if kind == "split":
        return Split(exact(item["ratio"]), symbol)
    if kind != "fill":
        raise ValueError(f"not an event: {kind}")
    return Fill(
        exact(item["qty"]),
        exact(item["price"]),
        exact(item.get("fee", 0)),
        symbol,
        exact(item.get("multiplier", 1)),
    )


def positions(items: Sequence[dict[str, Any]]) -> Positions:
    """Columns of a list of positions; what a position does not say is NaN."""
    columns = {
        name: numbers([item.get(name) for item in items])
        for name in ("quantity", "price", "multiplier", "underlying_price")
    }
    is_option = np.array([item["kind"] == "option" for item in items], dtype=bool)
    return Positions(is_option=is_option, **columns)


def market(inputs: dict[str, Any]) -> Market:
    """Prices and liquidity of a fill."""
    return Market(
        last=inputs.get("last"),
        bid=inputs.get("bid"),
        ask=inputs.get("ask"),
        average_volume=inputs.get("adv"),
        volatility=inputs.get("sigma_daily"),
        bar_volume=inputs.get("bar_volume"),
    )


def costs(inputs: dict[str, Any]) -> CostModel:
    """Cost parameters of a fill, with the product's defaults."""
    return CostModel(
        half_spread_bp=inputs.get("half_spread_bp", 2.0),
        impact=inputs.get("Y", 1.0),
        max_participation=inputs.get("max_participation", 0.1),
        commission_per_trade=exact(inputs.get("commission_per_trade", 1)),
        commission_per_unit=exact(inputs.get("commission_per_share", 0)),
        commission_min=exact(inputs.get("commission_min", 0)),
    )
