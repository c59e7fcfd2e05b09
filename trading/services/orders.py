"""Submit and cancel orders: the walk from a ticket to a kept verdict and, in session, a fill."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, DomainError, NotFound, VersionMismatch
from marketdata.models import Instrument
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio
from portfolios.services import ledger, locking
from risk.models import PreTradeCheck
from risk.services import pretrade
from trading import live
from trading.calculations.matching import Attempt
from trading.choices import OrderSource, OrderState
from trading.constants import CONFLICT as BOOK_CHANGED
from trading.models import Order
from trading.selectors import bars
from trading.selectors import orders as read
from trading.selectors.orders import Surroundings
from trading.services import execution, gate, sizing, tickets, transitions
from trading.services.gate import Judged, Prepared
from trading.services.tickets import Ticket

CONTEXT = "order"
PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Ready:
    """An order with everything its verdict needs that no lock has to protect."""

    ticket: Ticket
    prepared: Prepared
    moment: Moment
    started: float  # `time.monotonic()` when the gathering began


def submit(
    *,
    portfolio_id: UUID,
    ticket: Ticket,
    by: Actor,
    moment: Moment,
    market_clock: Callable[[], Moment] | None = None,
    ready: Ready | None = None,
) -> Order:
    """Judge an order under the portfolio's lock, keep the verdict, and fill it if a price is fresh.

    Prices and matrices are gathered before the lock, by a door that opens a transaction of its own
    with `gather` before that. A door may hand over its market clock: it is
    asked again under the lock, and if the market moved meanwhile everything is gathered once more.
    The order comes back rejected (kept with its check, nothing else written), accepted (it waits
    for a later price) or filled.
    Raises BadInput for what the ticket itself shows to be wrong, Conflict for a client order id
    that was used before and for a closed portfolio.
    """
    inputs = ready or gather(portfolio_id=portfolio_id, ticket=ticket, by=by, moment=moment)
    for clock in (market_clock, None):
        answer = _decide(portfolio_id, inputs, by, clock)
        if isinstance(answer, Order):
            return answer
        # sized already: a market that moves on does not change what was asked for
        inputs = _gathered(portfolio_id, inputs.ticket, inputs.prepared.instrument, answer, None)
    raise AssertionError("the second pass decides")


def gather(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> Ready:
    """Check a ticket and collect what its verdict needs; no lock is held, nothing is written.

    Raises BadInput and NotFound like `submit`.
    """
    portfolio, around = _begun(portfolio_id)
    ticket, instrument = _checked(portfolio, ticket, by)
    return _gathered(portfolio_id, ticket, instrument, moment, around)


def gather_many(
    *, portfolio_id: UUID, tickets: Sequence[Ticket], by: Actor, moment: Moment
) -> list[Ready | DomainError]:
    """`gather` for many orders of one portfolio at once: each with its inputs, or its refusal."""
    started = time.monotonic()
    portfolio, around = _begun(portfolio_id)
    found: list[tuple[Ticket, Instrument] | DomainError] = []
    for ticket in tickets:
        try:
            found.append(_checked(portfolio, ticket, by))
        except DomainError as error:
            found.append(error)
    known = {each[1].symbol: each[1] for each in found if isinstance(each, tuple)}
    prepared = gate.prepare(
        portfolio_id=portfolio_id, instruments=known.values(), moment=moment, around=around
    )
    portfolio = Portfolio.objects.get(pk=portfolio_id)
    return [_ready(each, prepared, portfolio, moment, started) for each in found]


def _ready(
    each: tuple[Ticket, Instrument] | DomainError,
    prepared: Mapping[str, Prepared],
    portfolio: Portfolio,
    moment: Moment,
    started: float,
) -> Ready | DomainError:
    if isinstance(each, DomainError):
        return each
    ticket, instrument = each
    mine = prepared[instrument.symbol]
    try:
        return Ready(sizing.sized(ticket, mine, portfolio), mine, moment, started)
    except DomainError as error:
        return error


def check(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> PreTradeCheck:
    """Judge an order that is not placed: advice, of which only the check itself is kept.

    Raises BadInput and NotFound like `submit`.
    """
    ready = gather(portfolio_id=portfolio_id, ticket=ticket, by=by, moment=moment)
    judged = gate.judge(
        portfolio=Portfolio.objects.get(pk=portfolio_id),
        prepared=ready.prepared,
        terms=ready.ticket.terms,
        quantity=ready.ticket.units,
        working=read.working(portfolio_id=portfolio_id),
        context=PREVIEW,
        by=by,
        bar=bars.at_once(ready.prepared.instrument, ready.prepared.mark, moment),
    )
    return pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio_id,
        context=PREVIEW,
        by=by,
        started=ready.started,
        as_of=moment.as_of,
    )


@transaction.atomic
def cancel(
    *, order_id: UUID, if_match_version: int | None = None, by: Actor, moment: Moment
) -> Order:
    """Take back what of an order is not filled; `if_match_version` is the version that was read.

    Whoever gets the portfolio's lock first wins: against a fill, the loser is told the state.
    Raises NotFound, VersionMismatch, and Conflict with the present state when it no longer works.
    """
    known = Order.objects.filter(pk=order_id).values_list("portfolio_id", flat=True).first()
    if known is None:
        raise NotFound("There is no such order.")
    locking.lock_portfolios(known)
    order = Order.objects.select_related("instrument").get(pk=order_id)
    if if_match_version is not None and if_match_version != order.version:
        raise VersionMismatch("The order has moved on since it was read.", version=order.version)
    transitions.check_alone(order)
    transitions.move(order, OrderState.CANCELLED, by=by, as_of=moment.as_of)
    return order


def _begun(portfolio_id: UUID) -> tuple[Portfolio, Surroundings]:
    found = read.begun(portfolio_id=portfolio_id)
    if found is None:
        raise NotFound("There is no such portfolio.")
    return found


def _checked(portfolio: Portfolio, ticket: Ticket, by: Actor) -> tuple[Ticket, Instrument]:
    ledger.check_keeps_trades(portfolio)
    return tickets.checked(ticket=ticket, whole_shares=portfolio.whole_shares, by=by)


def _gathered(
    portfolio_id: UUID,
    ticket: Ticket,
    instrument: Instrument,
    moment: Moment,
    around: Surroundings | None,
) -> Ready:
    started = time.monotonic()
    found = gate.prepare(
        portfolio_id=portfolio_id, instruments=[instrument], moment=moment, around=around
    )
    prepared = found[instrument.symbol]
    if ticket.quantity is None:
        portfolio = Portfolio.objects.get(pk=portfolio_id)
        ticket = sizing.sized(ticket, prepared, portfolio)
    return Ready(ticket, prepared, moment, started)


@transaction.atomic
def _decide(
    portfolio_id: UUID,
    inputs: Ready,
    by: Actor,
    market_clock: Callable[[], Moment] | None,
) -> Order | Moment:
    """Everything decisive, under the lock; a later moment when the inputs have aged."""
    ticket, prepared, moment = inputs.ticket, inputs.prepared, inputs.moment
    [portfolio] = locking.lock_portfolios(portfolio_id)
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    ledger.check_keeps_trades(portfolio)
    standing = read.standing(portfolio_id=portfolio_id, client_order_id=ticket.client_order_id)
    if standing.has_twin:
        refuse_twin(portfolio_id, ticket.client_order_id)
    if market_clock is not None:
        now = market_clock()
        if pretrade.is_stale(prepared.inputs, now):
            return now
    judged = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        terms=ticket.terms,
        quantity=ticket.units,
        working=read.working(portfolio_id=portfolio_id) if standing.has_working else (),
        context=CONTEXT,
        by=by,
        bar=bars.at_once(prepared.instrument, prepared.mark, moment),
        halted=standing.is_halted,
    )
    if market_clock is not None and BOOK_CHANGED in judged.verdict.reasons:
        return market_clock()
    order = new(portfolio_id, ticket, prepared, by, moment)
    order.check_made = pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio_id,
        context=CONTEXT,
        by=by,
        started=inputs.started,
        as_of=moment.as_of,
    )
    if not judged.verdict.approved:
        order.state = OrderState.REJECTED
        order.reasons = list(judged.verdict.reasons)
        transitions.born(order, portfolio, by=by, as_of=moment.as_of, reasons=order.reasons)
    else:
        take(order, judged, prepared, moment, by, portfolio)
    return order


def take(
    order: Order,
    judged: Judged | Attempt,
    prepared: Prepared,
    moment: Moment,
    by: Actor,
    portfolio: Portfolio,
) -> None:
    """An approved order: filled at once as far as the volume goes; the rest of it waits."""
    at = _priced_at(prepared, moment)
    if judged.match.triggered:
        order.triggered_at = at
    if judged.fill is None or judged.fill.remaining:
        order.state = OrderState.ACCEPTED
        transitions.born(order, portfolio, by=by, as_of=moment.as_of)
    if judged.fill is None:
        return
    bar = bars.at_once(prepared.instrument, prepared.mark, moment)
    assert bar is not None
    assert judged.match.reference is not None
    execution.book(
        order=order,
        fill=judged.fill,
        reference=judged.match.reference,
        price_source=execution.source(prepared.mark, moment, judged.match, bar),
        executed_at=at,
        session_date=moment.current,
        by=by,
        rate=prepared.rate,
        locked=portfolio,
        # only of an order of its own: before a basket's leg others may have filled
        position=judged.position if isinstance(judged, Judged) else None,
    )


def _priced_at(prepared: Prepared, moment: Moment) -> datetime:
    """The moment of a fill: not before its price, which a bar may have renewed meanwhile."""
    mark = prepared.mark
    return max(moment.as_of, mark.as_of) if mark and mark.as_of else moment.as_of


def new(portfolio_id: UUID, ticket: Ticket, prepared: Prepared, by: Actor, moment: Moment) -> Order:
    """An order of a ticket that is sized; nothing is written."""
    return Order(
        portfolio_id=portfolio_id,
        instrument=prepared.instrument,
        client_order_id=ticket.client_order_id,
        side=ticket.side,
        quantity=ticket.units,
        order_type=ticket.order_type,
        limit_price=ticket.limit_price,
        stop_price=ticket.stop_price,
        time_in_force=ticket.time_in_force,
        source=OrderSource.USER,
        note=ticket.note,
        placed_as_of=moment.as_of,
        session_date=moment.current,
        placed_by_id=by.user_id,
    )


def refuse_twin(portfolio_id: UUID, client_order_id: str) -> None:
    """Raise Conflict where the portfolio has an order of this name."""
    same = Order.objects.filter(portfolio_id=portfolio_id, client_order_id=client_order_id)
    for twin in same.only("state"):
        raise Conflict(
            "An order with this client order id exists in the portfolio.",
            code="duplicate_client_order_id",
            order=live.order_url(twin.pk),
            state=twin.state,
        )
