"""The dashboard: am I fine, and what changed since yesterday?"""

from datetime import date
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from etftrader.core.actor import Actor
from etftrader.core.pages import render_page
from etftrader.selectors import dashboard as selector
from etftrader.views import rail
from marketdata.selectors import vix
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio
from portfolios.selectors import access, watchlists
from portfolios.views.as_of import past_session, shown_moment
from portfolios.views.invitations import offers
from risk.calculations import stop_loss
from risk.models import Alert
from risk.selectors import alerts as alert_rows
from risk.views import feeds

ALERTS = 12  # shown
MAX_AGE = 30  # seconds after which a live figure looks old
COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "name", "label": "Name", "sort": True, "css": "fold"},
    {"key": "nav", "label": "NAV", "fmt": "money0", "sort": True, "live": True, "sum": True},
    {"key": "day_pnl", "label": "Day", "fmt": "signed:money0", "tone": True, "sort": True,
     "live": True, "sum": True},
    {"key": "day_return", "label": "Day %", "fmt": "signed:pct2", "tone": True, "live": True,
     "sum": "day_pnl/nav-day_pnl", "priority": "p2"},
    {"key": "var", "label": "VaR", "fmt": "money0", "term": "var", "live": True,
     "priority": "p2"},
    {"key": "meter", "label": "VaR / limit", "kind": "meter"},
    {"key": "drawdown", "label": "Drawdown", "fmt": "pct1", "priority": "p3"},
    {"key": "stop", "label": "Nearest stop", "fmt": "pct1", "priority": "p3"},
    {"key": "session", "label": "Last close", "priority": "p3"},
    {"key": "spark", "label": "30 sessions", "kind": "template",
     "template": "etftrader/cell_spark.html", "priority": "p2"},
)  # fmt: skip
MOVERS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Watched"},
    {"key": "price", "label": "Last", "fmt": "price", "live": True},
    {"key": "rate", "label": "Change", "fmt": "signed:pct2", "tone": True, "live": "changeRate"},
)
ALL = {"name": "All portfolios"}
PANELS = {
    "attention": "etftrader/dashboard_attention.html",
    "books": "etftrader/dashboard_books.html",
}


@login_required
def dashboard(request: HttpRequest) -> HttpResponse:
    """One screen over every portfolio the person may see."""
    actor = Actor.of(request)
    past = past_session(request)
    moment = shown_moment(request)
    portfolios = rail.portfolios(request)
    own = {each.pk for each in portfolios if each.is_own}  # type: ignore[attr-defined]
    access.note_reading(actor, portfolios, own)
    panel = request.GET.get("panel")
    context: dict[str, Any] = {"portfolios": portfolios, "moment": moment}
    if panel in (None, "attention"):
        alerts = selector.attention(actor=actor, close=moment.as_of if past else None)
        if past is None and len(alerts) < selector.MOST_ALERTS:
            rail.keep_open_alerts(request, len(alerts))  # the frame around the page counts them
        context |= _attention(actor, portfolios, alerts[:ALERTS], moment, past)
    lines: selector.Lines = {}
    if panel is None:
        lines = selector.navs(
            portfolio_ids=[portfolio.pk for portfolio in portfolios],
            until=moment.session_date,
            sessions=selector.CHART_SESSIONS,
        )
    if panel in (None, "books"):
        rows = selector.books(
            portfolios=portfolios, moment=moment, lines=lines, is_past=past is not None
        )
        context |= {"books": _table(rows)}
    if panel is None:
        context |= {
            "nav_chart": _chart(portfolios, lines),
            "activity": selector.activity(portfolios=portfolios, until=moment.as_of),
            "vix": _vix(moment),
            **_movers(actor, moment),
            "channels": _channels(portfolios),
            "offers": offers(actor),
            "facts": [f"{len(portfolios)} portfolio{'' if len(portfolios) == 1 else 's'}"],
            "page_actions": [
                {"label": "Import", "url": reverse("imports")},
                {"label": "New portfolio", "url": reverse("portfolio_create"), "primary": True},
            ],
        }
    return render_page(request, "etftrader/dashboard.html", context, panels=PANELS)


def _attention(
    actor: Actor,
    portfolios: list[Portfolio],
    found: list[Alert],
    moment: Moment,
    past: date | None,
) -> dict[str, Any]:
    noted = {each.pk for each in portfolios if each.may_note}  # type: ignore[attr-defined]
    house = alert_rows.may_operate(actor)
    alerts = [
        {
            "id": alert.pk,
            "severity": feeds.severity(alert),
            "state": alert.state,
            "title": f"{alert.portfolio.name}: {feeds.title(alert)}"
            if alert.portfolio
            else feeds.title(alert),
            "text": alert.detail or "",
            "at": alert.last_seen or alert.first_seen,
            "url": reverse("risk", args=[alert.portfolio_id]) if alert.portfolio_id else "",
            "ack_url": reverse("alert_acknowledge", args=[alert.pk])
            if past is None and (alert.portfolio_id in noted or (house and not alert.portfolio_id))
            else "",
            "who": alert.acknowledged_label,
        }
        for alert in found
    ]
    if past is not None:  # whether data and jobs were late is not kept
        return {"attention": alerts, "late": [], "failed_jobs": []}
    late = selector.late(moment=moment)
    failed = selector.failed_jobs(session_date=moment.session_date) if actor.is_staff else []
    return {"attention": alerts, "late": late, "failed_jobs": failed}


def _table(rows: list[selector.BookRow]) -> dict[str, Any]:
    return {
        "id": "books-table",
        "caption": "Portfolios with value, risk and distance to the next stop",
        "columns": COLUMNS,
        "rows": [_row(row) for row in rows],
        "totals": ALL | selector.totals(rows) if len(rows) > 1 else None,
        "currencies": " and ".join(sorted({row.portfolio.base_currency for row in rows})) or "USD",
        "max_age": MAX_AGE if any(row.live for row in rows) else "",
        "empty": {
            "text": "No portfolio yet. Create one, or bring positions in from a file.",
            "url": reverse("portfolio_create"),
            "label": "New portfolio",
        },
    }


def _row(row: selector.BookRow) -> dict[str, Any]:
    snapshot, portfolio = row.snapshot, row.portfolio
    channel = f"portfolio.{portfolio.pk}"
    line: dict[str, Any] = {
        "id": portfolio.pk,
        "name": portfolio.name,
        "currency": portfolio.base_currency,
        "url": reverse("overview", args=[portfolio.pk]),
        "live": f"{channel}.value:",
        "stop": row.nearest_stop,
        "stop_reason": row.stop_reason,
        "spark": row.spark,
    }
    if snapshot is None and row.live is None:
        reason = "no snapshot yet"
        missing = ("nav", "day_pnl", "day_return", "var", "drawdown", "session")
        return line | dict.fromkeys(missing) | {f"{key}_reason": reason for key in missing}
    limit = row.live.risk["limit"] if row.live is not None else row.limit_dollars
    return line | {
        "nav": row.nav,
        "day_pnl": row.day_pnl,
        "day_return": row.day_return,
        "var": row.var_dollars,
        "var_live": f"{channel}.risk:var",
        "var_reason": _why(row),
        "meter": {
            "value": row.var_dollars,
            "limit": limit,
            "watch": row.var.limit.watch if row.var else 0.8,
            "label": f"VaR of {portfolio.name} against its limit",
            "live": f"{channel}.risk:utilisation",
        },
        "drawdown": snapshot.drawdown if snapshot else None,
        "session": f"{snapshot.session_date:%-d %b %Y}" if snapshot else None,
    }


def _why(row: selector.BookRow) -> str:
    """Why there is no VaR."""
    if row.live is not None:
        return (row.live.risk["reason"] or "").replace("_", " ")
    return row.snapshot.risk_reason.replace("_", " ") if row.snapshot else ""


def _chart(portfolios: list[Portfolio], lines: selector.Lines) -> dict[str, Any]:
    days = sorted({day for line in lines.values() for day, _ in line})
    series = []
    for portfolio in portfolios[:6]:
        values = dict(lines[portfolio.pk])
        if values:
            series.append(
                {
                    "name": portfolio.name,
                    "values": [float(values[day]) if day in values else None for day in days],
                }
            )
    words = ", ".join(f"{each['name']} {each['values'][-1]:,.0f}" for each in series)
    return {
        "id": "nav",
        "title": f"Net asset value by session, {_in_words(portfolios)}",
        "conclusion": f"At the last close: {words}." if words else "No history yet.",
        "x": days,
        "series": series,
        "fmt": "moneyk",
        "width": 852,
        "height": 330,
        "empty": "History starts with the first snapshot.",
    }


def _in_words(portfolios: list[Portfolio]) -> str:
    currencies = {each.base_currency for each in portfolios} or {"USD"}
    if currencies == {"USD"}:
        return "US dollars"
    return currencies.pop() if len(currencies) == 1 else "each book's own currency"


def _vix(moment: Moment) -> dict[str, Any]:
    level = vix.level(session_date=moment.session_date)
    regime = stop_loss.vix_regime(level.level)
    return {
        "level": level.level,
        "session": level.session_date,
        "regime": regime.name,
        "stop": -regime.distance,
    }


def _movers(actor: Actor, moment: Moment) -> dict[str, Any]:
    """What moved most among all one watches, and what the socket is asked for to follow it."""
    rows = watchlists.movers(actor=actor, moment=moment)
    return {
        "symbols": " ".join(each.quote.symbol for each in rows),
        "movers": {
            "id": "movers",
            "caption": "Largest moves of the symbols on your watchlists",
            "columns": MOVERS,
            "rows": [
                {
                    "id": each.quote.symbol,
                    "symbol": each.quote.symbol,
                    "url": reverse("quote", args=[each.quote.symbol]),
                    "price": each.quote.price,
                    "rate": each.change_rate,
                    "live": f"quotes:{each.quote.symbol}" if moment.in_session else "",
                }
                for each in rows
            ],
            "empty": {
                "text": "Follow some symbols: what moves most among them stands here.",
                "url": reverse("watchlists"),
                "label": "Open watchlists",
            },
        },
    }


def _channels(portfolios: list[Portfolio]) -> str:
    kinds = ("value", "risk", "alerts")
    return " ".join(
        f"portfolio.{portfolio.pk}.{kind}" for portfolio in portfolios[:20] for kind in kinds
    )
