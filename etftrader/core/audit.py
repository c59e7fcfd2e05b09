"""Hash-linked lines of who did what: record one, verify them all."""

import hashlib
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent

SITE = "site"
GENESIS = "0" * 64


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: the same content is always the same text."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)


def digest(content: Any) -> str:
    """SHA-256 of the canonical text, hexadecimal."""
    return hashlib.sha256(canonical(content).encode()).hexdigest()


def record(
    *,
    by: Actor,
    action: str,
    object_type: str,
    object_id: UUID | str,
    chain: UUID | str = SITE,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
) -> AuditEvent:
    """Write one line at the end of its chain, inside the caller's transaction.

    Chains are locked one writer at a time, after every other lock.
    """
    if not connection.in_atomic_block:
        raise RuntimeError(f"{action} recorded outside a transaction")
    serialise(f"audit:{chain}")
    chained = AuditEvent.objects.filter(chain=str(chain)).order_by("-seq")
    seq, previous = chained.values_list("seq", "hash").first() or (0, GENESIS)
    event = AuditEvent(
        chain=str(chain),
        seq=seq + 1,
        actor_id=by.user_id,
        actor_label=by.label,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        before=json.loads(canonical(before)) if before is not None else None,
        after=json.loads(canonical(after)) if after is not None else None,
        reason=reason,
        request_id=by.request_id,
        recorded_at=clock.now(),
        previous_hash=previous,
    )
    event.hash = digest(event.content())
    event.save(force_insert=True)
    return event


def serialise(name: str) -> None:
    """Let one transaction at a time pass for this name, until it ends.

    PostgreSQL: an advisory lock. SQLite: the IMMEDIATE transaction already is the lock.
    """
    if connection.vendor == "postgresql":
        number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [number])


def verify(*, chain: UUID | str | None = None) -> list[str]:
    """Recheck the links; the answer names each first bad line, and is empty when all hold."""
    return list(broken(chain=chain).values())


def broken(*, chain: UUID | str | None = None) -> dict[str, str]:
    """The chains that do not hold, each with its first bad line in a sentence."""
    rows = AuditEvent.objects.order_by("chain", "seq")
    if chain is not None:
        rows = rows.filter(chain=str(chain))
    with transaction.atomic():
        return _bad_links(rows.iterator(chunk_size=2000))


def _bad_links(rows: Iterator[AuditEvent]) -> dict[str, str]:
    found: dict[str, str] = {}
    heads: dict[str, tuple[int, str]] = {}
    for row in rows:
        seq, previous = heads.get(row.chain, (0, GENESIS))
        whole = row.seq == seq + 1 and row.previous_hash == previous
        whole = whole and row.hash == digest(row.content())
        if not whole and row.chain not in found:
            sentence = f"audit chain {row.chain}: line {row.seq} does not fit its predecessor"
            found[row.chain] = sentence
        heads[row.chain] = (row.seq, row.hash)
    return found
