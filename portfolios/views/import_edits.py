"""A checked file mended on its pages: its columns, a row, its duplicates."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.calculations.csv_layout import SHAPES
from portfolios.constants import Action
from portfolios.forms.imports import MapForm, RowForm
from portfolios.models import ImportBatch
from portfolios.selectors import access
from portfolios.selectors import imports as read
from portfolios.services import import_edits, import_symbols
from portfolios.views import import_tables
from portfolios.views.imports import DETAIL, MAP, STEPS, detail

MAPPING = "portfolios/import_map.html"


def _mine(actor: Actor, import_id: UUID) -> ImportBatch:
    batch = read.find(actor=actor, import_id=import_id)
    access.portfolio_for(actor, batch.portfolio_id, Action.TRADE)
    return batch


class MapPage(LoginRequiredMixin, View):
    """GET, POST /import/<id>/map/."""

    def get(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Every column with samples, and the field it is."""
        actor = Actor.of(request)
        batch = read.find(actor=actor, import_id=import_id)
        if not getattr(batch, "may_trade", False):
            access.portfolio_for(actor, batch.portfolio_id, Action.TRADE)  # in the door's words
        return render_page(request, MAPPING, self._context(batch, self._form(batch)))

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Judge the file with these columns, and remember them."""
        batch = _mine(Actor.of(request), import_id)
        form = self._form(batch, request.POST)
        if not form.is_valid():
            return render_page(request, MAPPING, self._context(batch, form), status=UNPROCESSABLE)
        said = form.cleaned_data
        try:
            import_edits.remap(
                batch_id=batch.pk, columns=said["columns"], decimal_comma=said["comma"]
            )
        except DomainError as error:
            return render_refusal(request, MAPPING, self._context(batch, form), error, form=form)
        return done(request, reverse("import_detail", args=[batch.pk]))

    def _form(self, batch: ImportBatch, data: Any = None) -> MapForm:
        said = batch.dialect
        return MapForm(
            data,
            kind=batch.kind,
            header=said["header"],
            columns=said["columns"],
            comma=said["decimal_comma"],
        )

    def _context(self, batch: ImportBatch, form: MapForm) -> dict[str, Any]:
        shown = read.samples(batch)
        columns = [
            {"field": form[f"c{place}"], "samples": values} for place, values in enumerate(shown)
        ]
        named = batch.dialect["columns"].keys()
        return {
            "batch": batch,
            "steps": STEPS,
            "step": MAP,
            "form": form,
            "columns": columns,
            "lacking": [name for name in SHAPES[batch.kind].required if name not in named],
        }


class FixPage(LoginRequiredMixin, View):
    """POST /import/<id>/rows/<row>/."""

    def post(self, request: HttpRequest, import_id: UUID, row: int) -> HttpResponse:
        """Write the cells of a row anew; the whole file is judged again."""
        actor = Actor.of(request)
        batch = _mine(actor, import_id)
        kept = read.row(batch=batch, ordinal=row)
        cells = import_tables.cells_of(kept, batch)
        given: Any = request.POST
        meant = given.get("meant", "")
        if meant:
            given = {**cells, "ticker": meant, "everywhere": "on", "decision": kept.decision}
        form = RowForm(given, kind=batch.kind, cells=cells, initial={"decision": kept.decision})
        if not form.is_valid():
            context = detail(request, actor, batch, form)
            return render_page(request, DETAIL, context, status=UNPROCESSABLE)
        try:
            now = import_edits.fix(
                batch_id=batch.pk,
                ordinal=row,
                cells=form.changed(),
                decision=form.cleaned_data["decision"],
                everywhere=bool(form.cleaned_data.get("everywhere")),
            )
        except DomainError as error:
            context = detail(request, actor, batch, form)
            return render_refusal(request, DETAIL, context, error, form=form)
        url = reverse("import_detail", args=[batch.pk])
        # a row that is still bad stays open
        more = f"?row={row}#panel-fix" if now.verdict == "error" else ""
        return done(request, f"{url}{more}", f"Line {row} is {now.verdict} now.")


class LookUpPage(LoginRequiredMixin, View):
    """POST /import/<id>/rows/<row>/lookup/."""

    def post(self, request: HttpRequest, import_id: UUID, row: int) -> HttpResponse:
        """Have the row's symbol looked up; once it is known the file is judged anew."""
        actor = Actor.of(request)
        batch = _mine(actor, import_id)
        day = sessions.moment().session_date
        try:
            import_symbols.look_up(batch_id=batch.pk, ordinal=row, session_date=day, by=actor)
        except DomainError as error:
            return render_refusal(request, DETAIL, detail(request, actor, batch), error)
        url = reverse("import_detail", args=[batch.pk])
        return done(request, f"{url}?row={row}#panel-fix", "The symbol is being looked up.")


class DuplicatesPage(LoginRequiredMixin, View):
    """POST /import/<id>/duplicates/."""

    def post(self, request: HttpRequest, import_id: UUID) -> HttpResponse:
        """Skip, import or merge the file's duplicates."""
        actor = Actor.of(request)
        batch = _mine(actor, import_id)
        try:
            import_edits.choose(
                batch_id=batch.pk, duplicates=request.POST.get("duplicates", "")[:10]
            )
        except DomainError as error:
            return render_refusal(request, DETAIL, detail(request, actor, batch), error)
        return done(request, reverse("import_detail", args=[batch.pk]))
