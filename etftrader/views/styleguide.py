"""The style page: every partial in every state, in both themes, for staff. Figures are samples."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse

from etftrader.core.pages import render_page
from etftrader.views import style_samples as samples

TOKENS = (
    "canvas panel raised sunken track line line-strong control ink ink-2 ink-3 accent gain loss "
    "warn warn-fill crit series-1 series-2 series-3 series-4 series-5 series-6"
).split()


def board(theme: str) -> dict[str, Any]:
    """Everything one theme's half of the page shows; ids carry the theme to stay unique."""
    return {
        "theme": theme,
        "tokens": TOKENS,
        "kpis": samples.kpis(),
        "plain_kpis": samples.plain_kpis(),
        "limits": samples.limits(),
        "line": samples.line(f"{theme}-var"),
        "two_lines": samples.two_lines(f"{theme}-nav"),
        "no_line": {"x": [], "series": [], "empty": "History starts with the next snapshot."},
        "diverging": samples.diverging(f"{theme}-parts"),
        "bullet": samples.bullet(f"{theme}-checks"),
        "coverage": samples.coverage(f"{theme}-coverage"),
        "spark": samples.path(30, 100, 7),
        "table": samples.positions(f"{theme}-positions"),
        "no_rows": samples.no_rows(f"{theme}-none"),
        "filtered": samples.filtered(f"{theme}-filtered"),
        "page": Paginator(range(461), 50).page(2),
        "checks": samples.checks(),
        "changes": samples.changes(),
        "jobs": samples.jobs(),
        "alerts": samples.alerts(),
        "words": samples.WORDS,
        "qualities": samples.QUALITIES,
        "verdicts": samples.verdicts(),
        "events": samples.events(),
        "clocks": samples.clocks(),
        "menu": samples.menu(),
        "filters": samples.filters(),
        "samples": samples.calls(),
        "steps": ["File", "Check", "Commit"],
        "form": samples.SampleForm(
            {"symbol": "SPY", "quantity": "many", "side": "buy"}, auto_id=f"{theme}_%s"
        ),
    }


@login_required
def styleguide(request: HttpRequest) -> HttpResponse:
    """GET /styleguide/: staff see it, others get the same 404 as for no page."""
    if not request.user.is_staff:
        raise Http404
    context = {"boards": [board("dark"), board("light")]}
    return render_page(request, "etftrader/styleguide.html", context)
