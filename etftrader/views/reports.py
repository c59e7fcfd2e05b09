"""Reports: ask for one, follow it, take it, have it made again and again."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from etftrader.api.reports import KINDS, file_response
from etftrader.choices import Cadence, ReportFormat, ReportKind, ReportStatus
from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError
from etftrader.core.pages import UNPROCESSABLE, done, paged, render_page, render_refusal
from etftrader.core.records import AuditEvent
from etftrader.models import ReportRun, ReportSchedule
from etftrader.selectors import reports as read
from etftrader.services import reports
from etftrader.services.reports import Wish
from marketdata.selectors import sessions
from portfolios.forms.fields import PortfolioField
from portfolios.models import Portfolio
from portfolios.selectors import access, people

PAGE = "etftrader/reports.html"
PANELS = {"history": "etftrader/reports_history.html"}
ROWS = 50
ONCE = "once"
TAGS = {
    ReportStatus.QUEUED: ("watch", "Being made"),
    ReportStatus.READY: ("ok", "Ready"),
    ReportStatus.FAILED: ("bad", "Failed"),
    ReportStatus.EXPIRED: ("plain", "Expired"),
}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Report", "sub": "period", "css": "fold"},
    {"key": "portfolio", "label": "Portfolio", "link": "url", "css": "fold"},
    {"key": "format", "label": "Format", "priority": "p3"},
    {"key": "state", "label": "", "kind": "tag"},
    {"key": "size", "label": "Size", "priority": "p3", "css": "r"},
    {"key": "who", "label": "Made by", "priority": "p3", "css": "fold"},
    {"key": "at", "label": "Asked for", "kind": "moment", "moment": "short", "priority": "p2"},
    {"key": "acts", "label": "", "kind": "template", "template": "etftrader/cell_report.html"},
)
SCHEDULED: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Report", "sub": "format", "css": "fold"},
    {"key": "portfolio", "label": "Portfolio", "css": "fold"},
    {"key": "cadence", "label": "When"},
    {"key": "last", "label": "Last", "priority": "p2"},
    {"key": "end", "label": "", "kind": "template", "template": "etftrader/cell_unschedule.html"},
)
TAKEN: tuple[dict[str, Any], ...] = (
    {"key": "list", "label": "List", "css": "fold"},
    {"key": "format", "label": "Format"},
    {"key": "rows", "label": "Rows", "fmt": "int"},
    {"key": "at", "label": "Taken", "kind": "moment", "moment": "short"},
)


class ReportForm(forms.Form):
    """What a report is to be, and whether it is to come again."""

    portfolio = PortfolioField(label="Portfolio")
    kind = forms.ChoiceField(choices=ReportKind.choices, label="Report")
    file_format = forms.ChoiceField(choices=ReportFormat.choices, label="Format", initial="pdf")
    start = forms.DateField(
        required=False,
        label="From",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: since the book was opened.",
    )
    end = forms.DateField(
        required=False,
        label="To the close of",
        widget=forms.DateInput(attrs={"type": "date"}),
        help_text="Empty: the last close.",
    )
    cadence = forms.ChoiceField(
        choices=[(ONCE, "Once, now"), *((c.value, f"Every {_EVERY}") for c, _EVERY in (
            (Cadence.WEEKLY, "week"), (Cadence.MONTHLY, "month"), (Cadence.QUARTERLY, "quarter")
        ))],
        label="How often",
        help_text="A repeated report is made after the last close of each stretch, and is of it.",
    )  # fmt: skip

    def __init__(self, *args: Any, portfolios: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["portfolio"].queryset = portfolios  # type: ignore[attr-defined]


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form, what was made, what is made again, what was taken."""
    actor = Actor.of(request)
    books = Portfolio.objects.for_actor(actor).order_by("name", "pk")
    if request.method != "POST":
        chosen = {key: request.GET[key] for key in ("portfolio", "kind") if key in request.GET}
        form = ReportForm(initial=chosen, portfolios=books)
        return render_page(request, PAGE, _context(request, actor, form), panels=PANELS)
    form = ReportForm(request.POST, portfolios=books)
    if not form.is_valid():
        context = _context(request, actor, form)
        return render_page(request, PAGE, context, status=UNPROCESSABLE)
    try:
        said = _take(form.cleaned_data, actor)
    except DomainError as error:
        return render_refusal(request, PAGE, _context(request, actor, form), error, form=form)
    return done(request, reverse("reports"), said)


@login_required
def download(request: HttpRequest, report_id: UUID) -> HttpResponse:
    """The file."""
    actor = Actor.of(request)
    report = read.one(actor, report_id)
    access.note_reading(actor, [report])
    return file_response(report)


@login_required
@require_POST
def act(request: HttpRequest, report_id: UUID, act: str) -> HttpResponse:
    """Make a report again, or remove it."""
    actor = Actor.of(request)
    report = read.one(actor, report_id)
    if act == "again":
        reports.again(report=report, by=actor)
        return done(request, reverse("reports"), "The report is being made again.")
    reports.remove(report=report, by=actor)
    return done(request, reverse("reports"), "The report was removed.")


@login_required
@require_POST
def unschedule(request: HttpRequest, schedule_id: UUID) -> HttpResponse:
    """Make it no more."""
    reports.unschedule(schedule_id=schedule_id, by=Actor.of(request))
    return done(request, reverse("reports"), "The schedule has ended; what it made stays.")


def _take(given: dict[str, Any], actor: Actor) -> str:
    """Ask for a report or schedule it; what is said of it. Raises DomainError."""
    user, portfolio = people.me(actor), given["portfolio"]
    name = ReportKind(given["kind"]).label
    if given["cadence"] != ONCE:
        reports.schedule(
            portfolio=portfolio,
            user=user,
            kind=given["kind"],
            file_format=given["file_format"],
            cadence=given["cadence"],
            by=actor,
        )
        return f"{name} is made {given['cadence']} from now on."
    latest = sessions.latest()
    end = given["end"] or latest
    if end > latest:
        raise BadInput(f"The last close is that of {latest:%-d %b %Y}.", attr="end")
    wish = Wish(given["kind"], given["file_format"], end, given["start"])
    reports.ask(portfolio=portfolio, wish=wish, user_id=user.pk, by=actor)
    return f"{name} is being made."


def _context(request: HttpRequest, actor: Actor, form: ReportForm) -> dict[str, Any]:
    found = table_files.page_of(request, read.visible(actor), ROWS)
    access.note_reading(actor, found.object_list)
    taken = read.taken(actor)[: table_files.at_most(request, 20)]
    return {
        "form": form,
        "kinds": [{"name": kind.label, "says": says} for kind, says in KINDS.items()],
        "history": paged(
            found,
            key="reports",
            caption="Reports, the newest first",
            columns=COLUMNS,
            row=_row,
            empty="No report yet. Ask for one beside.",
        ),
        "waits": any(each.status == ReportStatus.QUEUED for each in found.object_list),
        "scheduled": {
            "id": "scheduled",
            "caption": "Reports that are made again",
            "columns": SCHEDULED,
            "rows": [_scheduled(each) for each in read.schedules(actor)[:ROWS]],
            "empty": {"text": "None is scheduled."},
        },
        "taken": {
            "id": "taken",
            "caption": "Files of lists you took",
            "columns": TAKEN,
            "rows": [
                {
                    "id": each.pk,
                    "list": (each.after or {}).get("path", each.object_id),
                    "at": each.recorded_at,
                    **(each.after or {}),
                }
                for each in taken
            ],
            "empty": {"text": "You have taken no list as a file."},
        },
        "channels": f"user.{actor.user_id}.jobs user.{actor.user_id}.notices",
    }


def _row(report: ReportRun) -> dict[str, Any]:
    kind, text = TAGS[ReportStatus(report.status)]
    since = f"{report.start:%-d %b %Y} to " if report.start else "to "
    return {
        "id": report.pk,
        "name": report.get_kind_display(),
        "period": f"{since}{report.end:%-d %b %Y}",
        "portfolio": report.portfolio.name,
        "url": reverse("overview", args=[report.portfolio_id]),
        "format": report.get_file_format_display(),
        "state": {"kind": kind, "text": text, "title": report.detail},
        "size": f"{max(1, round(report.size / 1000)):,} kB" if report.size else None,
        "who": report.made_by.email,
        "at": report.created_at,
        "ready": report.status == ReportStatus.READY,
        "open": report.status == ReportStatus.QUEUED,
        "checksum": report.checksum,
        "acts": True,
    }


def _taken(event: AuditEvent) -> dict[str, Any]:
    row = {"id": event.pk, "list": event.object_id, "at": event.recorded_at}
    return row | (event.after or {})


def _scheduled(row: ReportSchedule) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.get_kind_display(),
        "format": row.get_file_format_display(),
        "portfolio": row.portfolio.name,
        "cadence": row.get_cadence_display(),
        "last": f"{row.last_session:%-d %b %Y}" if row.last_session else None,
        "end": True,
    }
