"""The timetable: what runs when, how it last went; switch it, move it, run it now."""

from typing import Any

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed
from etftrader.core.pages import UNPROCESSABLE, done, render_page
from etftrader.services import timetable
from etftrader.services.timetable import Entry
from etftrader.views import run_words
from etftrader.views.permissions import may_operate
from marketdata.selectors import quarantine, sessions

PANELS = {"timetable": "etftrader/schedules_table.html"}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "label", "label": "What"},
    {"key": "when", "label": "When"},
    {"key": "state", "label": "", "kind": "tag"},
    {"key": "next", "label": "Next run", "kind": "moment", "moment": "short", "priority": "p2"},
    {"key": "last", "label": "Last run", "kind": "moment", "moment": "short", "priority": "p2"},
    {"key": "needs", "label": "Needs", "css": "fold", "priority": "p3"},
    {"key": "result", "label": "Result", "kind": "template",
     "template": "etftrader/cell_result.html", "priority": "p3",
     "parts": (("status", "Result"), ("error", "Error"))},
)  # fmt: skip


class ScheduleForm(forms.Form):
    """When an entry runs, and whether; the version says on which state this was thought out."""

    version = forms.IntegerField(widget=forms.HiddenInput)
    enabled = forms.BooleanField(required=False, label="Switched on")
    time = forms.CharField(
        max_length=5,
        label="Time in New York",
        widget=forms.TextInput(attrs={"type": "time", "step": "60"}),
    )
    reason = forms.CharField(max_length=300, required=False, label="Reason")

    def __init__(self, entry: Entry, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if entry.time is None:
            del self.fields["time"]


@login_required
def schedules(request: HttpRequest) -> HttpResponse:
    """The timetable, the day's steps first."""
    actor = Actor.of(request)
    may = may_operate(actor)
    columns = list(COLUMNS)
    if may:
        template = "etftrader/cell_schedule.html"
        acts = {"key": "acts", "label": "", "kind": "template", "template": template}
        columns.append(acts | {"priority": "p3"})
    found = timetable.entries()
    context = {
        "table": {
            "id": "timetable",
            "caption": "The timetable: the day's steps in their order, then the timers",
            "columns": columns,
            "rows": [_row(actor, each, may=may) for each in found],
            "empty": {"text": "The timetable is empty: run manage.py setup_schedules once."},
        },
        "may_change": may,
        "live_market": sessions.is_live(),
        "off": sum(not each.enabled for each in found),
        "channels": f"data user.{actor.user_id}.jobs",
        "held": quarantine.held(),
        "section": "schedules",
    }
    return render_page(request, "etftrader/schedules.html", context, panels=PANELS)


@login_required
def schedule(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """One entry and the form that changes it."""
    actor = Actor.of(request)
    entry = timetable.entry(schedule_id)
    may = may_operate(actor)
    if request.method == "POST" and not may:
        raise NotAllowed("Operators change the timetable.")
    form = ScheduleForm(entry, request.POST if request.method == "POST" else None, initial={
        "version": entry.version, "enabled": entry.enabled, "time": entry.time,
    })  # fmt: skip
    if form.is_bound and form.is_valid():
        given = form.cleaned_data
        at = given.get("time")
        try:
            changed = timetable.change(
                entry_id=entry.id,
                enabled=given["enabled"],
                at=at if at != entry.time else None,
                version=given["version"],
                reason=given["reason"],
                by=actor,
            )
            return done(request, reverse("schedules"), _told(entry, changed))
        except DomainError as error:
            attr = str(error.figures.get("attr", ""))
            form.add_error(attr if attr in form.fields else None, error.detail)
    context = {
        "entry": entry,
        "row": _row(actor, entry, may=may),
        "form": form if may else None,
        "section": "schedules",
    }
    status = UNPROCESSABLE if form.is_bound else 200
    return render_page(request, "etftrader/schedule.html", context, status=status)


@login_required
@require_POST
def run(request: HttpRequest, schedule_id: int) -> HttpResponse:
    """Ask for what an entry does, now, and go where it can be followed."""
    actor = Actor.of(request)
    if not may_operate(actor):
        raise NotAllowed("Operators run the timetable's entries.")
    try:
        found = timetable.run_now(entry_id=schedule_id, by=actor)
    except DomainError as error:
        return done(request, reverse("schedules"), error.detail)
    if actor.reads_all or found.requested_by == actor.user_id:
        return done(request, reverse("job_detail", args=[found.pk]), "Asked for.")
    return done(request, reverse("schedules"), "Somebody has asked for it already.")


def _told(before: Entry, after: Entry) -> str:
    if before.version == after.version:
        return "Nothing was changed."
    words = "" if after.enabled else ", and is switched off"
    return f"{after.label} runs {after.when[:1].lower()}{after.when[1:]}{words}."


def _row(actor: Actor, entry: Entry, *, may: bool) -> dict[str, Any]:
    last = entry.last_run
    seen = last is not None and (actor.reads_all or last.requested_by == actor.user_id)
    return {
        "id": entry.id,
        "label": entry.label,
        "url": reverse("schedule", args=[entry.id]),
        "needs": ", ".join(entry.needs) or " ",
        "when": entry.when,
        "state": {"text": "on", "kind": "ok"} if entry.enabled else {"text": "off", "kind": "bad"},
        "next": entry.next_run_at,
        "last": (last.finished_at or last.created_at) if last else entry.last_run_at,
        "result": {
            "status": last.status if last else "",
            "session": last.as_of if last else None,
            "error": run_words.reason(last) if last else "",
            "url": reverse("job_detail", args=[last.pk]) if last and seen else "",
            "reason": "It keeps no record of its runs",
        },
        "acts": reverse("schedule_run", args=[entry.id]) if may and entry.of_house else "",
    }
