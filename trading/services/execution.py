"""The paper broker: fills at once, fills that waited for a bar, the end of day orders."""

import time
import uuid
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from django.db import transaction

from etftrader.core import clock
from etftrader.core.actor import Actor, system
from etftrader.core.events import together
from etftrader.core.money import to_money
from marketdata.choices import Source
from marketdata.models import Instrument
from marketdata.selectors import calendar
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioState, TrackingMode
from portfolios.models import Portfolio, Position
from portfolios.services import ledger, locking
from risk.choices import CheckStatus
from risk.services import pretrade
from trading import events, live
from trading.calculations import fills, matching, order_states
from trading.calculations.matching import Bar, Match
from trading.choices import OrderState, PriceSource, Side, TimeInForce
from trading.models import Order, Trade
from trading.selectors import bars, halts, orders
from trading.selectors.orders import Waiting
from trading.services import gate, transitions
from trading.services.gate import Prepared

CONTEXT = "fill"


@together()
def book(
    *,
    order: Order,
    fill: fills.Fill,
    reference: Decimal,
    price_source: str,
    executed_at: datetime,
    session_date: date,
    by: Actor,
    rate: Decimal | None = None,
    locked: Portfolio | None = None,
    position: Position | None = None,
) -> Trade:
    """Write one fill: the ledger first, then order and trade; all or nothing.

    The caller holds the portfolio's lock, and hands over what it read under it and what nobody has
    written since. A new order is born filled, a waiting one moves on. `rate` is the book's money
    for one unit of the instrument's currency, where that is another one.
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
        rate=rate,
        locked=locked,
        position=position,
        is_new=True,
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
        event = transitions.born(order, locked, by=by, as_of=executed_at, **detail)
    else:
        event = transitions.move(order, state, locked, by=by, as_of=executed_at, **detail)
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
        exchange_rate=rate,
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
    """Match the orders that wait, each in its own transaction, with data that came after them.

    In session: with the newest quote. Otherwise with the session's real prices. Only orders whose
    prices the bar has reached are judged. What the gate no longer approves is cancelled with the
    reasons; what has no price, no matrix or a halt goes on waiting.
    """
    trades = []
    near = _near(orders.waiting(portfolio_ids=portfolio_ids, alone=True), moment)
    for portfolio_id, own in groupby(near, key=lambda each: each[0].portfolio_id):
        group = list(own)
        prepared = gate.prepare(
            portfolio_id=portfolio_id,
            instruments=Instrument.objects.filter(pk__in={each.instrument_id for each, _ in group}),
            moment=moment,
        )
        for each, bar in group:
            trade = _try(each, prepared[each.symbol], bar, moment)
            trades += [trade] if trade is not None else []
    return trades


def _near(waiting: list[Waiting], moment: Moment) -> list[tuple[Waiting, Bar]]:
    """The orders a bar has reached before any costs, each with its bar."""
    if not waiting:
        return []
    asked = Instrument.objects.filter(pk__in={each.instrument_id for each in waiting})
    found = bars.newest(instruments=asked, moment=moment)
    near = []
    for each in waiting:
        bar = found.get(each.instrument_id)
        part = bar.after(each.since) if bar is not None else None
        if bar is None or part is None:
            continue
        reached = matching.match(each.terms, part)
        if reached.reference is not None or reached.triggered != each.terms.triggered:
            near.append((each, bar))
    return near


def expire(*, session_date: date, portfolio_ids: Iterable[UUID] | None = None) -> list[Order]:
    """End the day orders a closed session left; those placed at or after its close stay.

    What is good till cancelled goes on to the next session.
    """
    close = calendar.close_time(session_date)
    expired = []
    for each in orders.waiting(portfolio_ids=portfolio_ids, ending_by=close):
        with transaction.atomic():
            locking.lock_portfolios(each.portfolio_id)
            order = Order.objects.select_related("instrument").get(pk=each.order_id)
            if order.state not in order_states.OPEN or not _ends(order, close):
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


def _ends(order: Order, close: datetime) -> bool:
    return order.time_in_force == TimeInForce.DAY and order.placed_as_of < close


@transaction.atomic
def _try(waiting: Waiting, prepared: Prepared, bar: Bar, moment: Moment) -> Trade | None:
    """One attempt under the lock; everything decisive is read again."""
    [portfolio] = locking.lock_portfolios(waiting.portfolio_id)
    order = Order.objects.select_related("instrument").get(pk=waiting.order_id)
    part = bar.after(orders.since(order))
    if order.state not in order_states.OPEN or part is None or is_stopped(portfolio):
        return None
    if part.is_taken(order.last_bar):
        return None
    by, started = system("execution"), time.monotonic()
    if portfolio.tracking_mode == TrackingMode.HOLDINGS:
        why = "the portfolio keeps holdings now, not trades"
        transitions.move(order, OrderState.CANCELLED, by=by, as_of=part.ends, reason=why)
        return None
    terms = orders.terms(order)
    judged = gate.judge(
        portfolio=portfolio,
        prepared=prepared,
        terms=terms,
        quantity=order.remaining,
        working=orders.working(portfolio_id=portfolio.pk, before=order),
        context=CONTEXT,
        by=by,
        bar=part,
    )
    if not terms.triggered and judged.match.triggered:
        _trigger(order, part, by)
    if judged.match.reference is None or judged.verdict.status == CheckStatus.UNAVAILABLE:
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
        transitions.move(order, OrderState.CANCELLED, by=by, as_of=part.ends, reasons=order.reasons)
        return None
    return book(
        order=order,
        fill=judged.fill,
        reference=judged.match.reference,
        price_source=source(prepared.mark, moment, judged.match, part),
        executed_at=part.ends,
        session_date=moment.current,
        by=by,
        rate=prepared.rate,
        locked=portfolio,
        position=judged.position,
    )


def _trigger(order: Order, bar: Bar, by: Actor) -> None:
    """Keep that a stop was reached, whatever becomes of the order on this bar."""
    order.triggered_at = bar.ends
    assert order.stop_price is not None
    transitions.amended(
        order,
        "triggered",
        by=by,
        as_of=bar.ends,
        reason=f"the price reached {live.amount(order.stop_price)}",
    )


def source(mark: Mark | None, moment: Moment, match: Match, bar: Bar) -> PriceSource:
    """Where a reference price comes from; one that nobody quoted says so."""
    if mark is not None and mark.source == Source.SIM:
        return PriceSource.SIM
    if moment.in_session:
        return PriceSource.QUOTE if moment.live else PriceSource.SIM
    if match.where == matching.LAST or bar.begins == bar.ends:
        return PriceSource.CLOSE
    return PriceSource.OPEN if match.where == matching.OPEN else PriceSource.RANGE


def is_stopped(portfolio: Portfolio) -> bool:
    """Whether nothing may be filled there now."""
    return portfolio.state == PortfolioState.HALTED or halts.in_force() is not None
