"""Prices that were held back: look at them, accept or reject them, one or several."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.views.decorators.http import require_POST

from etftrader.core import table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed
from etftrader.core.pages import UNPROCESSABLE, done, paged, render_page
from etftrader.selectors import doubts, runs
from etftrader.views import doubt_figures
from etftrader.views.decisions import ReasonField, asked, choice, name_of
from etftrader.views.permissions import may_operate
from marketdata.choices import QuarantineState
from marketdata.models import QuarantinedPrice
from marketdata.selectors import quarantine
from marketdata.selectors.quarantine import Doubt
from marketdata.services import price_gate
from marketdata.services import quarantine as decisions

PAGE = 50
VERBS = {decisions.ACCEPT: "Accept", decisions.REJECT: "Reject"}
KINDS = {"daily_bars": "close", "quotes": "quote", "yields": "yield"}
PANELS = {"doubts": "etftrader/quarantine_table.html", "decide": "etftrader/doubt_decide.html"}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Symbol", "sub": "kind"},
    {"key": "session", "label": "Session", "priority": "p3"},
    {"key": "value", "label": "Value", "fmt": "text", "css": "r"},
    {"key": "before", "label": "Last accepted", "fmt": "text", "css": "r", "priority": "p2"},
    {"key": "difference", "label": "Difference", "fmt": "signed:pct1", "priority": "p3"},
    {"key": "line", "label": "30 sessions", "kind": "template",
     "template": "etftrader/cell_spark.html", "priority": "p2"},
    {"key": "reason", "label": "Why it waits", "css": "wrap"},
    {"key": "source", "label": "Source", "priority": "p3"},
    {"key": "effect", "label": "Accepting it", "css": "wrap", "priority": "p2"},
)  # fmt: skip


class DecisionForm(forms.Form):
    """Why a person believes a price, or does not."""

    verdict = forms.ChoiceField(choices=list(VERBS.items()), widget=forms.HiddenInput)
    note = ReasonField()


@login_required
def held(request: HttpRequest) -> HttpResponse:
    """The list, those that wait for a person first."""
    actor = Actor.of(request)
    return render_page(request, "etftrader/quarantine.html", _list(request, actor), panels=PANELS)


@login_required
def doubt(request: HttpRequest, doubt_id: UUID) -> HttpResponse:
    """One price with what is around it, and the form that decides it."""
    actor = Actor.of(request)
    row = quarantine.one(actor=actor, doubt_id=doubt_id)
    form = DecisionForm(initial={"verdict": request.GET.get("verdict", "")})
    if request.method == "POST":
        if not may_operate(actor):
            raise NotAllowed("Operators decide what is held back.")
        form = DecisionForm(request.POST)
        if form.is_valid():
            try:
                decided = _decide(row, form.cleaned_data, actor)
                return done(request, reverse("quarantine"), _told(decided))
            except DomainError as error:
                form.add_error(None, error.detail)
                row.refresh_from_db()
    context, page = _one(actor, row, form), "etftrader/doubt.html"
    return asked(request, page, PANELS["decide"], context, panels=PANELS)


@login_required
@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """Accept or reject all the chosen prices."""
    actor = Actor.of(request)
    if not may_operate(actor):
        raise NotAllowed("Operators decide what is held back.")
    form = DecisionForm(request.POST)
    if form.is_valid():
        given = form.cleaned_data
        try:
            decided = decisions.decide(
                doubt_ids=_ids(request.POST),
                verdict=given["verdict"],
                note=given["note"],
                by=actor,
            )
            return done(request, reverse("quarantine"), _told_all(given["verdict"], decided))
        except DomainError as error:
            form.add_error(None, error.detail)
    context = _list(request, actor, form)
    return render_page(
        request, "etftrader/quarantine.html", context, panels=PANELS, status=UNPROCESSABLE
    )


def _decide(row: QuarantinedPrice, given: dict[str, str], actor: Actor) -> QuarantinedPrice:
    act = price_gate.accept if given["verdict"] == decisions.ACCEPT else price_gate.reject
    return act(doubt_id=row.pk, note=given["note"], by=actor)


def _ids(posted: QueryDict) -> list[UUID]:
    found = []
    for text in posted.getlist("doubt"):
        try:
            found.append(UUID(text))
        except ValueError:
            continue
    return found


def _told(row: QuarantinedPrice) -> str:
    value = doubt_figures.told(row, row.value, shares=quarantine.shares([row])[row.pk])
    return f"{row.symbol} {value} of {row.session_date:%-d %b %Y} is {row.state}."


def _told_all(verdict: str, decided: decisions.Decided) -> str:
    words = [f"{len(decided.done)} {verdict}ed"]
    if decided.refused:
        first = decided.refused[0]
        words.append(f"{len(decided.refused)} not: {first.symbol} {first.detail}")
    return ", ".join(words) + ("" if words[-1].endswith(".") else ".")


def _list(request: HttpRequest, actor: Actor, form: DecisionForm | None = None) -> dict[str, Any]:
    rows, chosen = _narrowed(quarantine.rows(actor=actor), request.GET)
    page = table_files.page_of(request, rows, PAGE)
    looked = quarantine.looked_at(list(page.object_list))
    page.object_list = looked  # type: ignore[assignment]
    ids = {each.row.instrument_id for each in looked if each.row.instrument_id}
    held_by = doubts.holders(actor=actor, instrument_ids=ids)
    may = may_operate(actor) and chosen["state"] == QuarantineState.HELD
    query = QueryDict(mutable=True)
    query.update({name: each for name, each in chosen.items() if each or name == "state"})
    table = paged(
        page,
        key="doubts",
        caption="Prices in quarantine, newest session first",
        columns=_columns(chosen["state"], may=may),
        row=lambda each: _row(each, held_by, actor),
        query=query.urlencode(),
        empty="No price waits for a person. A price that jumps, disagrees with another source or "
        "is no number is held back and shows here; the last accepted one stays in use.",
    )
    narrowed = any(chosen[name] for name in ("reason", "symbol"))
    narrowed = narrowed or chosen["state"] != QuarantineState.HELD
    return {
        "table": table | {"filtered": narrowed, "clear_url": reverse("quarantine")},
        "fields": _fields(chosen),
        "may_decide": may,
        "form": form or DecisionForm(auto_id="batch_%s"),
        "page_query": query.urlencode(),
        "waiting": quarantine.held(),
        "section": "quarantine",
    }


def _narrowed(
    rows: QuerySet[QuarantinedPrice], given: QueryDict
) -> tuple[QuerySet[QuarantinedPrice], dict[str, str]]:
    state = given.get("state", str(QuarantineState.HELD))
    if state and state not in QuarantineState.values:
        state = str(QuarantineState.HELD)
    reason = given.get("reason", "") if given.get("reason") in quarantine.WORDS else ""
    symbol = given.get("symbol", "").strip()[:32]
    if state:
        rows = rows.filter(state=state)
    if reason:
        rows = rows.filter(reason=reason)
    if symbol:
        rows = rows.filter(symbol__iexact=symbol)
    return rows, {"state": state, "reason": reason, "symbol": symbol}


def _fields(chosen: dict[str, str]) -> list[dict[str, Any]]:
    words = {code: text[:1].upper() + text[1:] for code, text in quarantine.WORDS.items()}
    return [
        choice("state", "State", chosen["state"], dict(QuarantineState.choices)),
        choice("reason", "Reason", chosen["reason"], words),
        {"name": "symbol", "label": "Symbol", "value": chosen["symbol"]},
    ]


def _columns(state: str, *, may: bool) -> list[dict[str, Any]]:
    columns = list(COLUMNS)
    if state != QuarantineState.HELD:
        columns[-1] = {"key": "decided", "label": "Decided", "css": "wrap"}
    if may:
        template = "etftrader/cell_choose.html"
        choose = {"key": "choose", "label": "", "kind": "template", "template": template}
        columns.insert(1, choose | {"priority": "p3"})
        template = "etftrader/cell_decide.html"
        columns.append({"key": "decide", "label": "", "kind": "template", "template": template})
    return columns


def _row(each: Doubt, held_by: dict[UUID, int], actor: Actor) -> dict[str, Any]:
    row = each.row
    kind = KINDS.get(row.dataset, row.dataset)
    seen = f", seen {row.times_seen} times" if row.times_seen > 1 else ""
    url = reverse("doubt", args=[row.pk])
    return {
        "id": row.pk,
        "name": f"{row.symbol} to {row.session_date}",
        "symbol": row.symbol,
        "url": url,
        "kind": f"{kind}{seen}",
        "session": f"{row.session_date:%a %-d %b %Y}",
        "value": _told_figure(each, row.value),
        "before": _told_figure(each, row.compared_with) if row.compared_with else None,
        "before_reason": "it was held against nothing",
        "difference": each.difference,
        "difference_reason": "there is nothing to compare it with",
        "line": each.line if len(each.line) > 1 else [],
        "reason": quarantine.in_words(row.reason),
        "source": row.source,
        "effect": doubts.effect(each, held_by, all_books=actor.reads_all),
        "decided": _decided(row),
        "choose": str(row.pk),
        "decide": url,
        "believable": each.believable,
        "split": _split_url(row),
    }


def _split_url(row: QuarantinedPrice) -> str:
    """Where a split that explains it is entered; empty where none can."""
    return f"{reverse('action_new')}?doubt={row.pk}" if quarantine.may_be_split(row) else ""


def _told_figure(each: Doubt, text: str) -> str:
    return doubt_figures.told(each.row, text, shares=each.shares)


def _decided(row: QuarantinedPrice) -> str:
    if row.decided_at is None:
        return " "
    return f"{row.decided_at:%-d %b %Y}: {row.note}" if row.note else f"{row.decided_at:%-d %b %Y}"


def _one(actor: Actor, row: QuarantinedPrice, form: DecisionForm) -> dict[str, Any]:
    [each] = quarantine.looked_at([row])
    ids = {row.instrument_id} if row.instrument_id else set()
    held_by = doubts.holders(actor=actor, instrument_ids=ids)
    waits = row.state == QuarantineState.HELD
    behind = quarantine.waiting_behind(row) if waits else 0
    verdict = str(form["verdict"].value() or "")
    who = runs.people([row.decided_by]).get(row.decided_by) if row.decided_by else ""
    return {
        "doubt": row,
        "each": each,
        "value": _told_figure(each, row.value),
        "before": _told_figure(each, row.compared_with),
        "kind": KINDS.get(row.dataset, row.dataset),
        "words": quarantine.in_words(row.reason),
        "effect": doubts.effect(each, held_by, all_books=actor.reads_all),
        "behind": behind,
        "chart": _chart(each),
        "raw": quarantine.as_given(row),
        "form": form,
        "verdict": verdict if verdict in VERBS else "",
        "verb": VERBS.get(verdict, ""),
        "may_decide": waits and may_operate(actor),
        "split_url": _split_url(row),
        "waiting": quarantine.held(),
        "decided_by": name_of(actor, row.decided_by, who or "") if row.decided_by else "",
        "section": "quarantine",
    }


def _chart(each: Doubt) -> dict[str, Any] | None:
    if len(each.line) < 2:
        return None
    row = each.row
    return {
        "id": "doubt-line",
        "title": f"{row.symbol}: accepted closes, and the price in doubt",
        "conclusion": f"The last accepted close is "
        f"{doubt_figures.told(row, f'{each.line[-2]:.4f}')}, "
        f"the doubt {_told_figure(each, row.value)}.",
        "x": list(each.days),
        "series": [{"name": row.symbol, "values": list(each.line)}],
        "events": [{"x": each.days[-1], "label": "held back"}],
        "fmt": "price",
        "height": 260,
    }
