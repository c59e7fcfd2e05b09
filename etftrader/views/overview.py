"""The portfolio on one page: what it is worth, what it holds, what moved it."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from etftrader.core import formats
from etftrader.core.actor import Actor
from etftrader.core.pages import render_page
from etftrader.selectors import overview as selector
from etftrader.templatetags import display
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.selectors import access, snapshots
from portfolios.selectors.positions import Worth
from portfolios.views.as_of import keep_close, moment_of, past_session
from risk.live import PortfolioRisk
from risk.selectors import limits

CHART_SESSIONS = 253
MAX_AGE = 30  # seconds after which a live figure looks old
GROUPINGS = (("sector", "Sector"), ("kind", "Type"), ("symbol", "Position"))
NO_HISTORY = "history starts with the first snapshot"
PANELS = {
    "figures": "etftrader/overview_figures.html",
    "movers": "etftrader/overview_movers.html",
    "exposure": "etftrader/overview_exposure.html",
}


@login_required
def overview(request: HttpRequest, portfolio_id: UUID) -> HttpResponse:
    """What do I hold, what is it worth, what is it doing?"""
    portfolio = access.portfolio_for(Actor.of(request), portfolio_id)
    moment = moment_of(request)
    as_of = past_session(request)
    found = selector.worth(portfolio=portfolio, moment=moment, as_of=as_of)
    context: dict[str, Any] = {
        "portfolio": portfolio,
        "tab": "overview",
        "moment": moment,
        "asked": as_of,
        "found": found,
    }
    if found is not None:
        context |= _figures(request, portfolio, found, moment, is_past=as_of is not None)
    return render_page(request, "etftrader/overview.html", context, panels=PANELS)


def _figures(
    request: HttpRequest, portfolio: Portfolio, found: Worth, moment: Moment, *, is_past: bool
) -> dict[str, Any]:
    history = snapshots.series(
        portfolio_id=portfolio.pk,
        until=min(found.session_date, moment.session_date),
        limit=CHART_SESSIONS,
    )
    record = None
    if not is_past:
        record = selector.live_risk(portfolio_id=portfolio.pk, moment=moment)
        keep_close(request, history[-1] if history else None)
    by = request.GET.get("by", "sector")
    by = by if by in dict(GROUPINGS) else "sector"
    held = bool(found.valuation.lines)
    return {
        "held": held,
        "kpis": _kpis(portfolio, found, history, record, is_past=is_past),
        "chart": _chart(history) if held or len(history) > 1 else None,
        "allocation": _allocation(found, by),
        "groupings": [{"key": key, "label": label, "on": key == by} for key, label in GROUPINGS],
        "movers": _movers(found),
        "exposure": _exposure(found),
        "exposure_sub": f"USD, as of {formats.eastern(found.as_of, 'minute')}",
        "start": _first_steps(portfolio),
        "is_now": not is_past,
        "drawn": _drawn(record),
        "refresh_on": "" if is_past else "value.updated",
    }


def _drawn(record: PortfolioRisk | None) -> str:
    """The session these figures are of, as the value channel names it."""
    if record is None:
        return "none"
    return f"{record.session_date} {'open' if record.value['played'] else 'close'}"


def _kpis(
    portfolio: Portfolio,
    found: Worth,
    history: Sequence[PortfolioSnapshot],
    record: PortfolioRisk | None,
    *,
    is_past: bool,
) -> list[dict[str, Any]]:
    value = found.valuation

    def figure(key: str, label: str, amount: Any, fmt: str = "money0", **more: Any) -> dict:
        live = "" if is_past else f"value.{key}"
        return {
            "label": label,
            "term": more.pop("term", key),
            "value": amount,
            "fmt": fmt,
            "live": live,
            "max_age": MAX_AGE if record is not None and live else "",
            **more,
        }

    day = display.show(found.day_return, "signed:pct2") if found.day_return is not None else ""
    return [
        _var(portfolio, found, history, record),
        figure("nav", "NAV", value.nav, sub=f"{found.session_date:%a %-d %b %Y}"),
        figure(
            "day_pnl",
            "Day P&L",
            found.day_pnl,
            "signed:money0",
            tone=True,
            sub=day,
            sub_live="" if is_past else "value.day_return",
            sub_fmt="signed:pct2",
            reason=NO_HISTORY,
        ),
        {
            "label": "Total P&L",
            "term": "total_pnl",
            "value": _total(found, is_past=is_past),
            "fmt": "signed:money0",
            "tone": True,
            "sub": "since the first booking",
            "reason": NO_HISTORY,
        },
        figure(
            "gross", "Gross", value.gross, term="gross_exposure", sub=_of(value.gross, value.nav)
        ),
        figure("net", "Net", value.net, term="net_exposure", sub=_of(value.net, value.nav)),
        figure("cash", "Cash", value.cash, sub=_of(value.cash, value.nav)),
    ]


def _var(
    portfolio: Portfolio,
    found: Worth,
    history: Sequence[PortfolioSnapshot],
    record: PortfolioRisk | None,
) -> dict[str, Any]:
    """VaR against its limit: of the session that runs, else of the last close."""
    risk: Mapping[str, Any] = record.risk if record is not None else {}
    last = history[-1] if history else None
    if record is not None:
        loss, ceiling = risk["var"], risk["limit"]
        watch = float(risk["watch"]) / float(ceiling) if ceiling else None
        when, reason = "now", risk["reason"] or ""
    else:
        rows = limits.in_force(portfolio_id=portfolio.pk)
        bound = next(each for each in rows if each.measure == "var")
        loss = last.var_95_1d if last else None
        ceiling = bound.dollars(float(last.nav if last else found.nav))
        watch = bound.watch
        when = f"close of {last.session_date:%-d %b}" if last else ""
        reason = last.risk_reason.replace("_", " ") if last else "computed with the first close"
    return {
        "label": "VaR 95%, 1 day",
        "term": "var",
        "value": loss,
        "fmt": "money0",
        "live": "risk.var" if record is not None else "",
        "reason": reason or "not computed",
        "lead": True,
        "sub": when,
        "meter": {
            "value": loss,
            "limit": ceiling,
            "watch": watch,
            "fmt": "money0",
            "label": "VaR limit used",
            "live": "risk.utilisation" if record is not None else "",
            "live_limit": "risk.limit" if record is not None else "",
        },
    }


def _total(found: Worth, *, is_past: bool) -> Any:
    if found.snapshot is None:
        return None
    before = found.snapshot.cumulative_pnl
    return before if is_past or found.day_pnl is None else before + found.day_pnl


def _of(amount: Any, nav: Any) -> str:
    return f"{display.show(float(amount / nav), 'pct1')} of NAV" if nav > 0 else ""


def _chart(history: Sequence[PortfolioSnapshot]) -> dict[str, Any] | None:
    if len(history) < 2:
        return None
    mine, theirs = selector.beside_benchmark(history)
    parts = [
        f"{name} {display.show(values[-1] / selector.BASE - 1, 'signed:pct1')}"
        for name, values in (("this portfolio", mine), ("SPY", theirs))
        if values[-1] is not None
    ]
    series = [{"name": "Portfolio", "values": mine}]
    if any(value is not None for value in theirs):
        series.append({"name": "SPY", "values": theirs})
    return {
        "id": "nav",
        "title": "Net asset value freed of flows beside SPY, both 100 at the first session",
        "conclusion": f"Since {history[0].session_date:%-d %b %Y}: {', '.join(parts)}.",
        "x": [row.session_date for row in history],
        "series": series,
        "fmt": "ratio2",
        "width": 852,
        "height": 280,
    }


def _allocation(found: Worth, by: str) -> dict[str, Any]:
    shares = selector.allocation(found, by)
    top = next((each for each in shares if each.name != "Cash"), None)
    words = f"{top.name} is largest." if top and top.weight is not None else ""
    return {
        "id": "allocation",
        "title": "Signed exposure as a share of NAV",
        "conclusion": words,
        "rows": [{"label": each.name, "value": each.weight} for each in shares[:16]],
        "fmt": "pct1",
        "neutral": True,
        "names": ["Share of NAV"],
    }


def _movers(found: Worth) -> dict[str, Any] | None:
    rows = selector.movers(found)
    if not rows:
        return None
    return {
        "id": "contribution",
        "title": "Gain or loss of the day by position",
        "conclusion": f"{rows[0][0]} {display.show(rows[0][1], 'signed:money0')} leads, "
        f"{rows[-1][0]} {display.show(rows[-1][1], 'signed:money0')} trails.",
        "rows": [{"label": symbol, "value": float(amount)} for symbol, amount in rows],
        "fmt": "signed:money0",
        "names": ["Day P&L"],
    }


def _exposure(found: Worth) -> list[dict[str, Any]]:
    """Parts of one valuation, so that they add up; the panel is drawn anew as a whole."""
    value = found.valuation
    rows = (
        ("Long", "", value.long),
        ("Short", "", value.short),
        ("Gross", "gross_exposure", value.gross),
        ("Net", "net_exposure", value.net),
        ("Cash", "cash", value.cash),
        ("NAV", "nav", value.nav),
    )
    return [
        {
            "label": label,
            "term": term,
            "value": amount,
            "weight": float(amount / value.nav) if value.nav > 0 else None,
        }
        for label, term, amount in rows
    ]


def _first_steps(portfolio: Portfolio) -> list[dict[str, Any]]:
    trade = {"label": "Check a trade", "url": reverse("trade", args=[portfolio.pk])}
    deposit = {"label": "Deposit cash", "url": reverse("portfolio_cash", args=[portfolio.pk])}
    imports = {"label": "Import CSV", "url": reverse("imports")}
    first = trade if portfolio.cash > 0 else deposit
    return [imports | {"primary": True}, first]
