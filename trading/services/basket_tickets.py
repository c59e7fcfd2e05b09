"""What a basket says, and what is wrong with it before anything is written."""

import re
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, TypeVar

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError
from marketdata.models import Instrument
from marketdata.selectors import terms
from trading.calculations import baskets as kernel
from trading.calculations.baskets import OptionLeg
from trading.choices import BasketKind, OrderType
from trading.constants import BASKET_LEGS, CLIENT_BASKET_ID_LENGTH, NOTE_LENGTH
from trading.services import tickets
from trading.services.tickets import Ticket

_CLIENT_ID = re.compile(rf"[!-.0-~]{{1,{CLIENT_BASKET_ID_LENGTH}}}\Z")  # no space, no slash
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class BasketTicket:
    """Several wishes to trade that are one; legs in the order in which they are judged."""

    legs: tuple[Ticket, ...]
    kind: str = BasketKind.BASKET
    client_basket_id: str = ""  # empty: we make one
    note: str = ""


@dataclass(frozen=True, slots=True)
class Checked:
    """A basket whose form is right, with what its legs are."""

    ticket: BasketTicket
    instruments: tuple[Instrument, ...]
    spread_name: str  # empty where it is no spread


def at_leg(number: int, attr: object) -> str:
    """The place of a field of a leg, as a problem names it; legs count from 0 there."""
    return f"legs.{number}.{attr}" if attr else f"legs.{number}"


def checked(*, ticket: BasketTicket, whole_shares: bool, by: Actor) -> Checked:
    """Return the basket with its names, its instruments and what a spread is called.

    Raises BadInput naming the leg and the field, for the basket as a whole `legs`; NotFound from
    a symbol nobody knows is one of these too.
    """
    least, most = BASKET_LEGS
    if ticket.kind not in BasketKind.values:
        raise BadInput(f"A kind is one of {', '.join(BasketKind.values)}.", attr="kind")
    if not least <= len(ticket.legs) <= most:
        raise BadInput(f"A basket has {least} to {most} legs.", attr="legs")
    if len(ticket.note) > NOTE_LENGTH or not ticket.note.isprintable():
        raise BadInput(f"A note has at most {NOTE_LENGTH} printable characters.", attr="note")
    name = ticket.client_basket_id or uuid.uuid4().hex
    if not _CLIENT_ID.match(name):
        raise BadInput(
            f"A client basket id has 1 to {CLIENT_BASKET_ID_LENGTH} printable characters without "
            "spaces and slashes.",
            attr="client_basket_id",
        )
    legs: list[Ticket] = []
    found: list[Instrument] = []
    for number, leg in enumerate(ticket.legs):
        mine = replace(leg, client_order_id=f"{name}:{number + 1}")
        good, instrument = named(
            number, tickets.checked, ticket=mine, whole_shares=whole_shares, by=by
        )
        twin = next((at for at, known in enumerate(found) if known.pk == instrument.pk), None)
        if twin is not None:
            raise BadInput(
                f"{instrument.symbol} stands in leg {twin + 1} already; put them together.",
                attr=at_leg(number, "symbol"),
            )
        legs.append(good)
        found.append(instrument)
    whole = replace(ticket, legs=tuple(legs), client_basket_id=name)
    spread = _spread(whole, found) if ticket.kind == BasketKind.SPREAD else ""
    return Checked(whole, tuple(found), spread)


def named(number: int, act: Callable[..., Answer], *given: Any, **more: Any) -> Answer:
    """Do something for a leg; what it refuses names the leg. Raises BadInput."""
    try:
        return act(*given, **more)
    except DomainError as error:
        if error.status not in (400, 404):
            raise
        figures: dict[str, Any] = {**error.figures}
        attr = at_leg(number, figures.pop("attr", "symbol"))
        raise BadInput(f"Leg {number + 1}: {error.detail}", attr=attr, **figures) from error


def _spread(ticket: BasketTicket, instruments: Sequence[Instrument]) -> str:
    """The name of a spread. Raises BadInput for what is none."""
    contracts = terms.of_instruments(each.pk for each in instruments)
    first = ticket.legs[0]
    legs = []
    for number, (leg, instrument) in enumerate(zip(ticket.legs, instruments, strict=True)):
        contract = contracts.get(instrument.pk)
        if contract is None:
            _refuse(number, "symbol", f"{instrument.symbol} is no option; send a basket instead.")
        if leg.quantity is None:
            _refuse(number, "quantity", "A leg of a spread has a quantity of contracts.")
        if leg.order_type != OrderType.MARKET:
            _refuse(
                number,
                "order_type",
                "A leg of a spread is a market order: they fill together or not at all.",
            )
        if leg.time_in_force != first.time_in_force:
            _refuse(number, "time_in_force", "The legs of a spread wait equally long.")
        legs.append(
            OptionLeg(
                underlying=contract.underlying,
                expiry=contract.expiry,
                strike=contract.strike,
                right=contract.right,
                side=leg.side,
                quantity=leg.units,
            )
        )
    try:
        return kernel.name(legs)
    except ValueError as error:
        raise BadInput(str(error), attr="legs") from error


def _refuse(number: int, attr: str, why: str) -> NoReturn:
    raise BadInput(f"Leg {number + 1}: {why}", attr=at_leg(number, attr))
