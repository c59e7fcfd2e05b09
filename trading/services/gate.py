"""The pre-trade gate as orders use it: gather, judge, price the fill, see if it can be paid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.money import plain, to_money
from marketdata.models import Instrument
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, Position
from portfolios.selectors import holdings
from portfolios.selectors.holdings import Book
from risk.services import pretrade
from risk.services.pretrade import CostEstimate, GateInputs, ProposedTrade, Verdict
from trading.calculations import fills, matching
from trading.calculations.cost_presets import Rates
from trading.calculations.matching import Attempt, Bar, Match, Terms
from trading.choices import Side
from trading.constants import (
    COLLAR,
    INSUFFICIENT_CASH,
    KILL_SWITCH,
    MARGIN,
    OVERSELL,
    PRICE_COLLAR,
)
from trading.selectors import costs, halts, orders
from trading.selectors.orders import Surroundings

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

    @property
    def rate(self) -> Decimal | None:
        """The book's money for one unit of the instrument's currency; None within one."""
        known = self.inputs.rate(self.instrument.symbol)
        return known.value if known.legs else None


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, and what the bar it was judged with does to the order."""

    verdict: Verdict
    attempt: Attempt
    position: Position | None = None  # what is held of the instrument, as it was judged

    @property
    def match(self) -> Match:
        """What the bar did, whatever the verdict says."""
        return self.attempt.match

    @property
    def fill(self) -> fills.Fill | None:
        """The fill the verdict allows."""
        return self.attempt.fill if self.verdict.approved else None


def prepare(
    *,
    portfolio_id: UUID,
    instruments: Iterable[Instrument],
    moment: Moment,
    around: Surroundings | None = None,
) -> dict[str, Prepared]:
    """Gather prices, matrices, liquidity and costs for one portfolio, by symbol.

    What waits there already counts as done in every verdict, so its symbols are gathered too.
    `around` is what the caller has read of the portfolio a moment ago.
    """
    asked = {each.symbol: each for each in instruments}
    symbols = set(asked)
    if around is None or around.has_working:
        symbols |= orders.working_symbols(portfolio_id=portfolio_id)
    inputs = pretrade.gather(
        portfolio_id=portfolio_id,
        symbols=symbols,
        moment=moment,
        found=asked.values(),
        base_currency=around.base_currency if around is not None else "",
    )
    has_costs = around is None or around.has_costs
    rates = costs.rates(costs.row(portfolio_id=portfolio_id) if has_costs else None)
    return {symbol: _prepared(instrument, inputs, rates) for symbol, instrument in asked.items()}


def judge(
    *,
    portfolio: Portfolio,
    prepared: Prepared,
    terms: Terms,
    quantity: Decimal,
    working: Sequence[ProposedTrade],
    context: str,
    by: Actor,
    bar: Bar | None = None,
    halted: bool | None = None,
) -> Judged:
    """Judge an order, and with a bar the very fill: it needs its cash and shares at hand.

    An order that waits is judged as if it paid its limit, one that fills at its reference price.
    When it counts, the caller holds the portfolio's lock; who has asked under it whether trading
    is `halted` says so.
    """
    if halted is None:
        halted = halts.in_force() is not None
    denials = [KILL_SWITCH] if halted else []
    book, positions = holdings.held_of(portfolio)
    position = positions.get(prepared.instrument.pk)
    attempt, absurd = try_bar(prepared, terms, quantity, bar)
    denials += absurd
    asked = ProposedTrade(
        symbol=prepared.instrument.symbol,
        side=terms.side,
        quantity=quantity,
        pays=paying(prepared, terms, attempt),
        order_type=terms.order_type,
    )
    rest = context, by, book
    verdict = _judge(portfolio, prepared, asked, working, denials, *rest)
    if prepared.market.last is None:
        return Judged(verdict, attempt, position)
    fill = attempt.fill
    if verdict.approved and fill is not None:
        found = objections(
            cash=portfolio.cash,
            units=position.quantity if position is not None else ZERO,
            allow_short=portfolio.allow_short,
            side=terms.side,
            attempt=attempt,
            rate=prepared.rate,
        )
        if portfolio.allow_short and working:
            # what waits may never come: the margin has to be there without it as well
            now = replace(asked, quantity=fill.quantity)
            alone = _judge(portfolio, prepared, now, (), (), *rest)
            found += [MARGIN] if MARGIN in alone.reasons else []
        if found:
            verdict = _judge(portfolio, prepared, asked, working, found, *rest)
    if not absurd:
        verdict.document["pricing"][0] |= split(prepared, fill or whole(prepared, asked))
    return Judged(verdict, attempt, position)


def _prepared(instrument: Instrument, inputs: GateInputs, rates: Rates) -> Prepared:
    symbol = instrument.symbol
    mark, liquidity = inputs.marks.get(symbol), inputs.liquidity.get(symbol)
    model = costs.model(rates=rates, instrument=instrument, liquidity=liquidity)
    market = costs.market(mark=mark, liquidity=liquidity, volatility=inputs.volatility(symbol))
    estimate = costs.estimate(model=model, market=market)
    return Prepared(instrument, inputs, mark, model, market, estimate)


def try_bar(
    prepared: Prepared, terms: Terms, quantity: Decimal, bar: Bar | None
) -> tuple[Attempt, list[str]]:
    """What the bar would do; costs that leave no price are as far from it as can be."""
    if prepared.market.last is None:
        bar = None
    multiplier = prepared.instrument.multiplier
    try:
        made = matching.attempt(
            terms, quantity, bar, prepared.market, prepared.model, multiplier=multiplier
        )
    except ValueError:
        return Attempt(matching.NOTHING), [PRICE_COLLAR]
    return made, []


def paying(prepared: Prepared, terms: Terms, attempt: Attempt) -> Decimal | None:
    """The price cash is judged at, where it is not the mark."""
    if attempt.fill is None:
        return matching.cash_price(terms)
    reference = attempt.match.reference
    assert prepared.mark is not None
    return None if reference == prepared.mark.price else reference


def whole(prepared: Prepared, asked: ProposedTrade) -> fills.Fill | None:
    """All of an order that waits, at the mark: what the ticket shows of its costs."""
    multiplier = prepared.instrument.multiplier
    try:
        return fills.fill(
            asked.side, asked.quantity, prepared.market, prepared.model, multiplier=multiplier
        )
    except ValueError:
        return None


def _judge(
    portfolio: Portfolio,
    prepared: Prepared,
    asked: ProposedTrade,
    working: Sequence[ProposedTrade],
    denials: Sequence[str],
    context: str,
    by: Actor,
    book: Book,
) -> Verdict:
    return pretrade.judge(
        portfolio=portfolio,
        inputs=prepared.inputs,
        proposed=[asked],
        working=working,
        costs=prepared.estimate,
        context=context,
        by=by,
        denials=denials,
        book=book,
    )


def objections(
    *,
    cash: Decimal,
    units: Decimal,
    allow_short: bool,
    side: str,
    attempt: Attempt,
    rate: Decimal | None = None,
) -> list[str]:
    """Why a fill cannot be booked with the cash and units at hand, whatever others may bring.

    Cash is in the book's currency, the fill in the instrument's; `rate` is as for a booking.
    """
    fill, reference = attempt.fill, attempt.match.reference
    assert fill is not None
    found = []
    if fill.cash_delta < 0 and -in_book(fill.cash_delta, rate) > cash:
        found.append(INSUFFICIENT_CASH)
    if side == Side.SELL and not allow_short and fill.quantity > units:
        found.append(OVERSELL)
    if fill.price is not None and reference is not None:
        if abs(fill.price - reference) > COLLAR * reference:
            found.append(PRICE_COLLAR)
    return found


def in_book(amount: Decimal, rate: Decimal | None) -> Decimal:
    """Money of a fill in the book's currency."""
    return amount if rate is None else to_money(amount * rate)


def split(prepared: Prepared, fill: fills.Fill | None) -> dict[str, Any]:
    """What the ticket shows of the costs; the document is JSON."""
    if fill is None:
        return {}
    known = prepared.market.average_volume is not None
    total = float(fill.commission) + fill.spread_cost + fill.impact_cost
    units = float(fill.quantity * prepared.instrument.multiplier)
    value = (prepared.market.last or 0.0) * units
    return {
        "value": plain(to_money(value)),
        "commission": plain(fill.commission),
        "spread_cost": plain(to_money(fill.spread_cost)),
        "impact_cost": plain(to_money(fill.impact_cost)) if known else None,
        "impact_reason": None if known else "volume_not_known",
        "cost_bp": total / value * 1e4 if value else None,
    }


def held(portfolio: Portfolio, instrument: Instrument) -> Decimal:
    """Units of an instrument in a portfolio, below zero for a short."""
    position = Position.objects.filter(portfolio=portfolio, instrument=instrument).first()
    return position.quantity if position is not None else ZERO
