"""What the sockets' poll asks the database: who still may what, and how far events have come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.models import Group
from django.db.models import Exists, OuterRef, Q

from etftrader.core import clock
from etftrader.core.actor import READERS
from marketdata.selectors import calendar
from portfolios.models import Membership, Portfolio, User
from portfolios.services import tokens
from risk import live as risk_live
from risk.models import Alert
from risk.selectors import stop_loss
from trading import live as trading_live
from trading.models import OrderEvent

_EVENTS = {"orders": "order_events", "alerts": "alert_events"}
_EVENT_OF = {
    "open": "alert.opened",
    "acknowledged": "alert.acknowledged",
    "resolved": "alert.resolved",
}
REPLAY_LIMIT = 1000
_Row = tuple[int, datetime, str, Any]  # number, moment, event, data


@dataclass(frozen=True, slots=True)
class Standing:
    """Session version per active user, portfolios per user, newest number per event channel."""

    versions: dict[UUID, int]
    members: set[tuple[UUID, UUID]]
    staff: set[UUID]
    proofs: set[UUID]  # sign-ins and personal tokens that still count
    heads: dict[str, int]


def parse(channel: str) -> tuple[UUID, str] | None:
    """The portfolio and kind of a portfolio's channel; None for others and nonsense."""
    parts = channel.split(".")
    if len(parts) != 3 or parts[0] != "portfolio":
        return None
    try:
        return UUID(parts[1]), parts[2]
    except ValueError:
        return None


def is_event_channel(channel: str) -> bool:
    """Whether a channel's messages are rows first."""
    parsed = parse(channel)
    return parsed is not None and parsed[1] in _EVENTS


def standing(users: Iterable[UUID], channels: Iterable[str]) -> Standing:
    """One look for all sockets of a process: five queries."""
    reads = Q(is_superuser=True) | Exists(
        Group.objects.filter(user=OuterRef("pk"), name__in=READERS)
    )
    people = User.objects.filter(pk__in=list(users), is_active=True)
    known = list(people.annotate(reads_all=Q(is_staff=True) & reads))
    members = Membership.objects.filter(
        user_id__in=[each.pk for each in known], revoked_at__isnull=True
    ).values_list("user_id", "portfolio_id")
    wanted = {channel: parsed for channel in channels if (parsed := parse(channel))}
    books = Portfolio.objects.in_bulk([portfolio_id for portfolio_id, _ in wanted.values()])
    return Standing(
        versions={each.pk: each.session_version for each in known},
        members=set(members),
        staff={each.pk for each in known if each.reads_all},
        proofs=tokens.live(user_ids=[each.pk for each in known]),
        heads={
            channel: getattr(books[portfolio_id], _EVENTS[kind])
            for channel, (portfolio_id, kind) in wanted.items()
            if portfolio_id in books
        },
    )


def event_head(channel: str) -> int:
    """The newest number of an event channel."""
    parsed = parse(channel)
    assert parsed is not None
    book = Portfolio.objects.filter(pk=parsed[0]).first()
    return getattr(book, _EVENTS[parsed[1]]) if book else 0


def events_after(channel: str, number: int) -> list[dict[str, Any]]:
    """Messages of an event channel after a number, oldest first."""
    parsed = parse(channel)
    assert parsed is not None
    portfolio_id, kind = parsed
    rows: Iterable[_Row]
    rows = _orders(portfolio_id, number) if kind == "orders" else _alerts(portfolio_id, number)
    return [
        {
            "type": "update",
            "channel": channel,
            "epoch": "rows",
            "seq": seq,
            "ts": at.isoformat().replace("+00:00", "Z"),
            "event": event,
            "data": data,
        }
        for seq, at, event, data in rows
    ]


def _orders(portfolio_id: UUID, number: int) -> Iterator[_Row]:
    events = OrderEvent.objects.filter(portfolio_id=portfolio_id, number__gt=number)
    for event in events.select_related("order__instrument").order_by("number")[:REPLAY_LIMIT]:
        update = trading_live.order_update(event.order, event)
        yield event.number, event.recorded_at, f"order.{event.to_state}", update


def _alerts(portfolio_id: UUID, number: int) -> list[_Row]:
    """Alerts by their numbers; where one is no alert's, the stops, by the newest such number.

    An alert that moved on leaves its number behind: whoever returns hears the stops once more.
    """
    books = Portfolio.objects.filter(pk=portfolio_id)
    head = books.values_list("alert_events", flat=True).first() or 0
    rows = Alert.objects.filter(portfolio_id=portfolio_id, number__gt=number, number__lte=head)
    alerts = list(rows.order_by("number")[:REPLAY_LIMIT])
    told = [
        (each.number, each.updated_at, _EVENT_OF[each.state], risk_live.alert_data(each))
        for each in alerts
    ]
    borne = {each.number for each in alerts}
    last = head if len(alerts) < REPLAY_LIMIT else alerts[-1].number
    free = next((each for each in range(last, number, -1) if each not in borne), None)
    if free is None:
        return told
    return sorted([*told, _stops(portfolio_id, free)], key=lambda row: row[0])


def _stops(portfolio_id: UUID, number: int) -> _Row:
    levels = stop_loss.levels(portfolio_id=portfolio_id)
    day = max((each.session_date for each in levels), default=None)
    at = calendar.close_time(day) if day else clock.now()
    return number, at, risk_live.STOPS_MOVED, risk_live.stops_data(portfolio_id, levels)
