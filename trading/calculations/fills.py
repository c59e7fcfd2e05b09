"""What one paper fill costs: half the spread, market impact, commission, and how much fills."""

import math
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from etftrader.core.money import to_fill_price, to_money

ZERO = Decimal(0)
NEAREST = Decimal("1e-9")
BUY, SELL = "buy", "sell"


@dataclass(frozen=True, slots=True)
class CostModel:
    """The parameters of paper trading costs."""

    half_spread_bp: float = 2.0  # of the last price, where there is no quote
    impact: float = 1.0  # multiplier of the square-root law; 0 for none
    max_participation: float = 0.1  # of the bar's volume
    commission_per_trade: Decimal = Decimal(1)
    commission_per_unit: Decimal = ZERO
    commission_min: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Market:
    """Prices and liquidity at the moment of the fill; a quote needs both sides."""

    last: float | None = None
    bid: float | None = None
    ask: float | None = None
    average_volume: float | None = None  # units a day
    volatility: float | None = None  # of daily returns, fraction
    bar_volume: float | None = None  # units in the bar that fills


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution; booked amounts in Decimal, cost estimates beside them in dollars."""

    quantity: Decimal
    price: Decimal | None  # four places; None when nothing filled
    commission: Decimal
    cash_delta: Decimal  # negative for a buy
    spread_cost: float
    impact_cost: float
    remaining: Decimal


def fill(
    side: str,
    quantity: Decimal,
    market: Market,
    costs: CostModel | None = None,
    *,
    multiplier: Decimal = Decimal(1),
) -> Fill:
    """Fill an order against a quote or a last price.

    Parameters
    ----------
    side : str
        "buy" or "sell".
    quantity : Decimal
        Units open, positive.
    market : Market
        A two-sided quote wins over the last price. Without an average volume or a volatility
        there is no impact; without a bar volume everything fills.
    costs : CostModel, optional
        Defaults of the paper broker.
    multiplier : Decimal
        Units per contract.

    Returns
    -------
    Fill
        Price = mid + (half spread + impact) for a buy, minus for a sell, four places half up.
        Nothing fills: price None, amounts zero.

    Raises
    ------
    ValueError
        Side, quantity or prices are not usable.

    References
    ----------
    Grinold and Kahn, Active Portfolio Management, 2nd ed., ch. 16 (square-root impact).
    """
    model = costs or CostModel()
    if side not in (BUY, SELL):
        raise ValueError(f"side must be buy or sell, not {side!r}")
    if not quantity.is_finite() or quantity <= 0:
        raise ValueError(f"not a quantity to fill: {quantity}")
    filled = _available(quantity, market, model)
    mid, half = _mid_and_half_spread(market, model)
    if not filled:
        return Fill(ZERO, None, ZERO, ZERO, 0.0, 0.0, quantity)
    units = float(filled) * float(multiplier)
    slip = mid * impact_fraction(float(filled), market, model.impact)
    direction = 1 if side == BUY else -1
    price = to_fill_price(mid + direction * (half + slip))
    if price <= 0:
        raise ValueError(f"costs leave no positive price: {price}")
    asked = model.commission_per_trade + model.commission_per_unit * filled
    commission = to_money(max(model.commission_min, asked))
    return Fill(
        quantity=filled,
        price=price,
        commission=commission,
        cash_delta=-direction * to_money(price * filled * multiplier) - commission,
        spread_cost=half * units,
        impact_cost=slip * units,
        remaining=quantity - filled,
    )


def impact_fraction(quantity: float, market: Market, multiplier: float = 1.0) -> float:
    """Market impact of a quantity as a fraction of the price; 0 where liquidity is not known."""
    if not market.average_volume or not market.volatility or market.average_volume <= 0:
        return 0.0
    return multiplier * market.volatility * math.sqrt(quantity / market.average_volume)


def cost_fraction(quantity: Decimal, market: Market, model: CostModel) -> float:
    """Half-spread and impact of what a bar lets fill, as a fraction of a price without a quote."""
    filled = _available(quantity, market, model)
    return model.half_spread_bp / 1e4 + impact_fraction(float(filled), market, model.impact)


def _available(quantity: Decimal, market: Market, model: CostModel) -> Decimal:
    if market.bar_volume is None:
        return quantity
    share = Decimal(str(model.max_participation)) * Decimal(str(market.bar_volume))
    return min(quantity, (share + NEAREST).to_integral_value(rounding=ROUND_FLOOR))


def _mid_and_half_spread(market: Market, model: CostModel) -> tuple[float, float]:
    if market.bid is not None and market.ask is not None:
        if not 0.0 < market.bid <= market.ask < math.inf:
            raise ValueError(f"not a quote: {market.bid} / {market.ask}")
        return (market.bid + market.ask) / 2.0, (market.ask - market.bid) / 2.0
    if market.last is None or not 0.0 < market.last < math.inf:
        raise ValueError(f"no price to fill at: {market.last}")
    return market.last, market.last * model.half_spread_bp / 1e4
