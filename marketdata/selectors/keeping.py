"""Who keeps a fact of the market: operators what is public, owners what is their own."""

from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.api.registry import OPERATORS
from etftrader.core.errors import NotAllowed
from marketdata.models import Instrument
from marketdata.selectors import instruments


def is_operator(actor: Actor) -> bool:
    """Whether the actor keeps what everybody sees."""
    return actor.is_superuser or bool(actor.groups & OPERATORS)


def require(actor: Actor, instrument: Instrument) -> None:
    """Raise NotAllowed for somebody who sees an instrument and does not keep it."""
    if instrument.owner_id is not None and instrument.owner_id == actor.user_id:
        return
    if instrument.owner_id is not None or not is_operator(actor):
        raise NotAllowed(f"Operators keep {instrument.symbol}; you may read it.")


def to_keep(text: str, actor: Actor) -> Instrument:
    """The instrument a body's `instrument` names, for somebody who keeps it.

    Raises UnknownSymbol for that field, NotAllowed.
    """
    try:
        found = named(text, actor)
    except instruments.UnknownSymbol as unknown:
        near = unknown.figures.get("suggestions", [])
        raise instruments.UnknownSymbol(
            unknown.detail, attr="instrument", suggestions=near
        ) from unknown
    require(actor, found)
    return found


def named(text: str, actor: Actor) -> Instrument:
    """The instrument of a symbol, an alias or an id the actor may see. Raises UnknownSymbol."""
    found = None
    if len(text) == 36:
        try:
            found = Instrument.objects.for_actor(actor).filter(pk=UUID(text)).first()
        except ValueError:
            found = None
    return found or instruments.find(text, actor)
