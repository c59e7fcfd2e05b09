"""Taking a filled order back: every fill by an opposite trade and booking, with a reason."""

from uuid import UUID

from django.db import transaction

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound, VersionMismatch
from marketdata.selectors.sessions import Moment
from portfolios.services import locking, reversals
from portfolios.services.booking import Booking
from trading import events, live
from trading.choices import OrderState, Side
from trading.constants import NOTE_LENGTH
from trading.models import Order, Trade
from trading.services import transitions

OPPOSITE = {Side.BUY.value: Side.SELL.value, Side.SELL.value: Side.BUY.value}


@transaction.atomic
def bust(
    *, order_id: UUID, reason: str, if_match_version: int | None = None, by: Actor, moment: Moment
) -> Order:
    """Reverse all fills of an order; what of it was not filled ends with it.

    Cash, quantity, cost basis and realised P&L are afterwards as if it had never been filled.
    Raises BadInput without a reason, NotFound, VersionMismatch, and Conflict with the present
    state when nothing of it is filled, or when later bookings rest on a fill: it says which, and
    what to do instead.
    """
    said = reason.strip()
    if not said or len(said) > NOTE_LENGTH:
        raise BadInput(f"Give a reason of at most {NOTE_LENGTH} characters.", attr="reason")
    known = Order.objects.filter(pk=order_id).values_list("portfolio_id", flat=True).first()
    if known is None:
        raise NotFound("There is no such order.")
    locking.lock_portfolios(known)
    order = Order.objects.select_related("instrument").get(pk=order_id)
    if if_match_version is not None and if_match_version != order.version:
        raise VersionMismatch("The order has moved on since it was read.", version=order.version)
    event = transitions.move(order, OrderState.BUSTED, by=by, as_of=moment.as_of, reason=said)
    # the newest goes first: what rests on a fill is then gone before it
    for trade in order.trades.select_related("instrument").order_by("-executed_at", "-pk"):
        made = reversals.reverse(
            portfolio_id=known,
            source=f"trade:{trade.pk}",
            reason=said,
            by=by,
            session_date=moment.current,
        )
        opposite = _opposite(trade, made, moment)
        live.publish_trade(opposite, event)
        events.trade_filled.announce(trade_id=str(opposite.pk))
    return order


def _opposite(trade: Trade, made: Booking, moment: Moment) -> Trade:
    opposite = Trade(
        order_id=trade.order_id,
        portfolio_id=trade.portfolio_id,
        instrument=trade.instrument,
        side=OPPOSITE[trade.side],
        quantity=trade.quantity,
        price=trade.price,
        price_source=trade.price_source,
        reference_price=trade.reference_price,
        commission=-trade.commission,
        spread_cost=-trade.spread_cost,
        impact_cost=-trade.impact_cost,
        currency=trade.currency,
        exchange_rate=trade.exchange_rate,
        realized_pnl=made.realized_pnl,
        executed_at=moment.as_of,
        session_date=moment.current,
        recorded_at=clock.now(),
        reverses=trade,
    )
    opposite.save(force_insert=True)
    return opposite
