"""What a trade costs in a portfolio: its cost model, the liquidity, one estimate of both."""

from dataclasses import fields
from uuid import UUID

from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors.liquidity import Liquidity
from marketdata.selectors.prices import Mark
from risk.services.pretrade import CostEstimate
from trading.calculations import fills
from trading.calculations.cost_presets import DEFAULT, PRESETS, Rates
from trading.models import CostModel

REAL_VOLUME = "real volume"  # how an answer about liquidity begins when its volume was traded


def row(*, portfolio_id: UUID) -> CostModel | None:
    """The portfolio's own choice, where it has made one."""
    return CostModel.objects.filter(portfolio_id=portfolio_id).first()


def rates(chosen: CostModel | None) -> Rates:
    """What a portfolio pays; without a choice the default preset."""
    if chosen is None:
        return PRESETS[DEFAULT]
    return Rates(**{each.name: getattr(chosen, each.name) for each in fields(Rates)})


def model(*, rates: Rates, instrument: Instrument, liquidity: Liquidity | None) -> fills.CostModel:
    """The costs of one instrument in a portfolio."""
    return rates.model(
        option=instrument.kind == InstrumentKind.OPTION,
        class_half_spread_bp=liquidity.half_spread_bp if liquidity is not None else None,
    )


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
