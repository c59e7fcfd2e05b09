"""What an order says, and what is wrong with it before anything is written."""

import re
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput
from etftrader.core.money import FILL_PRICE
from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument
from marketdata.selectors import instruments
from trading.calculations import matching
from trading.calculations.matching import Terms
from trading.choices import OrderType, Side, TimeInForce
from trading.constants import (
    CLIENT_ORDER_ID_LENGTH,
    MAX_PRICE,
    MAX_QUANTITY,
    MAX_WEIGHT,
    NOTE_LENGTH,
    QUANTITY_PLACES,
)

_CLIENT_ID = re.compile(rf"[!-.0-~]{{1,{CLIENT_ORDER_ID_LENGTH}}}\Z")  # no space, no slash


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One wish to trade, as a person or a program states it."""

    symbol: str
    side: str = ""  # a target weight finds it
    quantity: Decimal | None = None  # one of these three
    amount: Decimal | None = None  # currency, before costs
    target_weight: Decimal | None = None  # fraction of the equity
    client_order_id: str = ""  # empty: we make one
    order_type: str = OrderType.MARKET
    limit_price: Decimal | None = None
    stop_price: Decimal | None = None
    time_in_force: str = TimeInForce.DAY
    note: str = ""

    @property
    def units(self) -> Decimal:
        """The quantity, which a ticket has once it is sized."""
        assert self.quantity is not None
        return self.quantity

    @property
    def terms(self) -> Terms:
        """What it asks of a bar."""
        return Terms(
            side=self.side,
            order_type=self.order_type,
            limit_price=self.limit_price,
            stop_price=self.stop_price,
        )


def checked(*, ticket: Ticket, whole_shares: bool, by: Actor) -> tuple[Ticket, Instrument]:
    """Return the ticket with its client id, and its instrument.

    Raises BadInput naming the field: what a form itself shows to be wrong is no order.
    """
    if ticket.side not in Side.values and (ticket.side or ticket.target_weight is None):
        raise BadInput("The side is buy or sell.", attr="side")
    if ticket.order_type not in OrderType.values:
        raise BadInput(f"An order type is one of {', '.join(OrderType.values)}.", attr="order_type")
    check_prices(ticket.order_type, ticket.limit_price, ticket.stop_price)
    check_time(ticket.order_type, ticket.time_in_force)
    _check_size(ticket, whole_shares)
    if len(ticket.note) > NOTE_LENGTH or not _is_text(ticket.note):
        raise BadInput(f"A note has at most {NOTE_LENGTH} printable characters.", attr="note")
    client_id = ticket.client_order_id or uuid.uuid4().hex
    if not _CLIENT_ID.match(client_id):
        raise BadInput(
            f"A client order id has 1 to {CLIENT_ORDER_ID_LENGTH} printable characters without "
            "spaces and slashes.",
            attr="client_order_id",
        )
    instrument = _tradable(ticket.symbol, by)
    return replace(ticket, client_order_id=client_id, symbol=instrument.symbol), instrument


def check_prices(order_type: str, limit: Decimal | None, stop: Decimal | None) -> None:
    """Raise BadInput unless a type has exactly its own prices, each usable."""
    for attr, price, types in (
        ("limit_price", limit, matching.LIMITED),
        ("stop_price", stop, matching.STOPPED),
    ):
        words = attr.replace("_", " ")
        name = OrderType(order_type).label.lower()
        if price is None and order_type in types:
            raise BadInput(f"A {name} order needs a {words}.", attr=attr)
        if price is None:
            continue
        if order_type not in types:
            raise BadInput(f"A {name} order has no {words}; leave it empty.", attr=attr)
        if not price.is_finite() or not 0 < price <= MAX_PRICE:
            raise BadInput(f"A {words} is above 0 and at most {MAX_PRICE:,f}.", attr=attr)
        if price != price.quantize(FILL_PRICE):
            raise BadInput(f"A {words} has at most 4 decimals.", attr=attr)


def check_time(order_type: str, time_in_force: str) -> None:
    """Raise BadInput for a time in force the type cannot have."""
    if time_in_force not in TimeInForce.values:
        raise BadInput("An order is good for the day or gtc.", attr="time_in_force")
    if order_type == OrderType.MARKET_ON_CLOSE and time_in_force != TimeInForce.DAY:
        raise BadInput("A market-on-close order is good for the day alone.", attr="time_in_force")


def _check_size(ticket: Ticket, whole_shares: bool) -> None:
    given = {
        name: getattr(ticket, name)
        for name in ("quantity", "amount", "target_weight")
        if getattr(ticket, name) is not None
    }
    if len(given) != 1:
        raise BadInput(
            "Give one of quantity, amount and target weight.", attr=next(iter(given), "quantity")
        )
    if ticket.quantity is not None:
        check_quantity(ticket.quantity, whole_shares)
    if ticket.amount is not None and not (
        ticket.amount.is_finite() and 0 < ticket.amount <= MAX_QUANTITY
    ):
        raise BadInput(f"An amount is above 0 and at most {MAX_QUANTITY:,f}.", attr="amount")
    if ticket.target_weight is not None and not (
        ticket.target_weight.is_finite() and 0 <= ticket.target_weight <= MAX_WEIGHT
    ):
        raise BadInput(
            f"A target weight is a fraction of the equity from 0 to {MAX_WEIGHT}.",
            attr="target_weight",
        )


def check_quantity(quantity: Decimal, whole_shares: bool) -> None:
    """Raise BadInput for what is not a quantity to trade."""
    if not quantity.is_finite() or quantity <= 0:
        raise BadInput("The quantity must be greater than 0.", attr="quantity")
    if quantity > MAX_QUANTITY:
        raise BadInput(f"One order has at most {MAX_QUANTITY:,f} units.", attr="quantity")
    decimals = -int(quantity.normalize().as_tuple().exponent)
    if whole_shares and decimals > 0:
        raise BadInput(
            "This portfolio trades whole shares; give a quantity without decimals.",
            attr="quantity",
        )
    if decimals > QUANTITY_PLACES:
        raise BadInput(f"A quantity has at most {QUANTITY_PLACES} decimals.", attr="quantity")


def _tradable(symbol: str, by: Actor) -> Instrument:
    if not _is_text(symbol) or not symbol.strip():
        raise BadInput("Give the symbol of a fund or a stock.", attr="symbol")
    instrument = instruments.find(symbol, by)
    if instrument.kind == InstrumentKind.INDEX:
        raise BadInput(
            f"{instrument.symbol} is an index and cannot be traded; choose a fund that follows it.",
            attr="symbol",
        )
    if instrument.kind == InstrumentKind.FX:
        raise BadInput(
            f"{instrument.symbol} is an exchange rate and cannot be traded: a book keeps cash in "
            "its own currency alone.",
            attr="symbol",
        )
    if instrument.pricing != Pricing.AUTO or instrument.kind == InstrumentKind.PRIVATE:
        raise BadInput(
            f"{instrument.symbol} has no market price; bring it in with an import instead.",
            attr="symbol",
        )
    if not instrument.active:
        raise BadInput(f"{instrument.symbol} is no longer traded.", attr="symbol")
    return instrument


def _is_text(text: str) -> bool:
    return all(character.isprintable() for character in text)
