"""Pages of the Greeks: a book by underlying, and one underlying with its scenarios."""

from datetime import date
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotEnoughData, NotFound
from etftrader.core.pages import done, render_page
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access, greeks, option_scenarios
from portfolios.selectors.greeks import Book
from portfolios.services import greeks as write
from portfolios.views import greek_tables as tables
from portfolios.views.as_of import moment_of, past_session

BOOK_PANELS = {"book": "portfolios/greeks_book.html"}
ONE_PANELS = {
    "figures": "portfolios/greeks_figures.html",
    "profile": "portfolios/greeks_profile.html",
}
HORIZONS = (1, 7, 14, 30)
SHIFTS = ((-15, "IV −15%"), (0, "IV as it is"), (15, "IV +15%"))


class GreeksPage(LoginRequiredMixin, View):
    """GET /portfolios/<id>/greeks/: sensitivities by underlying, and when they end."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Now, or at a past close with `?as_of=`; legs of the underlyings in `?open=`."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id)
        moment, asked = moment_of(request), past_session(request)
        found = _book(portfolio, moment, asked)
        opened = {each for each in request.GET.get("open", "").split(",") if each}
        context = _frame(portfolio, moment, asked, found) | {
            "may_calculate": asked is None and _may_calculate(actor, portfolio),
            "query": _query(asked, open=",".join(sorted(opened))),
        }
        if found is not None:
            context |= {
                "kpis": tables.kpis(found.greeks, found.legs),
                "table": tables.underlyings(found, opened, asked),
                "ladder": tables.ladder(found.ladder),
            }
        return render_page(request, "portfolios/greeks.html", context, panels=BOOK_PANELS)


class UnderlyingPage(LoginRequiredMixin, View):
    """GET /portfolios/<id>/greeks/<underlying>/: what is gained and lost when it moves."""

    def get(self, request: HttpRequest, portfolio_id: UUID, underlying: str) -> HttpResponse:
        """The toggles are `?vol=` (per cent of each volatility) and `?days=`."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        moment, asked = moment_of(request), past_session(request)
        found = _book(portfolio, moment, asked)
        group = found.group(underlying) if found else None
        if found is None or group is None:
            raise NotFound("Nothing is held on this underlying.")
        shift = _choice(request, "vol", [each for each, _ in SHIFTS], 0)
        days = _choice(request, "days", HORIZONS, option_scenarios.HORIZON_DAYS)
        shown = option_scenarios.scenario(
            group=group, horizon_days=days, volatility_shift=shift / 100.0
        )
        context = _frame(portfolio, moment, asked, found) | {
            "group": group,
            "kpis": tables.kpis(group.greeks, group.legs),
            "table": tables.legs(group),
            "sub": tables.spot_line(group, found),
            "payoff": tables.payoff(group, shown),
            "heat": tables.heat(group, shown),
            "why_nothing": tables.why_nothing(group, shown),
            "models": [tables.MODELS.get(name, name) for name in shown.models],
            "query": _query(asked, vol=shift or "", days=days),
            "shifts": [
                _toggle(asked, label, on=each == shift, vol=each or "", days=days)
                for each, label in SHIFTS
            ],
            "horizons": [
                _toggle(asked, f"T+{each}", on=each == days, vol=shift or "", days=each)
                for each in HORIZONS
            ],
        }
        return render_page(request, "portfolios/greeks_underlying.html", context, panels=ONE_PANELS)


class CalculatePage(LoginRequiredMixin, View):
    """POST /portfolios/<id>/greeks/calculate/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Ask for the job and go back."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.CALCULATE)
        message = "The Greeks of the last close are being computed."
        try:
            write.ask(portfolio=portfolio, session_date=sessions.latest(), by=actor)
        except (Conflict, NotEnoughData) as error:
            message = error.detail
        return done(request, reverse("greeks", args=[portfolio.pk]), message)


def _book(portfolio: Portfolio, moment: Moment, asked: date | None) -> Book | None:
    if asked is None:
        return greeks.now(portfolio=portfolio, moment=moment)
    return greeks.at(portfolio=portfolio, session_date=asked)


def _frame(
    portfolio: Portfolio, moment: Moment, asked: date | None, found: Book | None
) -> dict[str, Any]:
    """What both pages show around their panels."""
    return {
        "portfolio": portfolio,
        "tab": "greeks",
        "moment": moment,
        "asked": asked,
        "is_now": asked is None,
        "found": found,
        "left_out": _left_out(found) if found else "",
    }


def _left_out(found: Book) -> str:
    """The legs in no sum, each with its reason."""
    legs = found.excluded
    if not legs:
        return ""
    named = "; ".join(f"{tables.name_of(each)} ({each.detail})" for each in legs[:5])
    more = f"; and {len(legs) - 5} more" if len(legs) > 5 else ""
    return f"{len(legs)} of {len(found.legs)} legs: {named}{more}."


def _may_calculate(actor: Actor, portfolio: Portfolio) -> bool:
    """For the button; the door asks again."""
    mine = Action.CALCULATE in access.actions_of(actor, portfolio)
    return mine or access.staff_may(actor, Action.CALCULATE)


def _choice(request: HttpRequest, name: str, known: Any, default: int) -> int:
    """A toggle's value; anything that is none of them is the default."""
    text = request.GET.get(name, "")
    return next((each for each in known if str(each) == text), default)


def _query(asked: date | None, **kept: Any) -> str:
    given = {"as_of": asked.isoformat() if asked else "", **kept}
    return urlencode({name: value for name, value in given.items() if value != ""})


def _toggle(asked: date | None, label: str, *, on: bool, **kept: Any) -> dict[str, Any]:
    return {"label": label, "query": _query(asked, **kept), "on": on}
