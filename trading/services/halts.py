"""The kill switch: stop all trading at once, and allow it again."""

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict
from trading.constants import NOTE_LENGTH
from trading.models import TradingHalt
from trading.selectors import halts


@transaction.atomic
def start(*, reason: str, by: Actor) -> TradingHalt:
    """Stop trading for everybody. Raises Conflict when it is stopped already."""
    said = _said(reason)
    audit.serialise("trading:halt")
    if halts.in_force() is not None:
        raise Conflict("Trading is stopped already.", code="already_halted")
    halt = TradingHalt.objects.create(reason=said, started_by=by.label)
    audit.record(
        by=by,
        action="trading.halted",
        object_type="trading_halt",
        object_id=halt.pk,
        after={"reason": said},
        reason=said,
    )
    return halt


@transaction.atomic
def end(*, reason: str, by: Actor) -> TradingHalt:
    """Allow trading again. Raises Conflict when nothing is stopped."""
    said = _said(reason)
    audit.serialise("trading:halt")
    halt = halts.in_force()
    if halt is None:
        raise Conflict("Trading is not stopped.", code="not_halted")
    halt.ended_by, halt.ended_at = by.label, clock.now()
    halt.version += 1
    halt.save()
    audit.record(
        by=by,
        action="trading.resumed",
        object_type="trading_halt",
        object_id=halt.pk,
        before={"reason": halt.reason},
        reason=said,
    )
    return halt


def _said(reason: str) -> str:
    said = reason.strip()
    if not said or len(said) > NOTE_LENGTH:
        raise BadInput(f"Give a reason of at most {NOTE_LENGTH} characters.", attr="reason")
    return said
