"""What trading costs in a portfolio: the preset, and figures of one's own."""

from dataclasses import asdict
from uuid import UUID

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views import View

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, VersionMismatch
from etftrader.core.pages import UNPROCESSABLE, done, render_page
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading.calculations.cost_presets import PRESETS
from trading.choices import CostPreset
from trading.forms import CostsForm
from trading.selectors import costs as read
from trading.services import costs

PAGE = "trading/costs.html"
COLUMNS = [
    {"key": "preset", "label": "Preset"},
    {"key": "commission_per_trade", "label": "A trade", "fmt": "money2"},
    {"key": "commission_per_contract", "label": "A contract", "fmt": "money2"},
    {"key": "half_spread_bp", "label": "Half-spread", "fmt": "bp1"},
    {"key": "impact_y", "label": "Impact", "fmt": "ratio2"},
]


class CostsPage(LoginRequiredMixin, View):
    """GET, POST /portfolios/<portfolio_id>/costs/."""

    def get(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """What holds, and what may be chosen."""
        portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
        return _shown(request, portfolio)

    def post(self, request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
        """Choose; orders from now on are judged and filled with it."""
        actor = Actor.of(request)
        portfolio = access.portfolio_for(actor, portfolio_id, Action.MANAGE)
        form = CostsForm(request.POST)
        if not form.is_valid():
            return _shown(request, portfolio, form)
        try:
            costs.choose(
                portfolio_id=portfolio.pk,
                preset=form.cleaned_data["preset"],
                figures=form.figures(),
                if_match_version=form.cleaned_data["version"],
                by=actor,
            )
        except BadInput as error:
            field = str(error.figures.get("attr", ""))
            form.add_error(field if field in form.fields else None, error.detail)
            return _shown(request, portfolio, form)
        except VersionMismatch:
            form.add_error(None, "Somebody changed the costs meanwhile; open the page again.")
            return _shown(request, portfolio, form)
        url = reverse("costs", kwargs={"portfolio_id": portfolio.pk})
        return done(request, url, "Costs chosen; trades that are booked keep theirs.")


def _shown(
    request: HttpRequest, portfolio: Portfolio, form: CostsForm | None = None
) -> HttpResponse:
    row = read.row(portfolio_id=portfolio.pk)
    now = asdict(read.rates(row)) | {"version": row.version if row is not None else 0}
    may = access.may(Actor.of(request), portfolio, Action.MANAGE)
    context = {"portfolio": portfolio, "tab": "orders"} | {
        "form": (form or CostsForm(initial=now)) if may else None,
        "chosen": CostPreset(str(now["preset"])).label,
        "table": _table(),
    }
    return render_page(request, PAGE, context, status=UNPROCESSABLE if form else 200)


def _table() -> dict[str, object]:
    """The presets side by side."""
    rows = [
        asdict(rates)
        | {
            "id": name,
            "preset": CostPreset(name).label,
            "half_spread_bp_reason": "of the instrument's class",
        }
        for name, rates in PRESETS.items()
    ]
    return {"id": "presets", "caption": "Presets", "columns": COLUMNS, "rows": rows}
