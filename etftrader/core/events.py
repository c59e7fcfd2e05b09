"""Domain events: announced in the transaction, delivered after it, swept up if that was missed."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta

from django.db import transaction
from kombu.exceptions import OperationalError as BrokerAway

from etftrader.core import clock
from etftrader.core.records import OutboxEvent

logger = logging.getLogger(__name__)

EVENTS: dict[str, "Event"] = {}
SWEEP_AFTER = timedelta(seconds=5)
_gathered: ContextVar[list[OutboxEvent] | None] = ContextVar("gathered", default=None)


class Event:
    """Something that happened. A lower floor announces it, higher floors listen."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.listeners: list[Callable[..., object]] = []
        EVENTS[name] = self

    def listener(self, function: Callable[..., object]) -> Callable[..., object]:
        """Register a receiver: it enqueues a task and bears being called twice."""
        if function not in self.listeners:
            self.listeners.append(function)
        return function

    def announce(self, **payload: str) -> None:
        """Write the event into the caller's transaction; deliver it once that commits."""
        if not transaction.get_connection().in_atomic_block:
            raise RuntimeError(f"{self.name} announced outside a transaction")
        # what nobody listens to is delivered by being written
        heard = None if self.listeners else clock.now()
        row = OutboxEvent(name=self.name, payload=payload, delivered_at=heard)
        waiting = _gathered.get()
        if waiting is None:
            _write([row])
        else:
            waiting.append(row)


@contextmanager
def together() -> Iterator[None]:
    """Write what is announced within by one insert at its end; nothing where it raises."""
    rows: list[OutboxEvent] = []
    before = _gathered.set(rows)
    try:
        yield
    finally:
        _gathered.reset(before)
    _write(rows)


def _write(rows: list[OutboxEvent]) -> None:
    OutboxEvent.objects.bulk_create(rows)
    for row in rows:
        if row.delivered_at is None:
            _deliver_on_commit(row)


def _deliver_on_commit(row: OutboxEvent) -> None:
    # not a partial: Django names a robust hook that fails by its __qualname__
    transaction.on_commit(lambda: _hand_over(row), robust=True)


def deliver(event_id: int) -> bool:
    """Call the listeners of one event and mark it; False when a listener could not be reached."""
    row = OutboxEvent.objects.filter(pk=event_id, delivered_at__isnull=True).first()
    return True if row is None else _hand_over(row)


def _hand_over(row: OutboxEvent) -> bool:
    event = EVENTS.get(row.name)
    for listener in event.listeners if event else ():
        try:
            listener(**row.payload)
        except (BrokerAway, OSError) as error:
            logger.warning("event waits", extra={"event": row.name, "error": str(error)[:200]})
            OutboxEvent.objects.filter(pk=row.pk).update(attempts=row.attempts + 1)
            return False
    OutboxEvent.objects.filter(pk=row.pk).update(delivered_at=clock.now())
    return True


def sweep(*, limit: int = 1000) -> int:
    """Deliver what a crash or a broker outage left behind; the answer counts the delivered."""
    overdue = OutboxEvent.objects.filter(
        delivered_at__isnull=True, created_at__lt=clock.now() - SWEEP_AFTER
    ).order_by("pk")
    delivered = 0
    for event_id in overdue.values_list("pk", flat=True)[:limit]:
        if not deliver(event_id):
            break
        delivered += 1
    return delivered
