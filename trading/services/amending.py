"""Changes of orders that wait: other terms under a new verdict, and cancelling them all."""

import time
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio
from portfolios.services import ledger, locking
from risk.models import PreTradeCheck
from risk.services import pretrade
from trading import live
from trading.calculations import order_states
from trading.choices import OrderState, TimeInForce
from trading.models import Order
from trading.selectors import orders as read
from trading.services import gate, tickets, transitions

CONTEXT = "replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What is to be different; None leaves it as it is."""

    quantity: Decimal | None = None  # the whole of it, with what is filled
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str | None = None


@dataclass(frozen=True, slots=True)
class Replaced:
    """The order as it now is, and the check that let it change or did not."""

    order: Order
    check: PreTradeCheck
    approved: bool


def replace_order(
    *,
    order_id: UUID,
    changes: Changes,
    if_match_version: int | None = None,
    by: Actor,
    moment: Moment,
) -> Replaced:
    """Change the terms of an order that waits, if a new verdict approves what is left of it.

    Refused, the order stays as it was and the check is kept. Approved, only what comes after the
    change may trigger or fill it.
    Raises NotFound, VersionMismatch, BadInput naming the field, and Conflict with the present
    state when it no longer works.
    """
    known = Order.objects.filter(pk=order_id).select_related("instrument").first()
    if known is None:
        raise NotFound("There is no such order.")
    started = time.monotonic()
    found = gate.prepare(
        portfolio_id=known.portfolio_id, instruments=[known.instrument], moment=moment
    )
    with transaction.atomic():
        [portfolio] = locking.lock_portfolios(known.portfolio_id)
        order = Order.objects.select_related("instrument").get(pk=order_id)
        if if_match_version is not None and if_match_version != order.version:
            raise VersionMismatch(
                "The order has moved on since it was read.", version=order.version
            )
        before = _words(order)
        stop = order.stop_price
        _change(order, changes, portfolio)
        if order.stop_price != stop:
            order.triggered_at = None
        judged = gate.judge(
            portfolio=portfolio,
            prepared=found[order.instrument.symbol],
            terms=read.terms(order),
            quantity=order.remaining,
            working=read.working(portfolio_id=portfolio.pk, excluding=order),
            context=CONTEXT,
            by=by,
        )
        check = pretrade.keep(
            verdict=judged.verdict,
            portfolio_id=portfolio.pk,
            context=CONTEXT,
            by=by,
            started=started,
            as_of=moment.as_of,
        )
        if not judged.verdict.approved:
            return Replaced(Order.objects.get(pk=order_id), check, approved=False)
        order.check_made, order.replaced_as_of = check, moment.as_of
        told = f"{_words(order)} instead of {before}"
        transitions.amended(order, "replaced", by=by, as_of=moment.as_of, reason=told)
    return Replaced(order, check, approved=True)


@transaction.atomic
def cancel_open(*, portfolio_id: UUID, by: Actor, moment: Moment) -> list[Order]:
    """Take back everything that waits in a portfolio, oldest first; the answer may be empty."""
    locking.lock_portfolios(portfolio_id)
    rows = Order.objects.filter(portfolio_id=portfolio_id, state__in=read.WORKING)
    waiting = list(rows.select_related("instrument").order_by("created_at", "pk"))
    for order in waiting:
        transitions.move(order, OrderState.CANCELLED, by=by, as_of=moment.as_of)
    return waiting


def _change(order: Order, changes: Changes, portfolio: Portfolio) -> None:
    """Put the changes on an order. Raises BadInput and Conflict; writes nothing."""
    if order.state not in order_states.OPEN:
        raise transitions.impossible(order, order.state, "replaced")
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    ledger.check_keeps_trades(portfolio)
    transitions.check_alone(order)
    given = {
        name: getattr(changes, name)
        for name in ("quantity", "limit_price", "stop_price", "time_in_force")
        if getattr(changes, name) is not None
    }
    if all(getattr(order, name) == value for name, value in given.items()):
        raise BadInput("Nothing of it would change.")
    for name, value in given.items():
        setattr(order, name, value)
    tickets.check_prices(order.order_type, order.limit_price, order.stop_price)
    if changes.quantity is not None:
        tickets.check_quantity(changes.quantity, portfolio.whole_shares)
        if changes.quantity <= order.filled_quantity:
            filled = live.amount(order.filled_quantity)
            raise BadInput(
                f"{filled} are filled already; ask for more, or cancel the rest.", attr="quantity"
            )
    tickets.check_time(order.order_type, order.time_in_force)


def _words(order: Order) -> str:
    words = live.amount(order.quantity)
    if order.stop_price is not None:
        words += f", stop {live.amount(order.stop_price)}"
    if order.limit_price is not None:
        words += f", limit {live.amount(order.limit_price)}"
    return f"{words}, {TimeInForce(order.time_in_force).label.lower()}"
