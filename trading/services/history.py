"""Fills of the past at a given price: how demo books and histories come into the books."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput
from marketdata.selectors import calendar, instruments
from portfolios.services import locking
from trading.calculations.fills import Fill
from trading.choices import OrderSource, PriceSource, Side
from trading.models import Order, Trade
from trading.services import execution, tickets

ZERO = Decimal(0)


@transaction.atomic
def book(
    *,
    portfolio_id: UUID,
    symbol: str,
    side: str,
    quantity: Decimal,
    price: Decimal,
    session_date: date,
    client_order_id: str,
    by: Actor,
) -> Trade:
    """Book a past fill as order, trade and ledger entry at its close, without fee and without gate.

    The same client order id again changes nothing and returns the trade of the first time.
    Raises BadInput for an unusable ticket, LimitBreached when cash or holdings do not cover it.
    """
    locking.lock_portfolios(portfolio_id)
    known = Trade.objects.filter(
        order__portfolio_id=portfolio_id, order__client_order_id=client_order_id
    ).first()
    if known is not None:
        return known
    tickets.check_quantity(quantity, whole_shares=False)
    instrument = instruments.by_symbols([symbol]).get(symbol.upper())
    if instrument is None:
        raise BadInput(f"{symbol[:32]} is not known.", attr="symbol")
    at = calendar.close_time(session_date)
    order = Order(
        portfolio_id=portfolio_id,
        instrument=instrument,
        client_order_id=client_order_id,
        side=side,
        quantity=quantity,
        source=OrderSource.DEMO,
        placed_as_of=at,
        session_date=session_date,
        placed_by_id=by.user_id,
    )
    direction = 1 if side == Side.BUY else -1
    fill = Fill(
        quantity=quantity,
        price=price,
        commission=ZERO,
        cash_delta=-direction * quantity * price * instrument.multiplier,
        spread_cost=0.0,
        impact_cost=0.0,
        remaining=ZERO,
    )
    return execution.book(
        order=order,
        fill=fill,
        reference=price,
        price_source=PriceSource.BOOKED,
        executed_at=at,
        session_date=session_date,
        by=by,
    )
