"""Accounts: the list, one with its portfolios; opened, renamed, closed, opened again."""

from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed, NotFound
from etftrader.core.formats import in_currency
from etftrader.core.pages import UNPROCESSABLE, done, render_page, render_refusal
from marketdata.selectors import sessions
from portfolios.choices import AccountStatus
from portfolios.forms.account_book import AccountForm, NewAccountForm, StatusForm
from portfolios.models import Account
from portfolios.selectors import access, account_books, people
from portfolios.selectors.account_books import Kept
from portfolios.services import account_book
from portfolios.views import book_tables
from portfolios.views.as_of import past_session

LIST, ONE = "portfolios/accounts.html", "portfolios/account.html"
NONE_VALUED = "no portfolio in it has a snapshot yet"
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Account", "css": "fold"},
    {"key": "type", "label": "Type"},
    {"key": "books", "label": "Portfolios", "fmt": "int", "priority": "p2"},
    {"key": "nav", "label": "Balance", "fmt": "money2"},
    {"key": "cash", "label": "Cash", "fmt": "money2", "priority": "p2"},
    {"key": "day_pnl", "label": "Day", "fmt": "signed:money2", "tone": True, "priority": "p3"},
    {"key": "opened", "label": "Opened", "kind": "moment", "moment": "date", "priority": "p3"},
    {"key": "state", "label": "State", "kind": "tag", "priority": "p3"},
)


class AccountsPage(LoginRequiredMixin, View):
    """GET, POST /accounts/."""

    def get(self, request: HttpRequest) -> HttpResponse:
        """Every account one may see; the form opens another."""
        return self._page(request, NewAccountForm())

    def post(self, request: HttpRequest) -> HttpResponse:
        """Open one."""
        actor, form = Actor.of(request), NewAccountForm(request.POST)
        if not form.is_valid():
            return self._page(request, form, UNPROCESSABLE)
        try:
            _check_trader(actor)
            made = account_book.open_account(user=people.me(actor), by=actor, **form.cleaned_data)
        except DomainError as error:
            return render_refusal(request, LIST, _list(request, form), error, form=form)
        return done(request, _address(made.pk), f"{made.name} is open.")

    def _page(self, request: HttpRequest, form: Form, status: int = 200) -> HttpResponse:
        return render_page(request, LIST, _list(request, form), status=status)


class AccountPage(LoginRequiredMixin, View):
    """GET, POST /accounts/<id>/."""

    def get(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """Its portfolios, what they add up to, and what can be changed."""
        return render_page(request, ONE, _one(request, account_id))

    def post(self, request: HttpRequest, account_id: UUID) -> HttpResponse:
        """Rename it, or make it another type."""
        actor, form = Actor.of(request), AccountForm(request.POST)
        row = _own(actor, account_id)
        if not form.is_valid():
            context = _one(request, row.pk, form=form)
            return render_page(request, ONE, context, status=UNPROCESSABLE)
        said = dict(form.cleaned_data)
        version = said.pop("version")
        try:
            account_book.update(account_id=row.pk, changes=said, if_match_version=version, by=actor)
        except DomainError as error:
            context = _one(request, row.pk, form=form)
            return render_refusal(request, ONE, context, error, form=form)
        return done(request, _address(row.pk), "Saved.")


class AccountStatusPage(LoginRequiredMixin, View):
    """POST /accounts/<id>/close/ and /reopen/."""

    def post(self, request: HttpRequest, account_id: UUID, act: str) -> HttpResponse:
        """Close it once it holds no open portfolio, or open it again."""
        actor, form = Actor.of(request), StatusForm(request.POST)
        row = _own(actor, account_id)
        if not form.is_valid():
            context = _one(request, row.pk, status_form=form)
            return render_page(request, ONE, context, status=UNPROCESSABLE)
        change = account_book.close if act == "close" else account_book.reopen
        try:
            change(
                account_id=row.pk,
                reason=form.cleaned_data["reason"],
                if_match_version=form.cleaned_data["version"],
                by=actor,
            )
        except DomainError as error:
            context = _one(request, row.pk, status_form=form)
            return render_refusal(request, ONE, context, error, form=form)
        word = "closed" if act == "close" else "open again"
        return done(request, _address(row.pk), f"{row.name} is {word}.")


def _own(actor: Actor, account_id: UUID) -> Account:
    """One's own account. Raises NotFound, and NotAllowed where it is only seen."""
    row = people.account_of(actor=actor, account_id=account_id)
    if row is None:
        if Account.objects.for_actor(actor).filter(pk=account_id).exists():
            raise NotAllowed("Staff may read this account, not change it.")
        raise NotFound("There is no such account.")
    _check_trader(actor)
    return row


def _check_trader(actor: Actor) -> None:
    """The site group says whether somebody may keep books at all."""
    if "Trader" not in actor.groups:
        raise NotAllowed("Your account may only read.")


def _list(request: HttpRequest, form: Form) -> dict[str, Any]:
    actor = Actor.of(request)
    until = past_session(request) or sessions.latest()
    kept = account_books.visible(actor=actor, until=until)
    access.note_reading(actor, [each.account for each in kept])
    return {
        "table": _table(kept),
        "form": form,
        "until": until,
        "may_open": "Trader" in actor.groups and past_session(request) is None,
    }


def _table(kept: list[Kept]) -> dict[str, Any]:
    return {
        "id": "accounts",
        "caption": "Accounts, open ones first",
        "columns": COLUMNS,
        "rows": [_row(each) for each in kept],
        "empty": {"text": "No account yet. The form beside opens one."},
    }


def _row(kept: Kept) -> dict[str, Any]:
    row = kept.account
    is_open = row.status == AccountStatus.ACTIVE
    told = {
        "id": row.pk,
        "url": _address(row.pk),
        "name": row.name,
        "type": row.get_account_type_display(),
        "books": len(kept.open),
        "nav": kept.nav,
        "cash": kept.cash,
        "day_pnl": kept.day_pnl,
        "opened": row.opened_at or row.created_at,
        "state": {"kind": "ok" if is_open else "plain", "text": row.status},
        "currency": _currency(kept),
    }
    return told | {f"{name}_reason": _missing(kept) for name in ("nav", "cash", "day_pnl")}


def _currency(kept: Kept) -> str:
    """What its sums are in."""
    return kept.currencies[0] if kept.currencies else kept.account.currency


def _missing(kept: Kept) -> str:
    """Why there is no sum."""
    if len(kept.currencies) > 1:
        return f"the portfolios in it are kept in {' and '.join(kept.currencies)}"
    return NONE_VALUED


def _one(
    request: HttpRequest,
    account_id: UUID,
    form: Form | None = None,
    status_form: Form | None = None,
) -> dict[str, Any]:
    actor, past = Actor.of(request), past_session(request)
    until = past or sessions.latest()
    kept = account_books.one(actor=actor, account_id=account_id, until=until)
    access.note_reading(actor, [kept.account])
    row = kept.account
    own = people.account_of(actor=actor, account_id=row.pk) is not None
    initial = {"name": row.name, "account_type": row.account_type, "version": row.version}
    table = book_tables.portfolios(kept.rows)
    words = "No portfolio is kept in it yet."
    return {
        "account": row,
        "kept": kept,
        "kpis": _kpis(kept),
        "until": until,
        "table": table | {"empty": table["empty"] | {"text": words}},
        "may_change": own and past is None and "Trader" in actor.groups,
        "form": form or AccountForm(initial=initial),
        "status_form": status_form or StatusForm(initial=initial, auto_id="status_%s"),
    }


def _kpis(kept: Kept) -> list[dict[str, Any]]:
    figures = (
        ("Balance", kept.nav, "money2", "equity of its open portfolios"),
        ("Cash", kept.cash, "money2", "of them, at the same close"),
        ("Day P&L", kept.day_pnl, "signed:money2", "of that session"),
    )
    told: list[dict[str, Any]] = [
        {
            "label": label,
            "value": value,
            "fmt": in_currency(fmt, _currency(kept)),
            "sub": sub,
            "reason": _missing(kept),
        }
        for label, value, fmt, sub in figures
    ]
    closed = len(kept.rows) - len(kept.open)
    sub = f"{closed} closed" if closed else "open"
    return [*told, {"label": "Portfolios", "value": len(kept.open), "fmt": "int", "sub": sub}]


def _address(account_id: UUID) -> str:
    return reverse("account", args=[account_id])
