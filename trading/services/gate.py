"""The pre-trade gate as orders use it: gather, judge, price the fill, see if it can be paid."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.money import plain, to_money
from marketdata.models import Instrument
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, Position
from risk.services import pretrade
from risk.services.pretrade import CostEstimate, GateInputs, ProposedTrade, Verdict
from trading.calculations import fills
from trading.choices import Side
from trading.constants import COLLAR, INSUFFICIENT_CASH, KILL_SWITCH, OVERSELL, PRICE_COLLAR
from trading.selectors import costs, halts, orders

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an order needs that no lock has to protect; gathered before it is taken."""

    instrument: Instrument
    inputs: GateInputs
    mark: Mark | None
    model: fills.CostModel
    market: fills.Market
    estimate: CostEstimate


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and the fill it allows where one was to be made at once."""

    verdict: Verdict
    fill: fills.Fill | None = None


def prepare(
    *, portfolio_id: UUID, instruments: Iterable[Instrument], moment: Moment
) -> dict[str, Prepared]:
    """Gather prices, matrices, liquidity and costs for one portfolio, by symbol.

    What waits there already counts as done in every verdict, so its symbols are gathered too.
    """
    asked = {each.symbol: each for each in instruments}
    symbols = orders.working_symbols(portfolio_id=portfolio_id) | set(asked)
    inputs = pretrade.gather(portfolio_id=portfolio_id, symbols=symbols, moment=moment)
    own = costs.own(portfolio_id=portfolio_id)
    return {symbol: _prepared(instrument, inputs, own) for symbol, instrument in asked.items()}


def judge(
    *,
    portfolio: Portfolio,
    prepared: Prepared,
    side: str,
    quantity: Decimal,
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
    fills_now: bool,
) -> Judged:
    """Judge an order, and with `fills_now` the very fill: it needs its cash and shares at hand.

    When it counts, the caller holds the portfolio's lock.
    """
    denials = [KILL_SWITCH] if halts.in_force() is not None else []
    verdict = _judge(portfolio, prepared, side, quantity, working, context, by, denials)
    if prepared.market.last is None:
        return Judged(verdict)
    fill = fills.fill(
        side,
        quantity,
        prepared.market,
        prepared.model,
        multiplier=prepared.instrument.multiplier,
    )
    split = _split(prepared, fill)
    if verdict.approved and fills_now:
        found = _objections(portfolio, prepared, side, fill)
        if found:
            verdict = _judge(portfolio, prepared, side, quantity, working, context, by, found)
    verdict.document["pricing"][0] |= split
    return Judged(verdict, fill if verdict.approved and fills_now else None)


def _prepared(instrument: Instrument, inputs: GateInputs, own: fills.CostModel | None) -> Prepared:
    symbol = instrument.symbol
    mark, liquidity = inputs.marks.get(symbol), inputs.liquidity.get(symbol)
    model = own or costs.preset(liquidity=liquidity)
    market = costs.market(mark=mark, liquidity=liquidity, volatility=inputs.volatility(symbol))
    estimate = costs.estimate(model=model, market=market)
    return Prepared(instrument, inputs, mark, model, market, estimate)


def _judge(
    portfolio: Portfolio,
    prepared: Prepared,
    side: str,
    quantity: Decimal,
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
    denials: Sequence[str],
) -> Verdict:
    judged = portfolio
    if side == Side.SELL and portfolio.allow_short:
        # Placing a new short waits for borrow costs and margin calls; shorts that were brought in
        # are held, valued and can be bought back. So a sale ends at what is held, everywhere.
        judged = copy(portfolio)
        judged.allow_short = False
    return pretrade.judge(
        portfolio=judged,
        inputs=prepared.inputs,
        proposed=[ProposedTrade(prepared.instrument.symbol, side, quantity)],
        working=working,
        costs=prepared.estimate,
        context=context,
        by=by,
        denials=denials,
    )


def _objections(portfolio: Portfolio, prepared: Prepared, side: str, fill: fills.Fill) -> list[str]:
    """Why this fill cannot be booked now, although waiting orders may bring what it needs."""
    found = []
    if fill.cash_delta < 0 and -fill.cash_delta > portfolio.cash:
        found.append(INSUFFICIENT_CASH)
    if side == Side.SELL and fill.quantity > _held(portfolio, prepared.instrument):
        found.append(OVERSELL)
    reference = prepared.mark.price if prepared.mark is not None else None
    if fill.price is not None and reference is not None:
        if abs(fill.price - reference) > COLLAR * reference:
            found.append(PRICE_COLLAR)
    return found


def _split(prepared: Prepared, fill: fills.Fill) -> dict[str, Any]:
    """What the ticket shows of the costs; the document is JSON."""
    known = prepared.market.average_volume is not None
    total = float(fill.commission) + fill.spread_cost + fill.impact_cost
    units = float(fill.quantity * prepared.instrument.multiplier)
    value = (prepared.market.last or 0.0) * units
    return {
        "commission": plain(fill.commission),
        "spread_cost": plain(to_money(fill.spread_cost)),
        "impact_cost": plain(to_money(fill.impact_cost)) if known else None,
        "impact_reason": None if known else "volume_not_known",
        "cost_bp": total / value * 1e4 if value else None,
    }


def _held(portfolio: Portfolio, instrument: Instrument) -> Decimal:
    position = Position.objects.filter(portfolio=portfolio, instrument=instrument).first()
    return position.quantity if position is not None else ZERO
