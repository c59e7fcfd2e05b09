"""The limits of a portfolio: what binds now, how to change it, and every change there was."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core import formats
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError, NotAllowed
from etftrader.core.pages import done, render_page, render_refusal
from marketdata.selectors import calendar
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from portfolios.views.as_of import keep_close, moment_of, past_session
from risk.choices import Unit
from risk.forms import LimitForm
from risk.models import RiskLimit
from risk.selectors import limits as limit_rows
from risk.selectors import var
from risk.selectors.limits import LimitInForce
from risk.services import limits
from risk.views import blocks

TEMPLATE = "risk/limits.html"


class LimitsPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<portfolio_id>/risk/limits/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Limits in force, a form each for who may change them, and the history."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        return render_page(request, TEMPLATE, _context(request, actor, portfolio))

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Change one limit, with its reason."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.LIMIT)
        form = LimitForm(request.POST)
        if not form.is_valid():
            context = _context(request, actor, portfolio, form)
            return render_page(request, TEMPLATE, context, status=422)
        given = form.cleaned_data
        try:
            limits.change(
                portfolio_id=portfolio.pk,
                measure=given["measure"],
                value=given["value"],
                unit=given["unit"],
                watch=given["watch"] / 100.0,
                hard=given["hard"],
                reason=given["reason"],
                as_of=moment_of(request).as_of,
                if_match_version=given["version"],
                by=actor,
            )
        except NotAllowed:
            raise
        except DomainError as error:
            context = _context(request, actor, portfolio, form)
            return render_refusal(request, TEMPLATE, context, error, form=form)
        url = reverse("risk_limits", kwargs={"portfolio_id": portfolio.pk})
        return done(request, url, "Limit changed.")


def _context(
    request: HttpRequest, actor: Actor, portfolio: Portfolio, bound: LimitForm | None = None
) -> dict[str, Any]:
    past = past_session(request)
    if past is None:
        found = var.current(portfolio_id=portfolio.pk, moment=moment_of(request))
    else:
        found = var.at(portfolio_id=portfolio.pk, session_date=past)
        keep_close(request, found.snapshot)  # the frame around the page shows it too
    close = calendar.close_time(past) if past else None
    may = past is None and Action.LIMIT in access.actions_of(actor, portfolio)
    meters = {each["label"]: each for each in blocks.limits(found.record)}
    return {
        "portfolio": portfolio,
        "tab": "risk",
        "may_limit": may,
        "entries": [
            {
                "limit": each,
                "meter": meters.get(each.label),
                "form": _form(each, bound) if may else None,
                "opened": bound is not None and bound.data.get("measure") == each.measure,
            }
            for each in found.limits
        ],
        "history": _history(limit_rows.history(portfolio_id=portfolio.pk, by=close)),
    }


def _form(limit: LimitInForce, bound: LimitForm | None) -> LimitForm:
    if bound is not None and bound.data.get("measure") == limit.measure:
        return bound
    shown = limit.value * 100 if limit.unit == Unit.FRACTION else limit.value
    return LimitForm(
        auto_id=f"{limit.measure}_%s",
        initial={
            "measure": limit.measure,
            "version": limit.version,
            "value": _plain(shown),
            "unit": limit.unit,
            "watch": round(limit.watch * 100, 2),
            "hard": limit.hard,
        },
    )


def _history(rows: list[RiskLimit]) -> dict[str, Any]:
    return {
        "id": "limit-history",
        "caption": "Every change of a limit, newest first",
        "columns": [
            {"key": "at", "label": "When", "kind": "moment", "moment": "full", "css": "fold"},
            {"key": "measure", "label": "Limit", "css": "fold"},
            {"key": "value", "label": "Value", "fmt": "text"},
            {"key": "watch", "label": "Watch", "fmt": "pct0", "priority": "p3"},
            {"key": "hard", "label": "Kind", "priority": "p2"},
            {"key": "who", "label": "Who", "priority": "p2"},
            {"key": "why", "label": "Why", "css": "fold"},
            {"key": "state", "label": "", "kind": "tag"},
        ],
        "rows": [
            {
                "id": str(each.pk),
                "at": each.valid_from,
                "measure": limit_rows.of_row(each).label,
                "value": _value(each),
                "watch": each.watch,
                "hard": "hard" if each.hard else "soft",
                "who": each.author_label,
                "why": each.reason,
                "state": {"kind": "plain", "text": "Replaced"}
                if each.closed_at
                else {"kind": "ok", "text": "In force"},
            }
            for each in rows
        ],
        "empty": {"text": "The defaults bind; nobody has changed a limit yet."},
    }


def _value(row: RiskLimit) -> str:
    if row.unit == Unit.FRACTION:
        return f"{_plain(row.value * 100)} % of equity"
    return formats.show(row.value, "money2")


def _plain(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
