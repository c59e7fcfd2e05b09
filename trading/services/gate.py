"""The pre-trade gate as orders use it: gather, judge, add what only trading knows, keep."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.money import to_money
from marketdata.models import Instrument
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioState
from portfolios.models import Portfolio, Position
from risk.choices import CheckStatus
from risk.services import pretrade
from risk.services.pretrade import CostEstimate, GateInputs, ProposedTrade, Verdict
from trading.calculations import fills
from trading.choices import Side
from trading.constants import (
    COLLAR,
    INSUFFICIENT_CASH,
    KILL_SWITCH,
    OVERSELL,
    PORTFOLIO_HALTED,
    PRICE_COLLAR,
    REASON_ORDER,
    REDUCING_ONLY,
)
from trading.selectors import costs, halts

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Prepared:
    """What an order needs that no lock has to protect; gathered before it is taken."""

    instrument: Instrument
    inputs: GateInputs
    mark: Mark
    model: fills.CostModel
    market: fills.Market
    estimate: CostEstimate


def prepare(
    *, portfolio_id: UUID, instruments: Iterable[Instrument], moment: Moment
) -> dict[str, Prepared]:
    """Gather prices, matrices, liquidity and costs for one portfolio, by symbol."""
    asked = {each.symbol: each for each in instruments}
    inputs = pretrade.gather(portfolio_id=portfolio_id, symbols=list(asked), moment=moment)
    own = costs.own(portfolio_id=portfolio_id)
    return {
        symbol: _prepared(instrument, inputs, own) for symbol, instrument in asked.items()
    }


def _prepared(
    instrument: Instrument, inputs: GateInputs, own: fills.CostModel | None
) -> Prepared:
    symbol = instrument.symbol
    mark, liquidity = inputs.marks[symbol], inputs.liquidity.get(symbol)
    model = own or costs.preset(liquidity=liquidity)
    market = costs.market(mark=mark, liquidity=liquidity, volatility=inputs.volatility(symbol))
    estimate = costs.estimate(
        model=model, market=market, multiplier=float(instrument.multiplier)
    )
    return Prepared(instrument, inputs, mark, model, market, estimate)


def judge(
    *,
    portfolio: Portfolio,
    prepared: Prepared,
    side: str,
    quantity: Decimal,
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
) -> Verdict:
    """The risk gate's verdict with trading's own denials added. The lock counts, not the call."""
    verdict = pretrade.judge(
        portfolio=portfolio,
        inputs=prepared.inputs,
        proposed=[ProposedTrade(prepared.instrument.symbol, side, quantity)],
        working=working,
        costs=prepared.estimate,
        context=context,
        by=by,
    )
    return refuse(verdict, _denials(portfolio, prepared.instrument, side, quantity, working))


def refuse(verdict: Verdict, reasons: Sequence[str]) -> Verdict:
    """Add reasons to a verdict, solvency first; without any it stays as it is."""
    if not reasons:
        return verdict
    known = {*verdict.reasons, *reasons}
    ordered = tuple(sorted(known, key=_rank))
    status = verdict.status
    if status == CheckStatus.APPROVED:
        status = CheckStatus.REJECTED.value
    told = {**verdict.document.get("verdict", {}), "status": status, "reasons": list(ordered)}
    document = {**verdict.document, "verdict": told}
    return replace(verdict, status=status, reasons=ordered, document=document)


def price(*, prepared: Prepared, side: str, quantity: Decimal) -> fills.Fill:
    """What the paper broker would do now; nothing is written."""
    return fills.fill(
        side,
        quantity,
        prepared.market,
        prepared.model,
        multiplier=prepared.instrument.multiplier,
    )


def objections(*, portfolio: Portfolio, prepared: Prepared, fill: fills.Fill) -> tuple[str, ...]:
    """Why this very fill cannot be booked: the cash at hand, the collar around the last price."""
    found = []
    if fill.cash_delta < 0 and -fill.cash_delta > portfolio.cash:
        found.append(INSUFFICIENT_CASH)
    reference = prepared.mark.price
    if fill.price is not None and reference is not None:
        if abs(fill.price - reference) > COLLAR * reference:
            found.append(PRICE_COLLAR)
    return tuple(found)


def _denials(
    portfolio: Portfolio,
    instrument: Instrument,
    side: str,
    quantity: Decimal,
    working: Sequence[ProposedTrade],
) -> list[str]:
    held = _held(portfolio, instrument)
    found = []
    promised = sum(
        (each.quantity for each in working if _sells(each, instrument.symbol)), start=ZERO
    )
    # Where shorts are allowed too: placing one waits for margin calls and borrow costs. Shorts
    # that were brought in are held, valued and can be bought back.
    if side == Side.SELL and quantity > max(held, ZERO) - promised:
        found.append(OVERSELL)
    if portfolio.state == PortfolioState.HALTED:
        found.append(PORTFOLIO_HALTED)
    if portfolio.state == PortfolioState.REDUCING and not _reduces(side, quantity, held):
        found.append(REDUCING_ONLY)
    if halts.in_force() is not None:
        found.append(KILL_SWITCH)
    return found


def _held(portfolio: Portfolio, instrument: Instrument) -> Decimal:
    position = Position.objects.filter(portfolio=portfolio, instrument=instrument).first()
    return to_money(position.quantity) if position is not None else ZERO


def _sells(proposed: ProposedTrade, symbol: str) -> bool:
    return proposed.symbol == symbol and proposed.side == Side.SELL


def _reduces(side: str, quantity: Decimal, held: Decimal) -> bool:
    closing = held > 0 if side == Side.SELL else held < 0
    return closing and quantity <= abs(held)


def _rank(reason: str) -> tuple[int, str]:
    known = REASON_ORDER.index(reason) if reason in REASON_ORDER else len(REASON_ORDER)
    return known, reason
