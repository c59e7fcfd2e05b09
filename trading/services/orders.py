"""Submit and cancel orders: the walk from a ticket to a kept verdict and, in session, a fill."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio
from portfolios.services import locking
from risk.choices import CheckStatus
from risk.models import PreTradeCheck
from risk.services import pretrade
from trading import live
from trading.choices import OrderSource, OrderState, PriceSource
from trading.models import Order
from trading.selectors import orders as read
from trading.services import execution, gate, tickets, transitions
from trading.services.gate import Prepared
from trading.services.tickets import Ticket

CONTEXT = "order"
PREVIEW = "preview"


def submit(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> Order:
    """Judge an order under the portfolio's lock, keep the verdict, and fill it if a price is fresh.

    Prices and matrices are gathered before the lock; if the market moved in between, once more.
    The order comes back rejected (kept with its check, nothing else written), accepted (it waits
    for a later price) or filled.
    Raises BadInput for what the ticket itself shows to be wrong, Conflict for a client order id
    that was used before and for a closed portfolio.
    """
    ticket, instrument = _checked(portfolio_id, ticket, by)
    for regather in (True, False):
        started = clock.now()
        prepared = gate.prepare(
            portfolio_id=portfolio_id, instruments=[instrument], moment=moment
        )[instrument.symbol]
        order = _decide(portfolio_id, ticket, prepared, by, moment, started, regather)
        if order is not None:
            return order
    raise AssertionError("the second pass decides")


def check(*, portfolio_id: UUID, ticket: Ticket, by: Actor, moment: Moment) -> PreTradeCheck:
    """Judge an order that is not placed: advice, of which only the check itself is kept.

    Raises BadInput and Conflict like `submit`.
    """
    ticket, instrument = _checked(portfolio_id, ticket, by)
    started = clock.now()
    prepared = gate.prepare(
        portfolio_id=portfolio_id, instruments=[instrument], moment=moment
    )[instrument.symbol]
    portfolio = Portfolio.objects.get(pk=portfolio_id)
    verdict = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        side=ticket.side,
        quantity=ticket.quantity,
        working=read.working(portfolio_id=portfolio_id),
        context=PREVIEW,
        by=by,
    )
    if verdict.status == CheckStatus.APPROVED and execution.is_fresh(prepared.mark, moment):
        fill = gate.price(prepared=prepared, side=ticket.side, quantity=ticket.quantity)
        found = gate.objections(portfolio=portfolio, prepared=prepared, fill=fill)
        verdict = gate.refuse(verdict, found)
    return pretrade.keep(
        verdict=verdict, portfolio_id=portfolio_id, context=PREVIEW, by=by, started=started
    )


@transaction.atomic
def cancel(*, order_id: UUID, by: Actor, moment: Moment) -> Order:
    """Take back what of an order is not filled.

    Whoever gets the portfolio's lock first wins: against a fill, the loser is told the state.
    Raises NotFound, and Conflict with the present state when it no longer works.
    """
    known = Order.objects.filter(pk=order_id).values_list("portfolio_id", flat=True).first()
    if known is None:
        raise NotFound("There is no such order.")
    locking.lock_portfolios(known)
    order = Order.objects.select_related("instrument").get(pk=order_id)
    transitions.move(order, OrderState.CANCELLED, by=by, as_of=moment.as_of)
    return order


def _checked(portfolio_id: UUID, ticket: Ticket, by: Actor) -> tuple[Ticket, tickets.Instrument]:
    portfolio = Portfolio.objects.filter(pk=portfolio_id).first()
    if portfolio is None:
        raise NotFound("There is no such portfolio.")
    return tickets.checked(ticket=ticket, whole_shares=portfolio.whole_shares, by=by)


@transaction.atomic
def _decide(
    portfolio_id: UUID,
    ticket: Ticket,
    prepared: Prepared,
    by: Actor,
    moment: Moment,
    started: datetime,
    regather: bool,
) -> Order | None:
    """Everything decisive, under the lock; None when the inputs have aged and may be renewed."""
    [portfolio] = locking.lock_portfolios(portfolio_id)
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    _refuse_twin(portfolio_id, ticket.client_order_id)
    if regather and pretrade.is_stale(prepared.inputs, moment):
        return None
    verdict = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        side=ticket.side,
        quantity=ticket.quantity,
        working=read.working(portfolio_id=portfolio_id),
        context=CONTEXT,
        by=by,
    )
    fill = None
    if verdict.status == CheckStatus.APPROVED and execution.is_fresh(prepared.mark, moment):
        fill = gate.price(prepared=prepared, side=ticket.side, quantity=ticket.quantity)
        found = gate.objections(portfolio=portfolio, prepared=prepared, fill=fill)
        verdict = gate.refuse(verdict, found)
    order = _new(portfolio_id, ticket, prepared, by, moment)
    order.check_made = pretrade.keep(
        verdict=verdict, portfolio_id=portfolio_id, context=CONTEXT, by=by, started=started
    )
    if verdict.status != CheckStatus.APPROVED:
        order.state = OrderState.REJECTED
        order.reasons = list(verdict.reasons)
        transitions.born(order, by=by, as_of=moment.as_of, reasons=order.reasons)
    elif fill is None:
        order.state = OrderState.ACCEPTED
        transitions.born(order, by=by, as_of=moment.as_of)
    else:
        execution.book(
            order=order,
            fill=fill,
            reference=prepared.mark.price or Decimal(0),
            price_source=PriceSource.SIM,
            executed_at=moment.as_of,
            session_date=moment.current,
            by=by,
        )
    return order


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
    twin = Order.objects.filter(
        portfolio_id=portfolio_id, client_order_id=client_order_id
    ).first()
    if twin is not None:
        raise Conflict(
            "An order with this client order id exists in the portfolio.",
            code="duplicate_client_order_id",
            order=live.order_url(twin.pk),
            state=twin.state,
        )
