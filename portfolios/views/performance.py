"""The page of a portfolio's performance: its tear sheet over a period, and its benchmarks."""

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, DomainError, VersionMismatch
from etftrader.core.pages import UNPROCESSABLE, done, is_fragment, render_page
from etftrader.core.table_files import at_most
from portfolios.calculations.periods import CUSTOM, PRESETS, Period
from portfolios.constants import Action
from portfolios.forms.performance import LABELS, BenchmarksForm, PeriodForm
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import access, performance_benchmarks
from portfolios.selectors.performance import TearSheet, tear_sheet
from portfolios.selectors.performance_rows import Row
from portfolios.services import benchmarks
from portfolios.views import performance_charts as charts
from portfolios.views import performance_tables as tables
from portfolios.views.as_of import keep_close, moment_of, past_session

PAGE = "portfolios/performance.html"
PANELS = {"sheet": "portfolios/performance_sheet.html"}
KEPT = ("period", "start", "end", "benchmark", "scale", "as_of")


class PerformancePage(LoginRequiredMixin, View):
    """GET /portfolios/<id>/performance/: the tear sheet."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Since opening, or over `?period=`, `?start=` and `?end=`; beside `?benchmark=`."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        return _page(request, portfolio)


class BenchmarksPage(LoginRequiredMixin, View):
    """POST /portfolios/<id>/performance/benchmarks/."""

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Keep what the portfolio is compared with."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        form = BenchmarksForm(request.POST)
        if not form.is_valid():
            return _page(request, portfolio, form, status=UNPROCESSABLE)
        try:
            benchmarks.set_benchmarks(
                portfolio_id=portfolio.pk,
                symbols=form.cleaned_data["symbols"].split(","),
                if_match_version=form.cleaned_data["version"],
                by=actor,
            )
        except VersionMismatch:
            form.add_error(None, "The portfolio was changed meanwhile. Reload the page.")
        except DomainError as error:
            form.add_error("symbols", error.detail)
        if form.errors:
            return _page(request, portfolio, form, status=UNPROCESSABLE)
        return done(request, reverse("performance", args=[portfolio.pk]), "Benchmarks kept.")


def _page(
    request: HttpRequest,
    portfolio: Portfolio,
    form: BenchmarksForm | None = None,
    *,
    status: int = 200,
) -> HttpResponse:
    asked = past_session(request)
    until = asked or moment_of(request).session_date
    period = PeriodForm(request.GET)
    found = _sheet(portfolio, period, until)
    keep_close(request, _as_snapshot(portfolio, found.newest))
    named = ", ".join(each.symbol for each in found.beside)
    context = {
        "portfolio": portfolio,
        "tab": "performance",
        "sheet": found,
        "form": period,
        "presets": _presets(request, found.period),
        "scales": _scales(request),
        "strip": tables.strip(found),
        "query": _query(request),
        "as_of": asked,
        "against": period.data.get("benchmark") or named,
        "benchmarks_form": form
        or BenchmarksForm(initial={"symbols": named, "version": portfolio.version}),
        "is_now": asked is None,
    }
    if found.rows:
        context |= {
            "growth": charts.growth(found, is_log=request.GET.get("scale") == "log"),
            "underwater": charts.underwater(found),
            "months": charts.months(found),
            "histogram": charts.histogram(found),
            "rolling": charts.rolling(found),
            "figures": tables.figures(found),
            "beside": tables.beside(found),
            "drawdowns": tables.drawdowns(found),
            "parts": tables.parts(found, at_most(request, tables.MOST_PARTS)),
            "money": tables.money(found),
            "trades": tables.trades(found),
            "trips": tables.trips(found, at_most(request, tables.MOST_TRIPS)),
        }
    response = render_page(request, PAGE, context, panels=PANELS, status=status)
    if is_fragment(request) and request.GET.get("panel"):
        # the address of the page, not of its panel
        response["HX-Push-Url"] = f"{request.path}?{context['query']}".rstrip("?")
    return response


def _as_snapshot(portfolio: Portfolio, row: Row | None) -> PortfolioSnapshot | None:
    """A snapshot of the columns read, for the frame; any other is read when it is asked for."""
    if row is None:
        return None
    known = {
        "id": row.pk,
        "portfolio_id": portfolio.pk,
        "session_date": row.session_date,
        "nav": row.nav,
        "daily_pnl": row.daily_pnl,
    }
    return PortfolioSnapshot.from_db(None, list(known), list(known.values()))


def _sheet(portfolio: Portfolio, form: PeriodForm, until: Any) -> TearSheet:
    """The sheet a valid form asks for; for any other the one without a form."""
    period, against = Period(), None
    if form.is_valid():
        period = form.period_asked()
        try:
            named = form.symbols()
            against = performance_benchmarks.checked(named, "benchmark") if named else None
        except BadInput as error:
            form.add_error("benchmark", error.detail)
    return tear_sheet(portfolio=portfolio, period=period, as_of=until, against=against)


def _query(request: HttpRequest, **changed: str) -> str:
    given = {name: request.GET.get(name, "") for name in KEPT} | changed
    return urlencode({name: value for name, value in given.items() if value})


def _presets(request: HttpRequest, period: Period) -> list[dict[str, Any]]:
    return [
        {
            "label": LABELS.get(each, each),
            "query": _query(request, period=each, start="", end=""),
            "on": period.name == each,
        }
        for each in PRESETS
        if each != CUSTOM
    ]


def _scales(request: HttpRequest) -> list[dict[str, Any]]:
    is_log = request.GET.get("scale") == "log"
    return [
        {"label": "Linear", "query": _query(request, scale=""), "on": not is_log},
        {"label": "Log", "query": _query(request, scale="log"), "on": is_log},
    ]
