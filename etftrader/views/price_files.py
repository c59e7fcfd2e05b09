"""Bring prices or yields in from a file: choose it, check it, store it; a verdict a row."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed
from etftrader.core.pages import UNPROCESSABLE, is_fragment, render_page
from etftrader.services import price_files
from etftrader.services.price_files import Wish
from etftrader.uploads import MAX_FILE_BYTES
from etftrader.views.back import in_place
from etftrader.views.permissions import may_operate
from marketdata.selectors import quarantine
from marketdata.services import price_upload
from marketdata.services.price_upload import RowsRefused, RowVerdict, Uploaded

TOO_MANY = 429
MAX_HANDED = 900_000  # characters
PAGE, VERDICT = "etftrader/price_files.html", "etftrader/price_files_verdict.html"
TAGS = {
    price_upload.STORED: "ok",
    price_upload.UNCHANGED: "plain",
    price_upload.HELD: "watch",
    price_upload.LEFT_OUT: "plain",
    price_upload.REFUSED: "bad",
}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "line", "label": "Line", "fmt": "int"},
    {"key": "verdict", "label": "Verdict", "kind": "tag"},
    {"key": "symbol", "label": "Symbol", "sub": "session"},
    {"key": "column", "label": "Column", "priority": "p3"},
    {"key": "why", "label": "Why", "css": "wrap"},
    {"key": "remedy", "label": "Way out", "css": "wrap", "priority": "p2"},
)


class PriceFileForm(forms.Form):
    """A file and how it is to be taken."""

    file = forms.FileField(
        required=False,
        label="CSV file, plain or gzip",
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".csv,.gz,text/csv,application/gzip"}),
        help_text=f"At most {MAX_FILE_BYTES // 1_000_000} MB, {price_upload.MOST_ROWS:,} rows and "
        f"{price_upload.MOST_SYMBOLS} symbols, {settings.RATE_LIMITS[price_files.FILES][0]} files "
        "a day. Larger files go into CSV_FOLDER.",
    )
    # what the import page has handed on; a file that is chosen wins
    content = forms.CharField(
        required=False, strip=False, max_length=MAX_HANDED, widget=forms.HiddenInput
    )
    file_name = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)
    kind = forms.ChoiceField(
        required=False,
        label="It holds",
        choices=[("", "What its header says"), ("bars", "Prices"), ("yields", "Treasury yields")],
    )
    symbol = forms.CharField(
        required=False,
        max_length=32,
        label="Symbol",
        help_text="Of a file without that column; else its name tells, like SPY.csv.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    add_symbols = forms.BooleanField(required=False, label="Add symbols that are not known yet")
    partial = forms.BooleanField(required=False, label="Store the good rows if others are bad")
    check = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """A file, or the content of one."""
        said = super().clean() or {}
        if not self.errors and said.get("file") is None and not said.get("content"):
            self.add_error("file", "Choose a file first.")
        return said

    def given(self) -> tuple[bytes, str]:
        """What the file holds, and its name."""
        file = self.cleaned_data["file"]
        if file is not None:
            return file.read(), file.name
        return self.cleaned_data["content"].encode(), self.cleaned_data["file_name"] or "pasted.csv"


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    """The form; after it was sent, what became of the file."""
    actor = Actor.of(request)
    if not may_operate(actor):
        raise NotAllowed("Operators bring prices and yields in from files.")
    swapped = in_place(request, "outcome")
    context: dict[str, Any] = {
        "section": "data",
        "waiting": quarantine.held(),
        "swapped": swapped,
    }
    template, status, wait = PAGE, 200, None
    if request.method == "POST":
        form = PriceFileForm(request.POST, request.FILES)
        told = _sent(form, actor)
        context |= told
        wait = told.get("wait")
        # inside a page only 422 is put where the answer was awaited
        refused = TOO_MANY if wait and not is_fragment(request) else UNPROCESSABLE
        status = refused if told["problem"] else 200
        # the form stays as it is, with the file that was chosen
        template = VERDICT if swapped else PAGE
    else:
        form = PriceFileForm()
    answer = render_page(request, template, context | {"form": form}, status=status)
    if wait:
        answer["Retry-After"] = str(wait)
    return answer


def _sent(form: PriceFileForm, actor: Actor) -> dict[str, Any]:
    """Take the file; the answer is what the verdict's panel shows."""
    if not form.is_valid():
        return {"problem": next(iter(form.errors.values()))[0]}
    data, name = form.given()
    handed = ("file", "content", "file_name")
    wish = Wish(**{key: each for key, each in form.cleaned_data.items() if key not in handed})
    try:
        sent = price_files.read(data=data, file_name=name, wish=wish, by=actor)
        brought = price_files.bring(sent=sent, wish=wish, by=actor)
    except RowsRefused as refusal:
        return {"problem": refusal.detail} | _shown(refusal.told)
    except DomainError as refusal:
        return {"problem": refusal.detail, "wait": refusal.figures.get("retry_after")}
    waiting = quarantine.held()
    return {"problem": "", "job": brought.job, "waiting": waiting} | _shown(brought.told)


def _shown(told: Uploaded) -> dict[str, Any]:
    counts = [
        {"verdict": each.replace("_", " "), "count": told.counts[each]}
        for each in price_upload.ORDER
    ]
    table = {
        "id": "verdicts",
        "caption": "Rows of the file with their verdicts",
        "columns": COLUMNS,
        "rows": [_row(each) for each in told.verdicts],
        "empty": {"text": "The file has no rows."},
    }
    return {"told": told, "said": _said(told), "counts": counts, "verdicts": table}


def _said(told: Uploaded) -> dict[str, str]:
    if told.status == "checked":
        return {
            "what": "Nothing is stored yet.",
            "more": "This is what would become of the file.",
        }
    if told.status == "unchanged":
        why = "what this file says stands there already, or was left out."
        return {"what": "Nothing was written:", "more": why}
    count = told.counts["stored"]
    noun = "yield" if told.kind == "yields" else "price"
    words = f"{noun} was" if count == 1 else f"{noun}s were"
    return {"what": f"{count:,} {words} stored.", "more": ""}


def _row(each: RowVerdict) -> dict[str, Any]:
    return {
        "line": each.line,
        "verdict": {"text": each.verdict.replace("_", " "), "kind": TAGS[each.verdict]},
        "symbol": each.symbol or " ",
        "session": f"{each.session_date:%a %-d %b %Y}" if each.session_date else "",
        "column": each.column,
        "why": each.why or " ",
        "remedy": each.remedy or " ",
    }
