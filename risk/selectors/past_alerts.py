"""Alerts as they stood at a past close: those that had happened by then, in the state of then.

An alert is one row that counts. Where its condition was seen again after the close, what it said
at the close is not kept: those figures are None, never the later ones.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Case, Q, QuerySet, Value, When

from etftrader.core.actor import Actor
from risk.choices import AlertState
from risk.models import Alert
from risk.selectors import alerts

NOT_KEPT = "not_kept"
LATER = (
    "severity",
    "title",
    "detail",
    "measured",
    "threshold",
    "session_date",
    "last_seen",
    "count",
)
UNSEEN = ("acknowledged_by", "acknowledged_at")
UNSAID = ("acknowledged_label", "note")


def visible(actor: Actor, *, at: datetime) -> QuerySet[Alert]:
    """Alerts of the portfolios an actor may see that had happened by then, newest first.

    Each with `then`, its state, `seen`, whether it was acknowledged, and `kept`, whether what it
    said then still stands in it.
    """
    return happened(alerts.visible(actor), at=at).order_by("-first_seen", "-number", "pk")


def happened(rows: QuerySet[Alert], *, at: datetime) -> QuerySet[Alert]:
    """Those of some alerts that had happened by then."""
    then = Case(
        When(resolved_at__lte=at, then=Value(AlertState.RESOLVED.value)),
        When(acknowledged_at__lte=at, then=Value(AlertState.ACKNOWLEDGED.value)),
        default=Value(AlertState.OPEN.value),
    )
    return rows.filter(first_seen__lte=at).annotate(
        then=then, kept=_is(last_seen__lte=at), seen=_is(acknowledged_at__lte=at)
    )


def _is(**condition: Any) -> Case:
    return Case(When(**condition, then=Value(True)), default=Value(False))


def unresolved(rows: QuerySet[Alert], *, at: datetime) -> QuerySet[Alert]:
    """Those of some alerts whose condition held then."""
    return happened(rows, at=at).filter(Q(resolved_at__isnull=True) | Q(resolved_at__gt=at))


def is_kept(alert: Alert) -> bool:
    """Whether what it said at the close it was read at still stands in it; now always."""
    return getattr(alert, "kept", True)


def restored(alert: Any) -> Any:
    """The same alert as it was at the close it was read at; never to be saved."""
    was = getattr(alert, "then", None)
    if was is None:
        return alert
    if was != AlertState.RESOLVED:
        alert.resolved_at = None
    if not alert.seen:
        blank = dict.fromkeys(UNSEEN) | dict.fromkeys(UNSAID, "")
        for name, value in blank.items():
            setattr(alert, name, value)
    for name in () if alert.kept else LATER:
        setattr(alert, name, None)
    alert.state = was
    return alert


def of_portfolio(*, portfolio_id: UUID, at: datetime, limit: int = 8) -> list[Alert]:
    """The newest alerts of a portfolio by then; those open then first."""
    rows = happened(Alert.objects.filter(portfolio_id=portfolio_id), at=at)
    newest = [restored(each) for each in rows.order_by("-first_seen", "-number")[: limit * 4]]
    order = {AlertState.OPEN: 0, AlertState.ACKNOWLEDGED: 1, AlertState.RESOLVED: 2}
    return sorted(newest, key=lambda each: order[AlertState(each.state)])[:limit]


def ended(actor: Actor, *, at: datetime) -> QuerySet[Alert]:
    """What had ended by then, the last one first."""
    rows = happened(alerts.visible(actor), at=at).filter(resolved_at__lte=at)
    return rows.order_by("-resolved_at", "pk")
