"""Bring a file in: choose it, see every row's verdict, commit, and take it back."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.api.registry import OPERATORS
from etftrader.core.errors import DomainError
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.calculations.csv_layout import POSITIONS, SHAPES
from portfolios.choices import Duplicates, ImportStatus, RowVerdict
from portfolios.constants import Action
from portfolios.forms.imports import KINDS, MAX_PASTED, FileForm, RowForm, UndoForm
from portfolios.models import ImportBatch, ImportRow, Portfolio
from portfolios.selectors import access, people
from portfolios.selectors import imports as read
from portfolios.services import (
    csv_import,
    import_booking,
    import_parts,
    import_symbols,
    import_undo,
)
from portfolios.views import import_tables

LIST, DETAIL = "portfolios/imports.html", "portfolios/import.html"
PRICES = "portfolios/import_prices.html"
HANDED = "The file holds prices or yields, which are everybody's."
LARGE = "It is too large to be handed on from here: bring it in under Data, Import."
PANELS = {"verdict": "portfolios/import_verdict.html"}
STEPS = ["File", "Map", "Check", "Commit"]
FILE, MAP, CHECK, DONE = range(4)
ROWS_A_PAGE = 100
MOST_SUGGESTED = 5


class ImportsPage(LoginRequiredMixin, View):
    """GET, POST /import/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """The form, and the files brought so far."""
        actor = Actor.of(request)
        chosen = {name: request.GET[name] for name in ("portfolio", "kind") if name in request.GET}
        form = FileForm(initial=chosen, portfolios=_portfolios(actor))
        return render_page(request, LIST, self._context(actor, form))

    def post(self, request: HttpRequest) -> HttpResponse:
        """Check the file and show its verdicts; nothing is booked."""
        actor = Actor.of(request)
        form = FileForm(request.POST, request.FILES, portfolios=_portfolios(actor))
        if not form.is_valid():
            return render_page(request, LIST, self._context(actor, form), status=UNPROCESSABLE)
        said = form.cleaned_data
        file = said["file"]
        data = file.read() if file else said["content"].encode()
        if csv_import.holds_prices(data, said["encoding"]):
            return self._hand_on(request, actor, form, data)
        try:
            batch = self._check(actor, said, data)
        except DomainError as error:
            context = self._context(actor, form)
            return render_refusal(request, LIST, context, error, form=form)
        lacking = set(SHAPES[batch.kind].required) - batch.dialect["columns"].keys()
        return done(request, reverse("import_map" if lacking else "import_detail", args=[batch.pk]))

    def _hand_on(
        self, request: HttpRequest, actor: Actor, form: FileForm, data: bytes
    ) -> HttpResponse:
        """Prices go to the door for prices with what the file holds, for who may bring them."""
        said = form.cleaned_data
        operates = actor.is_superuser or bool(actor.groups & OPERATORS)
        if not operates or len(data) > MAX_PASTED:
            words = csv_import.SHARED if not operates else f"{HANDED} {LARGE}"
            form.add_error("file", words)
            return render_page(request, LIST, self._context(actor, form), status=UNPROCESSABLE)
        name = said["file"].name if said["file"] else "pasted.csv"
        text = data.decode(said["encoding"] or "utf-8", errors="replace")
        context = {"steps": STEPS, "file_name": name, "content": text, "handed": HANDED}
        return render_page(request, PRICES, context)

    def _check(self, actor: Actor, said: Mapping[str, Any], data: bytes) -> ImportBatch:
        portfolio = access.portfolio_for(actor, said["portfolio"].pk, Action.TRADE)
        me, file = people.me(actor), said["file"]
        found = csv_import.read(
            data=data,
            user=me,
            kind=said["kind"] or POSITIONS,
            encoding=said["encoding"],
            loose=True,
        )
        moment = sessions.moment()
        return csv_import.check(
            portfolio_id=portfolio.pk,
            user=me,
            file_name=file.name if file else "pasted.csv",
            file=found,
            session_date=moment.session_date,
            running=csv_import.running(moment),
        )

    def _context(self, actor: Actor, form: FileForm) -> dict[str, Any]:
        rows = list(read.batches(actor=actor)[: table_files.at_most(self.request, 50)])
        access.note_reading(actor, rows)
        return {
            "form": form,
            "steps": STEPS,
            "kinds": [kind for kind, _ in KINDS],
            "table": import_tables.imports(rows),
        }


class ImportPage(LoginRequiredMixin, View):
    """GET /import/<id>/."""

    def get(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Counts, and the rows; `?verdict=error` shows the bad ones, `?row=` opens one."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.note_reading(actor, [batch])
        return render_page(request, DETAIL, detail(request, actor, batch), panels=PANELS)


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
        due = batch.status in (ImportStatus.CHECKED, ImportStatus.BOOKING)
        if due and import_booking.is_long(batch):
            import_parts.request_booking(batch=batch, partial=partial, as_of=session, by=actor)
            return done(request, url, "The file is being booked; this takes a moment.")
        try:
            batch = import_booking.commit(
                batch_id=batch.pk, partial=partial, by=actor, session_date=session
            )
        except DomainError as error:
            return render_refusal(request, DETAIL, detail(request, actor, batch), error)
        return done(request, url, f"{batch.result['booked']} rows were booked.")


class UndoPage(LoginRequiredMixin, View):
    """POST /import/<id>/undo/."""

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Reverse what the file has booked."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        access.portfolio_for(actor, batch.portfolio_id, Action.TRADE)
        form = UndoForm(request.POST)
        context = detail(request, actor, batch) | {"undo": form}
        if not form.is_valid():
            return render_page(request, DETAIL, context, status=UNPROCESSABLE)
        url, reason = reverse("import_detail", args=[batch.pk]), form.cleaned_data["reason"]
        try:
            if import_undo.is_long(batch) and batch.status != ImportStatus.UNDONE:
                session = sessions.moment().session_date
                import_parts.request_undo(batch=batch, reason=reason, as_of=session, by=actor)
                return done(request, url, "The import is being undone; this takes a moment.")
            import_undo.undo(batch_id=batch.pk, reason=reason, by=actor)
        except DomainError as error:
            return render_refusal(request, DETAIL, context, error, form=form)
        return done(request, url, "The import was undone.")


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
        """A small file of the right form; `?kind=trades` or `cash`."""
        kind = request.GET.get("kind", POSITIONS)
        kind = kind if kind in SHAPES else POSITIONS
        return _file(csv_import.template(kind), f"{kind}-template.csv")


def _file(data: bytes, name: str) -> HttpResponse:
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _portfolios(actor: Actor) -> Any:
    return Portfolio.objects.for_actor(actor, Action.TRADE).open().order_by("name", "pk")


def detail(
    request: HttpRequest, actor: Actor, batch: ImportBatch, opened: RowForm | None = None
) -> dict[str, Any]:
    """What the page of one import shows; `opened` is the form of a row that was refused."""
    rows = batch.rows.order_by("ordinal")
    verdict = request.GET.get("verdict", "")
    if verdict in RowVerdict.values:
        rows = rows.filter(verdict=verdict)
    count = batch.counts.get(verdict if verdict in RowVerdict.values else "total", 0)
    page = table_files.page_of(request, rows, ROWS_A_PAGE, count=count)
    open_ = batch.status == ImportStatus.CHECKED
    may, undoable = getattr(batch, "may_trade", False), import_undo.until(batch)
    bookable = csv_import.bookable(batch)
    moving = batch.status in (ImportStatus.BOOKING, ImportStatus.UNDOING)
    run = _run(batch) if moving else None
    counts = [
        {"verdict": each.value, "count": batch.counts.get(each.value, 0)} for each in RowVerdict
    ]
    query = f"verdict={verdict}" if verdict else ""
    may_edit = open_ and may
    # a file that moves is not listed: its rows change while they are read
    table = None if moving else import_tables.import_rows(page, batch, query, fixable=may_edit)
    return {
        "batch": batch,
        "steps": STEPS,
        "step": CHECK if open_ else DONE + 1,
        "counts": counts,
        "totals": {
            name: Decimal(value) if isinstance(value, str) else value
            for name, value in batch.totals.items()
        },
        "chosen": verdict,
        "errors": batch.counts.get("error", 0),
        "bookable": bookable,
        "may_edit": may_edit,
        "may_commit": may_edit and bookable > 0,
        "choices": Duplicates.choices,
        "run": run,
        "undo": UndoForm(initial={"reason": batch.undo_reason}) if may and undoable else None,
        "stopped": may and moving and run is None,
        "problems": batch.problems,
        "table": table,
        **(_opened(request, batch, opened, page.object_list) if may_edit else {}),
    }


def _opened(
    request: HttpRequest, batch: ImportBatch, form: RowForm | None, shown: Any
) -> dict[str, Any]:
    """The row that is being mended."""
    asked = request.GET.get("row", "")
    if not (asked.isascii() and asked.isdigit() and len(asked) < 8):
        return {}
    near = [each for each in shown if each.ordinal == int(asked)]
    row = near[0] if near else batch.rows.filter(ordinal=int(asked)).first()
    if row is None:
        return {}
    cells = import_tables.cells_of(row, batch)
    row_form = form or RowForm(kind=batch.kind, cells=cells, initial={"decision": row.decision})
    row.batch = batch  # with what was read of it
    told: dict[str, Any] = {"row": row, "row_form": row_form, "meant": _meant(row)}
    unknown = import_symbols.unknown(row)
    if unknown and import_symbols.can_look_up():
        run = batch.dialect.get(import_symbols.AWAITED, {}).get(unknown)
        told |= {"unknown": unknown, "lookup_url": f"/jobs/{run}/" if run else ""}
    return told


def _meant(row: ImportRow) -> list[str]:
    """Symbols that an unknown one may have been."""
    asked = "Did you mean "
    hints = [each["hint"] for each in row.messages if each["hint"].startswith(asked)]
    words = hints[0].removeprefix(asked).rstrip("?").split(", ") if hints else []
    return words[:MOST_SUGGESTED]


def _run(batch: ImportBatch) -> dict[str, Any] | None:
    """The job that books the file or takes it back, while it waits or runs."""
    run = read.at_work(batch)
    if run is None:
        return None
    return {
        "id": str(run.pk),
        "name": "Booking the file" if run.job == read.BOOKING else "Undoing the import",
        "state": run.status,
        "done": run.done,
        "total": run.total,
        "step": run.note,
        "url": f"/jobs/{run.pk}/",
    }
