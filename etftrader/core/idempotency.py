"""One effect per user, operation and key; the answer is kept with the effect and given again."""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, OperationalError, transaction

from etftrader.core import clock
from etftrader.core.audit import canonical
from etftrader.core.errors import BadInput, Conflict, LimitBreached
from etftrader.core.records import IdempotencyKey

TWIN_WINDOW = timedelta(seconds=10)
_KEY = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")
_AUTO = "auto-"  # keys we make ourselves; a client's key cannot begin so after validation


@dataclass(frozen=True, slots=True)
class Answer:
    """What the effect answered, and whether it was given before."""

    status: int
    body: Any
    replayed: bool = False


class KeyReused(LimitBreached):
    """The key stands for another request."""

    code, status = "idempotency_key_reused", 422


def fingerprint(path: str, body: Mapping[str, Any]) -> str:
    """SHA-256 over path and canonical body; what only confirms a twin is not part of it."""
    meaning = {key: value for key, value in body.items() if key != "confirm_duplicate"}
    return hashlib.sha256(f"{path}\n{canonical(meaning)}".encode()).hexdigest()


def check_key(key: str) -> str:
    """Return a well-formed client key. Raises BadInput."""
    if not _KEY.match(key) or key.startswith(_AUTO):
        raise BadInput(
            "An idempotency key has 8 to 64 letters, digits, - or _, "
            "and does not begin with auto-.",
            attr="Idempotency-Key",
        )
    return key


def once(
    *,
    user_id: UUID,
    operation: str,
    key: str | None,
    print_of: str,
    effect: Callable[[], Answer],
    money: bool = True,
    confirm_duplicate: bool = False,
    before: Callable[[], object] | None = None,
) -> Answer:
    """Run the effect and keep its answer in one transaction; give the kept answer to a repeat.

    Without a key, a twin of a money request within ten seconds is refused. An exception of the
    effect rolls everything back, the key too, so that the request may be sent again. `before`
    gathers what the effect needs while no lock is held; a replay does without it.
    Raises Conflict (twin, or the first is still running) and KeyReused.
    """
    if key is None and not money:
        if before is not None:
            before()
        with transaction.atomic():
            return effect()
    wanted = check_key(key) if key is not None else f"{_AUTO}{print_of[:58]}"
    if key is not None:
        # most repeats come when the first is over: they read and wait for nobody
        known = _known(user_id, operation, wanted)
        if known is not None:
            return _again(known, print_of)
    if before is not None:
        before()
    try:
        with transaction.atomic():
            known = _known(user_id, operation, wanted) if key is None else None
            if known is not None:
                return _twin(known, confirm_duplicate, effect)
            return _first(user_id, operation, wanted, print_of, money, effect)
    except IntegrityError:
        if key is None and confirm_duplicate:
            raise  # a wanted twin: whatever conflicted, it was not the suspicion
        won = _after_race(user_id, operation, wanted, key, print_of)
        if won is None:
            raise  # the conflict was not about the key
        return won


def _known(user_id: UUID, operation: str, key: str) -> IdempotencyKey | None:
    rows = IdempotencyKey.objects.filter(user_id=user_id, operation=operation, key=key)
    # unique, so unordered: ordering by id could lead the database through the whole table
    return next(iter(rows), None)


def _first(
    user_id: UUID,
    operation: str,
    key: str,
    print_of: str,
    money: bool,
    effect: Callable[[], Answer],
) -> Answer:
    row = IdempotencyKey(
        user_id=user_id,
        operation=operation,
        key=key,
        fingerprint=print_of,
        money=money,
        created_at=clock.now(),
    )
    # inserted before the effect: a concurrent twin waits here, not behind a second effect
    try:
        row.save(force_insert=True)
    except OperationalError as error:
        if "lock" not in str(error):
            raise
        raise Conflict(
            "The first request with this key is still running.", code="idempotency_in_progress"
        ) from error
    answer = effect()
    row.status, row.body = answer.status, answer.body
    row.save(update_fields=["status", "body"])
    return answer


def _again(known: IdempotencyKey, print_of: str) -> Answer:
    if known.fingerprint != print_of:
        raise KeyReused("This key was used for another request.", key=known.key)
    assert known.status is not None
    return Answer(status=known.status, body=known.body, replayed=True)


def _twin(known: IdempotencyKey, confirmed: bool, effect: Callable[[], Answer]) -> Answer:
    now = clock.now()
    stale = IdempotencyKey.objects.filter(pk=known.pk)
    if not confirmed:
        stale = stale.filter(created_at__lt=now - TWIN_WINDOW)
    if not stale.update(created_at=now):
        raise _twin_refusal()
    answer = effect()
    IdempotencyKey.objects.filter(pk=known.pk).update(status=answer.status, body=answer.body)
    return answer


def _after_race(
    user_id: UUID, operation: str, wanted: str, key: str | None, print_of: str
) -> Answer | None:
    """A twin's insert won; by now its answer is committed."""
    known = _known(user_id, operation, wanted)
    if known is None or known.status is None:
        return None
    if key is None:
        raise _twin_refusal()
    return _again(known, print_of)


def _twin_refusal() -> Conflict:
    return Conflict(
        "The same request was sent a moment ago. Send confirm_duplicate: true to do it twice.",
        code="duplicate_suspected",
    )
