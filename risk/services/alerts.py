"""Alerts: raised once while a condition lasts, acknowledged by a person, resolved."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.services import portfolios
from risk import events, live
from risk.choices import AlertState
from risk.models import Alert

RETRIES = 3


def raise_once(
    *,
    portfolio_id: UUID | None,
    kind: str,
    key: str,
    severity: str,
    title: str,
    detail: str,
    measured: float | None = None,
    threshold: float | None = None,
    unit: str = "",
    symbol: str = "",
    simulated: bool = False,
    as_of: datetime,
    session_date: date,
) -> Alert:
    """Raise a condition, or note that it is still there.

    One open row per portfolio and key, held by the database: of many threads one writes it, the
    others count. Without a portfolio the condition is the house's, and staff are told. A change of
    severity opens an acknowledged alert again and is announced; a mere repetition is not.
    Announces alert_raised.
    """
    facts: dict[str, Any] = {
        "kind": str(kind),
        "severity": str(severity),
        "title": title[:160],
        "detail": detail[:500],
        "measured": measured,
        "threshold": threshold,
        "unit": str(unit),
        "symbol": symbol,
        "simulated": simulated,
        "last_seen": as_of,
        "session_date": session_date,
    }
    for _ in range(RETRIES):
        try:
            with transaction.atomic():
                return _raise(portfolio_id, key, facts, as_of)
        except IntegrityError:
            # another thread raised it between our look and our insert: count instead
            continue
    with transaction.atomic():
        return _raise(portfolio_id, key, facts, as_of)


def _raise(portfolio_id: UUID | None, key: str, facts: dict[str, Any], as_of: datetime) -> Alert:
    alert, number = _current(portfolio_id, key)
    if alert is None:
        alert = Alert.objects.create(
            portfolio_id=portfolio_id, key=key, first_seen=as_of, number=number, **facts
        )
        _announce(alert, "alert.opened")
        return alert
    worse = facts["severity"] != alert.severity
    for name, value in facts.items():
        setattr(alert, name, value)
    alert.count += 1
    alert.version += 1
    alert.number = number
    if worse:
        alert.state = AlertState.OPEN
        alert.acknowledged_by, alert.acknowledged_label = None, ""
        alert.acknowledged_at = None
    alert.save()
    if worse:
        _announce(alert, "alert.opened")
    else:
        live.publish_alert(alert, "alert.updated")
    return alert


def _current(portfolio_id: UUID | None, key: str) -> tuple[Alert | None, int]:
    """The open row of a condition, ours until we commit, and the next number of its channel."""
    rows = Alert.objects.of_book(portfolio_id).filter(key=key)
    rows = rows.exclude(state=AlertState.RESOLVED)
    if portfolio_id is not None:
        # the number is taken first: it locks the portfolio's row, so the look is current
        number = portfolios.next_alert_number(portfolio_id)
        return rows.first(), number
    alert = rows.first()
    if alert is not None:
        # no portfolio's row stands for the house: an UPDATE locks the alert's own
        rows.filter(pk=alert.pk).update(key=key)
        alert = rows.filter(pk=alert.pk).first()
    house = Alert.objects.of_book(None).aggregate(newest=Max("number"))
    return alert, (house["newest"] or 0) + 1


@transaction.atomic
def resolve(*, portfolio_id: UUID | None, key: str, as_of: datetime) -> Alert | None:
    """The condition has ended; None when it was not open."""
    known = Alert.objects.of_book(portfolio_id).filter(key=key)
    if not known.exclude(state=AlertState.RESOLVED).exists():
        return None
    alert, number = _current(portfolio_id, key)
    if alert is None:
        return None
    alert.state = AlertState.RESOLVED
    alert.resolved_at = as_of
    alert.number = number
    alert.version += 1
    alert.save()
    live.publish_alert(alert, "alert.resolved")
    return alert


@transaction.atomic
def acknowledge(*, alert_id: UUID, note: str = "", by: Actor) -> Alert:
    """A person has seen it. The second time changes nothing. Raises NotFound."""
    alert = Alert.objects.filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("There is no such alert.")
    _, number = _current(alert.portfolio_id, alert.key)
    alert.refresh_from_db()
    if alert.state != AlertState.OPEN:
        return alert
    alert.state = AlertState.ACKNOWLEDGED
    alert.acknowledged_by = by.user_id
    alert.acknowledged_label = by.label
    alert.acknowledged_at = clock.now()
    alert.note = note[:500]
    alert.number = number
    alert.version += 1
    alert.save()
    audit.record(
        by=by,
        action="alert.acknowledge",
        object_type="alert",
        object_id=alert.pk,
        chain=alert.portfolio_id or audit.SITE,
        after={"state": alert.state, "note": alert.note},
    )
    live.publish_alert(alert, "alert.acknowledged")
    return alert


def _announce(alert: Alert, event: str) -> None:
    events.alert_raised.announce(alert_id=str(alert.pk))
    live.publish_alert(alert, event)


def open_keys(*, portfolio_ids: Iterable[UUID]) -> set[tuple[UUID, str]]:
    """Which conditions are open now, so that only those are resolved."""
    rows = Alert.objects.filter(portfolio_id__in=list(portfolio_ids))
    found = rows.exclude(state=AlertState.RESOLVED).values_list("portfolio_id", "key")
    return set(found)
