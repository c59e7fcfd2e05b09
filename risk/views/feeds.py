"""What the stops and the alerts show, on the risk page and on the alerts page."""

from collections.abc import Sequence
from typing import Any

from django.urls import reverse

from risk.choices import AlertState, StopState
from risk.models import Alert, PreTradeCheck, StopLossLevel
from risk.selectors.past_stops import PastStop
from risk.views.words import words

STOP_KINDS = {
    StopState.ARMED: ("ok", "Armed"),
    StopState.NEAR: ("watch", "Near"),
    StopState.TRIGGERED: ("bad", "Triggered"),
    StopState.NOT_EVALUATED: ("plain", "Not evaluated"),
}
STOP_LOST = "where a stop stood between two of its events is not kept"
ALERT_LOST = "It was seen again since: what it said then is not kept."
SEVERITY = {"critical": "Breach", "warning": "Watch", "info": "Info"}


def stops_table(levels: Sequence[StopLossLevel], *, with_portfolio: bool = False) -> dict[str, Any]:
    """Trailing stops, the nearest first."""
    columns: list[dict[str, Any]] = [
        {"key": "symbol", "label": "Position"},
        {"key": "close", "label": "Close", "fmt": "price", "priority": "p3"},
        {"key": "extreme", "label": "Peak", "fmt": "price", "term": "high_water", "priority": "p3"},
        {"key": "stop", "label": "Stop", "fmt": "price:3", "term": "stop_level"},
        {"key": "distance", "label": "Distance", "fmt": "pct1", "term": "stop_distance"},
        {"key": "vix", "label": "VIX", "fmt": "ratio2", "priority": "p3"},
        {"key": "state", "label": "State", "kind": "tag"},
    ]
    if with_portfolio:
        columns.insert(0, {"key": "portfolio", "label": "Portfolio", "link": "url", "css": "fold"})
    return {
        "id": "stops",
        "caption": "Trailing stops, the nearest first",
        "columns": columns,
        "rows": [
            {
                "id": str(each.pk),
                "symbol": each.instrument.symbol,
                "close": each.close,
                "extreme": each.extreme,
                "stop": each.stop_price,
                "distance": each.distance,
                "vix": each.vix,
                "vix_reason": "older than three sessions",
                "state": stop_tag(each),
                **(
                    {
                        "portfolio": each.portfolio.name,
                        "url": reverse("risk", kwargs={"portfolio_id": each.portfolio_id}),
                    }
                    if with_portfolio
                    else {}
                ),
            }
            for each in levels
        ],
        "empty": {"text": "No stops yet. They are set at the close after a position is opened."},
    }


def past_stops_table(of: Sequence[PastStop], *, with_portfolio: bool = False) -> dict[str, Any]:
    """The stops of a past close as far as they are kept, the nearest known first."""
    columns: list[dict[str, Any]] = [
        {"key": "symbol", "label": "Position"},
        {"key": "close", "label": "Close", "fmt": "price"},
        {"key": "stop", "label": "Stop", "fmt": "price:3", "term": "stop_level"},
        {"key": "distance", "label": "Distance", "fmt": "pct1", "term": "stop_distance"},
        {"key": "state", "label": "State", "kind": "tag"},
    ]
    if with_portfolio:
        columns.insert(0, {"key": "portfolio", "label": "Portfolio", "css": "fold"})
    return {
        "id": "stops",
        "caption": "Trailing stops as far as they are kept, the nearest first",
        "columns": columns,
        "rows": [
            {
                "id": f"{each.portfolio.pk}-{each.symbol}",
                "portfolio": each.portfolio.name,
                "symbol": each.symbol,
                "close": each.close,
                "close_reason": "no close of that session",
                "stop": each.stop_price,
                "stop_reason": STOP_LOST,
                "distance": each.distance,
                "distance_reason": STOP_LOST,
                "state": _past_state(each),
            }
            for each in of
        ],
        "empty": {"text": "Nothing that can have a stop was held then."},
    }


def _past_state(each: PastStop) -> dict[str, str]:
    if each.state is None:
        return {"kind": "plain", "text": "Not kept", "title": STOP_LOST}
    kind, text = STOP_KINDS[StopState(each.state)]
    return {"kind": kind, "text": text}


def stop_tag(level: StopLossLevel) -> dict[str, str]:
    """The state of a stop as a tag."""
    state = StopState.NOT_EVALUATED if level.reason else StopState(level.state)
    kind, text = STOP_KINDS[state]
    return {"kind": kind, "text": text, "title": words(level.reason) if level.reason else ""}


def feed(
    alerts: Sequence[Alert], checks: Sequence[PreTradeCheck], *, may_note: bool, next_url: str
) -> list[dict[str, Any]]:
    """Alerts that are open first, then verdicts and what is done, by time."""
    rows = [alert(each, may_note=may_note, next_url=next_url) for each in alerts]
    rows += [
        {
            "severity": {"APPROVED": "Approved", "REJECTED": "Rejected"}.get(each.status, "Error"),
            "state": "",
            "title": f"{each.side.title()} {each.quantity} {each.symbol}.",
            "text": ", ".join(code.replace("_", " ").lower() for code in each.reasons),
            "at": each.as_of,
            "who": "",
        }
        for each in checks
    ]
    live = [each for each in rows if each["state"] == AlertState.OPEN]
    rest = sorted(
        (each for each in rows if each["state"] != AlertState.OPEN),
        key=lambda each: each["at"],
        reverse=True,
    )
    return [*live, *rest][:8]


def severity(row: Alert) -> str:
    """How bad it is, in a word; of a past close where that is kept."""
    return SEVERITY[row.severity] if row.severity else "Not kept"


def title(row: Alert) -> str:
    """What it says; of a past close where that is kept."""
    return row.title or f"{row.symbol or row.get_kind_display()}: {ALERT_LOST}"


def alert(row: Alert, *, may_note: bool, next_url: str) -> dict[str, Any]:
    """One alert as the feed shows it."""
    open_ = row.state == AlertState.OPEN
    return {
        "id": str(row.pk),
        "severity": severity(row),
        "state": row.state,
        "title": title(row),
        "text": (row.detail or "") + (" (simulated)" if row.simulated else ""),
        "at": row.last_seen or row.first_seen,
        "ack_url": f"{reverse('alert_acknowledge', kwargs={'alert_id': row.pk})}?next={next_url}"
        if open_ and may_note
        else "",
        "who": row.acknowledged_label,
        "count": row.count,
    }
