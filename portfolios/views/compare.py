"""Books beside each other: growth of 100 from one base, figures, and what sets them apart."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse, QueryDict
from django.views import View

from etftrader.core import formats
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound
from etftrader.core.formats import number, show
from etftrader.core.pages import UNPROCESSABLE, render_page
from portfolios.calculations.periods import CUSTOM, PRESETS
from portfolios.forms.compare import PLACES, CompareForm
from portfolios.forms.performance import LABELS as PERIODS
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.selectors.comparison import LEAST, Comparison, Side, compare
from portfolios.views.as_of import moment_of, past_session
from portfolios.views.performance_tables import FIGURE, LABELS

PAGE = "portfolios/compare.html"
KEPT = (*PLACES, "period", "start", "end", "as_of")
SHOWN = (
    "cumulative_return",
    "annual_return",
    "money_weighted_return",
    "annual_volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
    "calmar",
    "hit_rate",
)
BASE = 100.0
NO_ROWS = "no session in common"
Told = tuple[Any, str]  # a value, and why there is none


class ComparePage(LoginRequiredMixin, View):
    """GET /portfolios/compare/?book1=…&book2=…"""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Two to four books of one currency; where fewer are named, the first others in it."""
        actor = Actor.of(request)
        asked = past_session(request)
        until = asked or moment_of(request).session_date
        books = {
            str(each.pk): each
            for each in Portfolio.objects.for_actor(actor).order_by("status", "name", "pk")
        }
        given = _given(request, books)
        form = CompareForm(given, portfolios=books.values())
        named = sum(bool(request.GET.get(name)) for name in PLACES)
        few = max(_largest(books), named) < LEAST
        context = {"form": form, "presets": _presets(given), "as_of": asked, "few": few}
        if form.is_valid() and not few:
            chosen = [books[key] for key in form.chosen()]
            try:
                found = compare(portfolios=chosen, period=form.period_asked(), as_of=until)
            except BadInput as error:
                form.add_error(None, error.detail)
            else:
                access.note_reading(actor, chosen)
                formats.speak(chosen[0].base_currency)
                context |= _shown(found)
        status = UNPROCESSABLE if form.errors else 200
        return render_page(request, PAGE, context, status=status)


def _given(request: HttpRequest, books: Mapping[str, Portfolio]) -> QueryDict:
    """What the address says, with books where it names fewer than two. Raises NotFound."""
    given = request.GET.copy()
    named = [given[name] for name in PLACES if given.get(name)]
    if not set(named) <= books.keys():
        raise NotFound("There is no such portfolio.")
    base = _currency(books, named)
    others = (key for key in books if key not in named and books[key].base_currency == base)
    free = (name for name in PLACES if not given.get(name))
    for name, key in islice(zip(free, others, strict=False), max(0, LEAST - len(named))):
        given[name] = key
    return given


def _largest(books: Mapping[str, Portfolio]) -> int:
    """How many there are in the currency that most are kept in."""
    return max(Counter(each.base_currency for each in books.values()).values(), default=0)


def _currency(books: Mapping[str, Portfolio], named: Sequence[Any]) -> str:
    """Of the first that is named, else the first that can be compared in."""
    count = Counter(each.base_currency for each in books.values())
    if named:
        return books[named[0]].base_currency
    return next((code for code, many in count.items() if many >= LEAST), "")


def _presets(given: QueryDict) -> list[dict[str, Any]]:
    chosen = given.get("period") or PRESETS[-1]
    own = given.get("start") or given.get("end")

    def query(name: str) -> str:
        kept = {key: given.get(key, "") for key in KEPT} | {"period": name, "start": "", "end": ""}
        return urlencode({key: value for key, value in kept.items() if value})

    return [
        {"label": PERIODS.get(each, each), "query": query(each), "on": each == chosen and not own}
        for each in PRESETS
        if each != CUSTOM
    ]


def _shown(found: Comparison) -> dict[str, Any]:
    first = found.sides[0]
    return {
        "found": found,
        "from_first": f"from {first.name}",
        "growth": _growth(found),
        "table": _table(found.sides),
        "differences": _differences(found.sides),
    }


def _growth(found: Comparison) -> dict[str, Any]:
    series = [
        {"name": each.name, "values": [None if v is None else BASE * v for v in each.level]}
        for each in found.sides
    ]
    told = [
        f"{each.name} {show(each.level[-1] - 1.0, 'signed:pct2')}"
        for each in found.sides
        if each.level and each.level[-1] is not None
    ]
    return {
        "id": "growth",
        "title": "Growth of 100, freed of flows",
        "conclusion": f"Over the stretch all have: {', '.join(told)}." if told else "",
        "x": list(found.dates),
        "series": series,
        "fmt": "ratio2",
        "width": 1200,
        "height": 320,
        "empty": "These books have no session in common in this period.",
    }


def _figure(name: str) -> Callable[[Side], Told]:
    return lambda side: (side.figures[name].value, side.figures[name].detail)


ROWS: tuple[tuple[str, str, str, Callable[[Side], Told]], ...] = (
    ("nav", "NAV at the end", "money0", lambda side: (side.nav, NO_ROWS)),
    ("pnl", "Gain of the stretch", "signed:money0", lambda side: (side.pnl, NO_ROWS)),
    *((name, *LABELS[name], _figure(name)) for name in SHOWN),
    ("correlation", "Correlation with the first", "ratio2",
     lambda side: (side.correlation.value, side.correlation.detail)),
    ("var", "VaR 95%, 1 day, of equity", "pct2",
     lambda side: (side.var, "no VaR at the last close")),
)  # fmt: skip


def _table(sides: Sequence[Side]) -> dict[str, Any]:
    """A row a figure, a column a book."""
    return {
        "id": "figures",
        "caption": "Figures of each portfolio over the stretch all have",
        "columns": [
            {"key": "name", "label": "Figure", "css": "fold"},
            *(
                {"key": f"book{place}", "label": side.name, "kind": "template",
                 "template": FIGURE, "css": "r"}
                for place, side in enumerate(sides, start=1)
            ),
        ],
        "rows": [
            {"id": key, "name": label}
            | {
                f"book{place}": _cell(read(side), fmt)
                for place, side in enumerate(sides, start=1)
            }
            for key, label, fmt, read in ROWS
        ],
    }  # fmt: skip


def _differences(sides: Sequence[Side]) -> dict[str, Any]:
    """A row a figure, a column a book but the first: how far it lies above it."""
    first = sides[0]
    return {
        "id": "differences",
        "caption": f"Differences from {first.name}",
        "columns": [
            {"key": "name", "label": "Figure", "css": "fold"},
            *(
                {"key": f"book{place}", "label": f"{side.name} less {first.name}",
                 "kind": "template", "template": FIGURE, "css": "r"}
                for place, side in enumerate(sides[1:], start=2)
            ),
        ],
        "rows": [
            {"id": key, "name": label}
            | {
                f"book{place}": _cell(_less(read(side), read(first)), _signed(fmt))
                for place, side in enumerate(sides[1:], start=2)
            }
            for key, label, fmt, read in ROWS
            if key != "correlation"
        ],
    }  # fmt: skip


def _less(one: Told, other: Told) -> Told:
    mine, theirs = number(one[0]), number(other[0])
    if mine is None or theirs is None:
        return None, one[1] if mine is None else other[1]
    return mine - theirs, ""


def _signed(fmt: str) -> str:
    return fmt if fmt.startswith("signed:") else f"signed:{fmt}"


def _cell(told: Told, fmt: str) -> dict[str, Any]:
    value, why = told
    return {"value": value, "fmt": fmt, "reason": why or "Not available"}
