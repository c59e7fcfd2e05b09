"""The paper broker: fills at once, fills that waited for a bar, the end of day orders."""

import time
import uuid
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db import transaction

from etftrader.core import clock
from etftrader.core.actor import Actor, system
from etftrader.core.money import to_money
from marketdata.choices import PriceClass, Source
from marketdata.models import Instrument
from marketdata.selectors import calendar
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioState
from portfolios.models import Portfolio
from portfolios.services import ledger, locking
from risk.choices import CheckStatus
from risk.services import pretrade
from trading import events, live
from trading.calculations import fills, order_states
from trading.choices import OrderState, PriceSource, Side
from trading.constants import FRESH_SECONDS
from trading.models import Order, Trade
from trading.selectors import halts, orders
from trading.services import gate, transitions
from trading.services.gate import Prepared

CONTEXT = "fill"


def is_fresh(mark: Mark | None, moment: Moment) -> bool:
    """Whether an order fills at once: in session, on a quote not older than a minute."""
    if not moment.in_session or mark is None or mark.price is None or mark.as_of is None:
        return False
    age = moment.as_of - mark.as_of
    return mark.price_class == PriceClass.LIVE and age <= timedelta(seconds=FRESH_SECONDS)


def book(
    *,
    order: Order,
    fill: fills.Fill,
    reference: Decimal,
    price_source: str,
    executed_at: datetime,
    session_date: date,
    by: Actor,
    locked: Portfolio | None = None,
) -> Trade:
    """Write one fill: the ledger first, then order and trade; all or nothing.

    The caller holds the portfolio's lock, and hands over what it read under it. A new order is
    born filled, a waiting one moves on.
    """
    assert fill.price is not None
    trade_id = uuid.uuid4()
    direction = 1 if order.side == Side.BUY else -1
    booking = ledger.book_fill(
        portfolio_id=order.portfolio_id,
        instrument=order.instrument,
        quantity=direction * fill.quantity,
        price=fill.price,
        fee=fill.commission,
        source=f"trade:{trade_id}",
        session_date=session_date,
        locked=locked,
    )
    done = order.filled_quantity + fill.quantity
    paid = (order.average_price or Decimal(0)) * order.filled_quantity
    order.average_price = to_money((paid + fill.price * fill.quantity) / done)
    order.filled_quantity = done
    order.last_bar = executed_at
    state = OrderState.FILLED if done == order.quantity else OrderState.PARTIALLY_FILLED
    detail = {"trade": str(trade_id), "quantity": live.amount(fill.quantity)}
    if order._state.adding:
        order.state = state
        event = transitions.born(order, by=by, as_of=executed_at, **detail)
    else:
        event = transitions.move(order, state, by=by, as_of=executed_at, **detail)
    trade = Trade(
        id=trade_id,
        order=order,
        portfolio_id=order.portfolio_id,
        instrument=order.instrument,
        side=order.side,
        quantity=fill.quantity,
        price=fill.price,
        price_source=price_source,
        reference_price=reference,
        commission=fill.commission,
        spread_cost=to_money(fill.spread_cost),
        impact_cost=to_money(fill.impact_cost),
        currency=order.instrument.currency,
        realized_pnl=booking.realized_pnl,
        executed_at=executed_at,
        session_date=session_date,
        recorded_at=clock.now(),
    )
    trade.save(force_insert=True)
    live.publish_trade(trade, event)
    events.trade_filled.announce(trade_id=str(trade_id))
    return trade


def fill_waiting(*, moment: Moment, portfolio_ids: Iterable[UUID] | None = None) -> list[Trade]:
    """Fill the orders that wait, each in its own transaction, on data that came after them.

    In session: on the newest bar. Otherwise the session was over before a bar came: at its real
    close. What the gate no longer approves is cancelled with the reasons; what has no price, no
    matrix or a halt goes on waiting.
    """
    trades = []
    waiting = orders.waiting(portfolio_ids=portfolio_ids)
    for portfolio_id, own in groupby(waiting, key=lambda each: each.portfolio_id):
        group = list(own)
        prepared = gate.prepare(
            portfolio_id=portfolio_id,
            instruments=Instrument.objects.filter(symbol__in={each.symbol for each in group}),
            moment=moment,
        )
        for each in group:
            if _has_new_price(prepared[each.symbol].mark, moment):
                trade = _try(each, prepared[each.symbol], moment)
                trades += [trade] if trade is not None else []
    return trades


def expire(*, session_date: date, portfolio_ids: Iterable[UUID] | None = None) -> list[Order]:
    """End the day orders a closed session left; those placed at or after its close stay."""
    close = calendar.close_time(session_date)
    expired = []
    for each in orders.waiting(portfolio_ids=portfolio_ids):
        with transaction.atomic():
            locking.lock_portfolios(each.portfolio_id)
            order = Order.objects.select_related("instrument").get(pk=each.order_id)
            if order.state not in order_states.OPEN or order.placed_as_of >= close:
                continue
            transitions.move(
                order,
                OrderState.EXPIRED,
                by=system("execution"),
                as_of=close,
                reason="the session closed",
            )
        expired.append(order)
    return expired


@transaction.atomic
def _try(waiting: orders.Waiting, prepared: Prepared, moment: Moment) -> Trade | None:
    """One attempt under the lock; everything decisive is read again."""
    [portfolio] = locking.lock_portfolios(waiting.portfolio_id)
    order = Order.objects.select_related("instrument").get(pk=waiting.order_id)
    mark = prepared.mark
    assert mark is not None
    price, at = mark.price, mark.as_of
    assert price is not None
    assert at is not None
    if order.state not in order_states.OPEN or _must_wait(order, portfolio, at):
        return None
    started = time.monotonic()
    by = system("execution")
    judged = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        side=order.side,
        quantity=order.quantity - order.filled_quantity,
        working=orders.working(portfolio_id=portfolio.pk, before=order),
        context=CONTEXT,
        by=by,
        fills_now=True,
    )
    if judged.verdict.status == CheckStatus.UNAVAILABLE:
        return None
    order.check_made = pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio.pk,
        context=CONTEXT,
        by=by,
        started=started,
        as_of=moment.as_of,
    )
    if judged.fill is None:
        order.reasons = list(judged.verdict.reasons)
        transitions.move(order, OrderState.CANCELLED, by=by, as_of=at, reasons=order.reasons)
        return None
    return book(
        order=order,
        fill=judged.fill,
        reference=price,
        price_source=_source(prepared.mark, moment),
        executed_at=at,
        session_date=moment.current,
        by=by,
        locked=portfolio,
    )


def _source(mark: Mark | None, moment: Moment) -> PriceSource:
    """A price that nobody quoted says so: a minute of a replay, or a made option quote."""
    made_up = mark is not None and mark.source == Source.SIM
    return PriceSource.SIM if moment.in_session or made_up else PriceSource.CLOSE


def _has_new_price(mark: Mark | None, moment: Moment) -> bool:
    if mark is None or mark.price is None or mark.session_date != moment.current:
        return False
    return is_fresh(mark, moment) if moment.in_session else mark.price_class == PriceClass.EOD


def _must_wait(order: Order, portfolio: Portfolio, at: datetime) -> bool:
    """Only data after the order counts, at most one fill a bar, and no fill while halted."""
    if at <= order.placed_as_of or order.last_bar == at:
        return True
    return portfolio.state == PortfolioState.HALTED or halts.in_force() is not None
