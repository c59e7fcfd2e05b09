"""Bring positions in from a file: choose it, see every row's verdict, commit."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from etftrader.core.tables import write as write_table
from marketdata.selectors import sessions
from portfolios.choices import ImportStatus, RowVerdict
from portfolios.constants import Action
from portfolios.forms.books import FileForm
from portfolios.models import ImportBatch, Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import imports as read
from portfolios.services import csv_import
from portfolios.views import book_tables

LIST, DETAIL = "portfolios/imports.html", "portfolios/import.html"
STEPS = ["File", "Check", "Commit"]
ROWS_A_PAGE = 100
TEMPLATE = [
    ("SPY", 186, "211.89", "2015-06-22", "Core Holdings"),
    ("NFLX", -3200, "96.4143", "2015-06-22", "Short Value Traps"),
]


class ImportsPage(LoginRequiredMixin, View):
    """GET, POST /import/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, and the files brought so far."""
        actor = Actor.of(request)
        chosen = {"portfolio": request.GET["portfolio"]} if "portfolio" in request.GET else {}
        form = FileForm(initial=chosen, portfolios=_portfolios(actor))
        return render_page(request, LIST, self._context(actor, form))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check the file and show its verdicts; nothing is booked."""
        actor = Actor.of(request)
        form = FileForm(request.POST, request.FILES, portfolios=_portfolios(actor))
        if not form.is_valid():
            return render_page(request, LIST, self._context(actor, form), status=UNPROCESSABLE)
        said = form.cleaned_data
        portfolio = access.portfolio_for(actor, said["portfolio"].pk, Action.TRADE)
        try:
            me = people.me(actor)
            file = csv_import.read(data=said["file"].read(), user=me, encoding=said["encoding"])
            batch = csv_import.check(
                portfolio_id=portfolio.pk,
                user=me,
                file_name=said["file"].name,
                file=file,
                session_date=sessions.moment().session_date,
            )
        except DomainError as error:
            context = self._context(actor, form)
            return render_refusal(request, LIST, context, error, form=form)
        return done(request, reverse("import_detail", args=[batch.pk]))

    def _context(self, actor: Actor, form: FileForm) -> dict[str, Any]:
        rows = list(read.batches(actor=actor)[:50])
        access.note_reading(actor, rows)
        return {
            "form": form,
            "steps": STEPS,
            "table": book_tables.imports(rows),
        }


class ImportPage(LoginRequiredMixin, View):
    """GET /import/<id>/."""

    def get(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Counts, and the rows; `?verdict=error` shows the bad ones."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.note_reading(actor, [batch])
        return render_page(request, DETAIL, _detail(request, actor, batch))


class CommitPage(LoginRequiredMixin, View):
    """POST /import/<id>/commit/."""

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Book the rows; `partial` leaves the bad ones out."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.portfolio_for(actor, batch.portfolio_id, Action.TRADE)
        partial = request.POST.get("partial") == "1"
        session = sessions.moment().session_date
        url = reverse("import_detail", args=[batch.pk])
        if csv_import.is_long(batch) and batch.status == ImportStatus.CHECKED:
            jobs.request(
                "portfolios.commit_import",
                as_of=session,
                inputs={"batch_id": str(batch.pk), "partial": partial},
                requested_by=actor.user_id,
                request_id=actor.request_id,
            )
            return done(request, url, "The file is being booked; this takes a moment.")
        try:
            batch = csv_import.commit(
                batch_id=batch.pk, partial=partial, by=actor, session_date=session
            )
        except DomainError as error:
            return render_refusal(request, DETAIL, _detail(request, actor, batch), error)
        return done(request, url, f"{batch.result['booked']} rows were booked.")


class DiscardPage(LoginRequiredMixin, View):
    """POST /import/<id>/discard/."""

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Put the checked file away."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.portfolio_for(actor, batch.portfolio_id, Action.TRADE)
        csv_import.discard(batch_id=batch.pk, by=actor)
        return done(request, reverse("imports"), "The file was put away.")


class ErrorsFile(LoginRequiredMixin, View):
    """GET /import/<id>/errors.csv."""

    def get(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """The bad rows with what is wrong, to be mended and brought again."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.note_reading(actor, [batch])
        return _file(csv_import.error_file(batch=batch), f"import-{batch.pk}-errors.csv")


class TemplateFile(LoginRequiredMixin, View):
    """GET /import/template.csv."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """A small file of the right form."""
        header = ["ticker", "quantity", "entry_price", "entry_date", "tags"]
        return _file(write_table(header, TEMPLATE), "positions-template.csv")


def _file(data: bytes, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _portfolios(actor: Actor) -> Any:
    return Portfolio.objects.for_actor(actor, Action.TRADE).open().order_by("name", "pk")


def _detail(request: HttpRequest, actor: Actor, batch: ImportBatch) -> dict[str, Any]:
    rows = batch.rows.select_related("batch").order_by("ordinal")
    verdict = request.GET.get("verdict", "")
    if verdict in RowVerdict.values:
        rows = rows.filter(verdict=verdict)
    page = Paginator(rows, ROWS_A_PAGE).get_page(request.GET.get("page"))
    open_ = batch.status == ImportStatus.CHECKED
    bookable = batch.counts.get("new", 0) + batch.counts.get("warning", 0)
    counts = [
        {"verdict": each.value, "count": batch.counts.get(each.value, 0)} for each in RowVerdict
    ]
    return {
        "batch": batch,
        "steps": STEPS,
        "step": 1 if open_ else 3,
        "counts": counts,
        "chosen": verdict,
        "errors": batch.counts.get("error", 0),
        "bookable": bookable,
        "may_commit": open_ and bookable > 0 and access.may(actor, batch.portfolio, Action.TRADE),
        "table": book_tables.import_rows(page, f"verdict={verdict}" if verdict else ""),
    }
