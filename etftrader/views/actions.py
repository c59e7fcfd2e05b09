"""Splits, dividends and new symbols: look at them, enter one by hand, reject an announced one."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from etftrader import day
from etftrader.core import formats, table_files
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed
from etftrader.core.money import plain
from etftrader.core.pages import UNPROCESSABLE, done, paged, render_page
from etftrader.core.records import AuditEvent
from etftrader.services import actions as write
from etftrader.views import decisions
from etftrader.views.decisions import ReasonField, choice, name_of
from etftrader.views.permissions import may_operate
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import CorporateAction, QuarantinedPrice
from marketdata.selectors import corporate_actions, quarantine
from marketdata.services import action_edits
from portfolios.views.as_of import moment_of

PAGE = 50
KINDS = {
    str(ActionKind.SPLIT): "Split",
    str(ActionKind.DIVIDEND): "Dividend",
    str(ActionKind.SYMBOL): "Symbol change",
}
STATES = {
    str(ActionStatus.PENDING): "Announced",
    str(ActionStatus.APPLIED): "Applied",
    str(ActionStatus.REJECTED): "Rejected",
}
TAGS = {
    ActionStatus.PENDING: "watch",
    ActionStatus.APPLIED: "ok",
    ActionStatus.REJECTED: "plain",
}
PANELS = {
    "actions": "etftrader/actions_table.html",
    "reject": "etftrader/action_reject_dialog.html",
}
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Symbol", "sub": "kind"},
    {"key": "ex_date", "label": "Ex-date"},
    {"key": "what", "label": "What", "css": "wrap"},
    {"key": "state", "label": "State", "kind": "tag"},
    {"key": "source", "label": "Source", "priority": "p3"},
    {"key": "who", "label": "By whom, and why", "css": "wrap", "priority": "p2"},
)


def _day(label: str, **how: Any) -> forms.DateField:
    return forms.DateField(label=label, widget=forms.DateInput(attrs={"type": "date"}), **how)


def _figure(label: str, help_text: str) -> forms.DecimalField:
    return forms.DecimalField(
        label=label,
        required=False,
        max_digits=18,
        decimal_places=6,
        help_text=help_text,
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )


class ActionForm(forms.Form):
    """An action as a person knows it; of the figures only the one of its kind."""

    symbol = forms.CharField(
        max_length=32, label="Symbol", widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    kind = forms.ChoiceField(choices=list(KINDS.items()), label="Kind")
    ex_date = _day("Ex-date", help_text="The first session that trades without it.")
    ratio = _figure("Ratio", "Of a split: new shares for one old, such as 4; 0.1 is one for ten.")
    amount = _figure("Amount", "Of a dividend: dollars a share before tax, in shares of that day.")
    pay_date = _day("Pay date", required=False, help_text="Of a dividend; the ex-date without it.")
    new_symbol = forms.CharField(
        max_length=32,
        required=False,
        label="New symbol",
        help_text="Of a symbol change. The old one goes on finding the instrument.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    reason = ReasonField(required=False, help_text="Kept in the audit line.")


class RejectForm(forms.Form):
    """Why an announced action is not believed."""

    reason = ReasonField()


@login_required
def actions(request: HttpRequest) -> HttpResponse:
    """The list, newest ex-date first."""
    context = _list(request, Actor.of(request))
    return render_page(request, "etftrader/actions.html", context, panels=PANELS)


@login_required
def enter(request: HttpRequest) -> HttpResponse:
    """The form for an action that no source has told."""
    actor = Actor.of(request)
    if not may_operate(actor):
        raise NotAllowed("Operators enter corporate actions.")
    doubt = _doubt(request, actor)
    form = ActionForm(request.POST or None, initial=_as_split(doubt))
    if form.is_bound and form.is_valid():
        given = {name: each for name, each in form.cleaned_data.items() if each is not None}
        latest = moment_of(request).session_date
        try:
            made = write.enter(latest=latest, by=actor, **given)
            told = _told(made, latest)
            if doubt is not None:
                told += " What was held back for its move is judged anew then."
            return done(request, reverse("quarantine" if doubt else "actions"), told)
        except DomainError as error:
            attr = str(error.figures.get("attr", ""))
            form.add_error(attr if attr in form.fields else None, error.detail)
    context = {"form": form, "doubt": doubt, "held": quarantine.held(), "section": "actions"}
    status = UNPROCESSABLE if form.is_bound else 200
    return render_page(request, "etftrader/action_new.html", context, status=status)


def _doubt(request: HttpRequest, actor: Actor) -> QuarantinedPrice | None:
    """The price held back for a move that an action is to explain, if one is named."""
    try:
        named = UUID(request.GET.get("doubt", ""))
    except ValueError:
        return None
    found = quarantine.one(actor=actor, doubt_id=named)
    return found if quarantine.may_be_split(found) else None


def _as_split(doubt: QuarantinedPrice | None) -> dict[str, Any]:
    """What the form begins with: the split that the move would be."""
    if doubt is None:
        return {}
    guess = quarantine.as_split(doubt)
    return {
        "symbol": doubt.symbol,
        "kind": ActionKind.SPLIT.value,
        "ex_date": guess.doubt.session_date,
        "ratio": plain(guess.ratio) if guess.ratio is not None else None,
        "reason": f"Explains the close of {guess.doubt.session_date}, which is held back.",
    }


@login_required
def reject(request: HttpRequest, action_id: UUID) -> HttpResponse:
    """Ask for the reason, then leave the action out."""
    actor = Actor.of(request)
    row = corporate_actions.one(actor=actor, moment=moment_of(request), action_id=action_id)
    if not may_operate(actor):
        raise NotAllowed("Operators reject corporate actions.")
    form = RejectForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            action_edits.reject(action_id=row.pk, reason=form.cleaned_data["reason"], by=actor)
            told = f"The {KINDS[row.kind].lower()} of {row.instrument.symbol} is rejected."
            return done(request, reverse("actions"), told)
        except DomainError as error:
            form.add_error(None, error.detail)
    context = {
        "action": row,
        "what": _what(row),
        "kind": KINDS[row.kind].lower(),
        "form": form,
        "held": quarantine.held(),
        "section": "actions",
    }
    page = "etftrader/action_reject.html"
    return decisions.asked(request, page, PANELS["reject"], context, panels=PANELS)


def _told(row: CorporateAction, latest: date) -> str:
    due = row.ex_date <= max(latest, day.session_of("actions"))
    when = "applied by a worker now, then booked" if due else "applied with that session"
    return (
        f"{KINDS[row.kind]} of {row.instrument.symbol} on {row.ex_date:%-d %b %Y} is announced; "
        f"it is {when}."
    )


def _list(request: HttpRequest, actor: Actor) -> dict[str, Any]:
    every = corporate_actions.listed(actor=actor, moment=moment_of(request))
    rows, chosen = _narrowed(every, request.GET)
    page = table_files.page_of(request, rows, PAGE)
    said = corporate_actions.decisions(page.object_list)
    may = may_operate(actor)
    query = QueryDict(mutable=True)
    query.update({name: each for name, each in chosen.items() if each})
    table = paged(
        page,
        key="actions",
        caption="Corporate actions, newest ex-date first",
        columns=_columns(may=may),
        row=lambda each: _row(each, said.get(each.pk), actor, may=may),
        query=query.urlencode(),
        empty="No split, dividend or symbol change is known. Sources tell splits and dividends "
        "with their prices and before the open; symbol changes are entered by hand. Each is "
        "applied once, to prices and books.",
    )
    return {
        "table": table | {"filtered": any(chosen.values()), "clear_url": reverse("actions")},
        "fields": _fields(chosen),
        "may_enter": may,
        "announced": every.filter(status=ActionStatus.PENDING).count(),
        "held": quarantine.held(),
        "section": "actions",
    }


def _narrowed(
    rows: QuerySet[CorporateAction], given: QueryDict
) -> tuple[QuerySet[CorporateAction], dict[str, str]]:
    kind = given.get("kind", "") if given.get("kind") in KINDS else ""
    state = given.get("state", "") if given.get("state") in STATES else ""
    symbol = given.get("symbol", "").strip()[:32]
    start, end = (_date(given.get(name, "")) for name in ("start", "end"))
    if kind:
        rows = rows.filter(kind=kind)
    if state:
        rows = rows.filter(status=state)
    if symbol:
        rows = rows.filter(instrument__symbol__iexact=symbol)
    if start:
        rows = rows.filter(ex_date__gte=start)
    if end:
        rows = rows.filter(ex_date__lte=end)
    return rows, {
        "kind": kind,
        "state": state,
        "symbol": symbol,
        "start": start.isoformat() if start else "",
        "end": end.isoformat() if end else "",
    }


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text.strip()) if text.strip() else None
    except ValueError:
        return None


def _fields(chosen: dict[str, str]) -> list[dict[str, Any]]:
    def text(name: str, label: str) -> dict[str, Any]:
        return {"name": name, "label": label, "value": chosen[name]}

    return [
        choice("kind", "Kind", chosen["kind"], KINDS),
        choice("state", "State", chosen["state"], STATES),
        text("symbol", "Symbol"),
        text("start", "From, 2020-08-31"),
        text("end", "To"),
    ]


def _columns(*, may: bool) -> list[dict[str, Any]]:
    if not may:
        return list(COLUMNS)
    template = "etftrader/cell_reject.html"
    return [*COLUMNS, {"key": "reject", "label": "", "kind": "template", "template": template}]


def _row(
    row: CorporateAction, said: AuditEvent | None, actor: Actor, *, may: bool
) -> dict[str, Any]:
    announced = row.status == ActionStatus.PENDING
    return {
        "id": row.pk,
        "symbol": row.instrument.symbol,
        "url": reverse("quote", args=[row.instrument.symbol]),
        "kind": KINDS[row.kind],
        "ex_date": f"{row.ex_date:%a %-d %b %Y}",
        "what": _what(row),
        "state": {"text": STATES[row.status], "kind": TAGS[ActionStatus(row.status)]},
        "source": row.source,
        "who": _who(row, said, actor),
        "reject": reverse("action_reject", args=[row.pk]) if may and announced else "",
    }


def _what(row: CorporateAction) -> str:
    if row.kind == ActionKind.SYMBOL:
        return f"becomes {row.new_symbol}"
    if row.kind == ActionKind.SPLIT:
        return f"{_plain(row.ratio)} new for 1 old"
    paid = f", paid {row.pay_date:%-d %b %Y}" if row.pay_date else ""
    return f"{_plain(row.amount)} a share{paid}"


def _plain(value: Decimal | None) -> str:
    return formats.figure(value) if value is not None else ""


def _who(row: CorporateAction, said: AuditEvent | None, actor: Actor) -> str:
    """Who entered or rejected it; of others' names only those who operate read them."""
    if said is None:
        return "as its source told it"
    name = name_of(actor, said.actor_id, said.actor_label)
    word = "rejected" if said.action.endswith("rejected") else "entered"
    return f"{word} by {name}: {said.reason}" if said.reason else f"{word} by {name}"
