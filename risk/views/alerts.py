"""The alerts page: what fired, whether it is still true, who dealt with it."""

from datetime import date
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views import View

from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.pages import done, render_page
from marketdata.selectors import calendar
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.views.as_of import past_session
from risk.choices import AlertState
from risk.forms import AcknowledgeForm
from risk.models import Alert
from risk.selectors import alerts as alert_rows
from risk.selectors import past_alerts, past_stops
from risk.selectors import stop_loss as stops
from risk.services import alerts
from risk.views import feeds

HISTORY_PAGE = 25
HOUSE = "The whole house"  # an alert of no portfolio
PANELS = {name: f"risk/alerts_{name}.html" for name in ("open", "stops", "history")}


class AlertsPage(LoginRequiredMixin, View):
    """GET /alerts/: open alerts, stops, history, of every visible portfolio."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Open ones first, the worst on top; at a past close as they stood then."""
        actor, day = Actor.of(request), past_session(request)
        if day is not None:
            return render_page(
                request, "risk/alerts.html", _at_close(request, actor, day), panels=PANELS
            )
        visible = alert_rows.visible(actor)
        still = sorted(
            alert_rows.unresolved(actor)[:200], key=lambda each: each.severity != "critical"
        )
        resolved = visible.filter(state=AlertState.RESOLVED)
        page = table_files.page_of(request, resolved, HISTORY_PAGE)
        noted = set(Portfolio.objects.for_actor(actor, Action.NOTE).values_list("pk", flat=True))
        past = list(page.object_list)
        access.note_reading(actor, [*still, *past])
        watched = list(stops.watched(actor)[: table_files.at_most(request, 200)])
        context = {
            "open_alerts": [_row(each, actor, noted) for each in still],
            "last": past[0].resolved_at if past and not still else None,
            "stops": feeds.stops_table(watched, with_portfolio=True),
            "history": _history(past, page),
            "channels": " ".join(
                f"portfolio.{each}.alerts"
                for each in sorted(
                    {str(a.portfolio_id) for a in still if a.portfolio_id} | set(map(str, noted))
                )[:40]
            ),
        }
        return render_page(request, "risk/alerts.html", context, panels=PANELS)


class AcknowledgeAlert(LoginRequiredMixin, View):
    """POST /alerts/<alert_id>/acknowledge/: a member who may note says it was seen."""

    def post(self, request: HttpRequest, alert_id: UUID) -> HttpResponse:
        """Acknowledge and go back."""
        actor = Actor.of(request)
        alert = alert_rows.visible(actor).filter(pk=alert_id).first()
        if alert is None:
            raise NotFound("There is no such alert.")
        alert_rows.check_acknowledge(actor, alert)
        form = AcknowledgeForm(request.POST)
        note = form.cleaned_data["note"] if form.is_valid() else ""
        alerts.acknowledge(alert_id=alert.pk, note=note, by=actor)
        return done(request, _back(request), "Alert acknowledged.")


def _at_close(request: HttpRequest, actor: Actor, day: date) -> dict[str, Any]:
    """What the page shows of a past close: nothing on it can be done, nothing on it moves."""
    close = calendar.close_time(day)
    held = past_alerts.unresolved(alert_rows.visible(actor), at=close).order_by("-first_seen", "pk")
    still = [past_alerts.restored(each) for each in held[:200]]
    page = table_files.page_of(request, past_alerts.ended(actor, at=close), HISTORY_PAGE)
    ended = [past_alerts.restored(each) for each in page.object_list]
    access.note_reading(actor, [*still, *ended])
    watched = past_stops.stops(portfolios=Portfolio.objects.for_actor(actor).open(), day=day)
    return {
        "open_alerts": [
            _row(each, actor, set()) | {"ack_url": ""}
            for each in sorted(still, key=lambda each: each.severity != "critical")
        ],
        "last": ended[0].resolved_at if ended and not still else None,
        "stops": feeds.past_stops_table(
            watched[: table_files.at_most(request, 200)], with_portfolio=True
        ),
        "history": _history(ended, page),
    }


def _back(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    return wanted if safe and wanted.startswith("/") else reverse("alerts")


def _row(alert: Alert, actor: Actor, noted: set[Any]) -> dict[str, Any]:
    url = reverse("alerts")
    may_note = alert.portfolio_id in noted
    if alert.portfolio_id is None:
        may_note = alert_rows.may_operate(actor)
    row = feeds.alert(alert, may_note=may_note, next_url=url)
    seen = f"seen {alert.count} times" if (alert.count or 0) > 1 else ""
    return row | {
        "url": _url(alert),
        "text": " ".join(filter(None, (f"{_name(alert)}:", row["text"], seen))),
    }


def _name(alert: Alert) -> str:
    return alert.portfolio.name if alert.portfolio is not None else HOUSE


def _url(alert: Alert) -> str:
    if alert.portfolio_id is None:
        return ""
    return reverse("risk", kwargs={"portfolio_id": alert.portfolio_id})


def _history(rows: list[Alert], page: Any) -> dict[str, Any]:
    return {
        "id": "alert-history",
        "caption": "Resolved alerts, newest first",
        "columns": [
            {"key": "severity", "label": "", "kind": "tag"},
            {"key": "title", "label": "Alert"},
            {"key": "portfolio", "label": "Portfolio", "link": "url"},
            {"key": "first", "label": "First seen", "kind": "moment", "moment": "full"},
            {"key": "resolved", "label": "Resolved", "kind": "moment", "moment": "full"},
            {"key": "count", "label": "Times", "fmt": "int", "priority": "p3"},
            {"key": "who", "label": "Acknowledged by", "priority": "p3"},
            {"key": "note", "label": "Note", "priority": "p3"},
        ],
        "rows": [
            {
                "id": str(each.pk),
                "severity": feeds.severity(each),
                "title": feeds.title(each),
                "portfolio": _name(each),
                "url": _url(each),
                "first": each.first_seen,
                "resolved": each.resolved_at,
                "count": each.count,
                "who": each.acknowledged_label,
                "note": each.note,
            }
            for each in rows
        ],
        "page": page,
        "empty": {"text": "Nothing has been resolved yet."},
    }
