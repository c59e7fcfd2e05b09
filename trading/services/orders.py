"""Submit and cancel orders: the walk from a ticket to a kept verdict and, in session, a fill."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound, VersionMismatch
from marketdata.models import Instrument
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio
from portfolios.services import locking
from risk.models import PreTradeCheck
from risk.services import pretrade
from trading import live
from trading.choices import OrderSource, OrderState, PriceSource
from trading.constants import CONFLICT as BOOK_CHANGED
from trading.models import Order
from trading.selectors import orders as read
from trading.services import execution, gate, tickets, transitions
from trading.services.gate import Prepared
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
        inputs = _gathered(portfolio_id, inputs.ticket, inputs.prepared.instrument, answer)
    raise AssertionError("the second pass decides")


def gather(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> Ready:
    """Check a ticket and collect what its verdict needs; no lock is held, nothing is written.

    Raises BadInput and NotFound like `submit`.
    """
    ticket, instrument = _checked(portfolio_id, ticket, by)
    return _gathered(portfolio_id, ticket, instrument, moment)


def check(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> PreTradeCheck:
    """Judge an order that is not placed: advice, of which only the check itself is kept.

    Raises BadInput and NotFound like `submit`.
    """
    ticket, instrument = _checked(portfolio_id, ticket, by)
    started = time.monotonic()
    prepared = _prepared(portfolio_id, instrument, moment)
    judged = gate.judge(
        portfolio=Portfolio.objects.get(pk=portfolio_id),
        prepared=prepared,
        side=ticket.side,
        quantity=ticket.quantity,
        working=read.working(portfolio_id=portfolio_id),
        context=PREVIEW,
        by=by,
        fills_now=execution.is_fresh(prepared.mark, moment),
    )
    return pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio_id,
        context=PREVIEW,
        by=by,
        started=started,
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
    transitions.move(order, OrderState.CANCELLED, by=by, as_of=moment.as_of)
    return order


def _checked(portfolio_id: UUID, ticket: Ticket, by: Actor) -> tuple[Ticket, Instrument]:
    known = Portfolio.objects.filter(pk=portfolio_id).values_list("whole_shares", flat=True)
    whole_shares = next(iter(known), None)
    if whole_shares is None:
        raise NotFound("There is no such portfolio.")
    return tickets.checked(ticket=ticket, whole_shares=whole_shares, by=by)


def _gathered(portfolio_id: UUID, ticket: Ticket, instrument: Instrument, moment: Moment) -> Ready:
    started = time.monotonic()
    return Ready(ticket, _prepared(portfolio_id, instrument, moment), moment, started)


def _prepared(portfolio_id: UUID, instrument: Instrument, moment: Moment) -> Prepared:
    found = gate.prepare(portfolio_id=portfolio_id, instruments=[instrument], moment=moment)
    return found[instrument.symbol]


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
    _refuse_twin(portfolio_id, ticket.client_order_id)
    if market_clock is not None:
        now = market_clock()
        if pretrade.is_stale(prepared.inputs, now):
            return now
    judged = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        side=ticket.side,
        quantity=ticket.quantity,
        working=read.working(portfolio_id=portfolio_id),
        context=CONTEXT,
        by=by,
        fills_now=execution.is_fresh(prepared.mark, moment),
    )
    if market_clock is not None and BOOK_CHANGED in judged.verdict.reasons:
        return market_clock()
    order = _new(portfolio_id, ticket, prepared, by, moment)
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
        transitions.born(order, by=by, as_of=moment.as_of, reasons=order.reasons)
    elif judged.fill is None:
        order.state = OrderState.ACCEPTED
        transitions.born(order, by=by, as_of=moment.as_of)
    else:
        execution.book(
            order=order,
            fill=judged.fill,
            reference=_reference(prepared),
            price_source=PriceSource.SIM,
            executed_at=_priced_at(prepared, moment),
            session_date=moment.current,
            by=by,
            locked=portfolio,
        )
    return order


def _reference(prepared: Prepared) -> Decimal:
    """The price before costs; an order that fills has one."""
    mark = prepared.mark
    assert mark is not None
    assert mark.price is not None
    return mark.price


def _priced_at(prepared: Prepared, moment: Moment) -> datetime:
    """The moment of a fill: not before its price, which a bar may have renewed meanwhile."""
    mark = prepared.mark
    return max(moment.as_of, mark.as_of) if mark and mark.as_of else moment.as_of


def _new(
    portfolio_id: UUID, ticket: Ticket, prepared: Prepared, by: Actor, moment: Moment
) -> Order:
    return Order(
        portfolio_id=portfolio_id,
        instrument=prepared.instrument,
        client_order_id=ticket.client_order_id,
        side=ticket.side,
        quantity=ticket.quantity,
        order_type=ticket.order_type,
        source=OrderSource.USER,
        note=ticket.note,
        placed_as_of=moment.as_of,
        session_date=moment.current,
        placed_by_id=by.user_id,
    )


def _refuse_twin(portfolio_id: UUID, client_order_id: str) -> None:
    same = Order.objects.filter(portfolio_id=portfolio_id, client_order_id=client_order_id)
    for twin in same.only("state"):
        raise Conflict(
            "An order with this client order id exists in the portfolio.",
            code="duplicate_client_order_id",
            order=live.order_url(twin.pk),
            state=twin.state,
        )
