"""What an order says, and what is wrong with it before anything is written."""

import re
import uuid
from dataclasses import dataclass, replace
from decimal import Decimal

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput
from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument
from marketdata.selectors import instruments
from trading.choices import OrderType, Side
from trading.constants import (
    CLIENT_ORDER_ID_LENGTH,
    MAX_QUANTITY,
    NOTE_LENGTH,
    QUANTITY_PLACES,
)

_CLIENT_ID = re.compile(rf"[!-.0-~]{{1,{CLIENT_ORDER_ID_LENGTH}}}\Z")  # no space, no slash


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One wish to trade, as a person or a program states it."""

    symbol: str
    side: str
    quantity: Decimal
    client_order_id: str = ""  # empty: we make one
    order_type: str = OrderType.MARKET
    note: str = ""


def checked(*, ticket: Ticket, whole_shares: bool, by: Actor) -> tuple[Ticket, Instrument]:
    """Return the ticket with its client id, and its instrument.

    Raises BadInput naming the field: what a form itself shows to be wrong is no order.
    """
    if ticket.side not in Side.values:
        raise BadInput("The side is buy or sell.", attr="side")
    if ticket.order_type not in OrderType.values:
        raise BadInput("Only market orders are taken.", attr="order_type")
    check_quantity(ticket.quantity, whole_shares)
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
