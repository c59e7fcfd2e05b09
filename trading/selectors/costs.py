"""What a trade costs in a portfolio: its cost model, the liquidity, one estimate of both."""

from dataclasses import replace
from uuid import UUID

from marketdata.selectors.liquidity import Liquidity
from marketdata.selectors.prices import Mark
from risk.services.pretrade import CostEstimate
from trading.calculations import fills
from trading.models import CostModel

REAL_VOLUME = "real volume"  # how an answer about liquidity begins when its volume was traded


def own(*, portfolio_id: UUID) -> fills.CostModel | None:
    """The portfolio's own costs, where it has any."""
    row = CostModel.objects.filter(portfolio_id=portfolio_id).first()
    if row is None:
        return None
    return fills.CostModel(
        half_spread_bp=row.half_spread_bp,
        impact=row.impact_y,
        max_participation=row.max_participation,
        commission_per_trade=row.commission_per_trade,
        commission_per_unit=row.commission_per_share,
        commission_min=row.commission_minimum,
    )


def preset(*, liquidity: Liquidity | None) -> fills.CostModel:
    """The default preset, with the half-spread of the instrument's own class."""
    default = fills.CostModel()
    if liquidity is None:
        return default
    return replace(default, half_spread_bp=liquidity.half_spread_bp)


def market(
    *, mark: Mark | None, liquidity: Liquidity | None, volatility: float | None
) -> fills.Market:
    """Price and depth for the fill kernel.

    Impact is charged where volume is known: an assumed volume would put an invented number into
    the books.
    """
    known = liquidity is not None and liquidity.source.startswith(REAL_VOLUME)
    return fills.Market(
        last=float(mark.price) if mark is not None and mark.price is not None else None,
        average_volume=liquidity.adv if liquidity is not None and known else None,
        volatility=volatility,
    )


def estimate(*, model: fills.CostModel, market: fills.Market) -> CostEstimate:
    """The same costs as numbers the gate can invert; never below what the fill will charge."""
    return CostEstimate(
        commission=float(max(model.commission_per_trade, model.commission_min)),
        per_unit=float(model.commission_per_unit),
        cost_bp=model.half_spread_bp,
        impact=fills.impact_fraction(1.0, market, model.impact),
    )
