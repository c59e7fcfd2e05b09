"""What every page of a signed-in person shows around its content: rail, strip, clock, tabs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse

from etftrader.core import push
from etftrader.core.actor import Actor
from etftrader.market_strip import market_message, state_of
from etftrader.selectors import overview
from etftrader.views import rail
from etftrader.views.permissions import may_advance
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio, PortfolioSnapshot
from portfolios.views.as_of import Asked, asked, last_close, moment_of, not_shown

_TABS = (
    ("overview", "Overview", "overview"),
    ("positions", "Positions", "positions"),
    ("trade", "Trade", "trade"),
    ("orders", "Orders", "orders"),
    ("risk", "Risk", "risk"),
    ("greeks", "Greeks", "greeks"),
    ("performance", "Performance", "performance"),
    ("cash", "Cash", "portfolio_cash"),
    ("sharing", "Sharing", "sharing"),
    ("settings", "Settings", "portfolio_settings"),
)
# pages that can show a past close; the others are of now whatever their address says
_REMEMBER = frozenset(
    {
        "dashboard",
        "overview",
        "positions",
        "position",
        "risk",
        "risk_limits",
        "greeks",
        "greeks_underlying",
        "quote",
        "orders",
        "trades",
        "performance",
        "portfolio_cash",
        "alerts",
        "watchlists",
        "watchlist",
        "quote_options",
        "portfolio_compare",
        "accounts",
        "account",
    }
)
_NAV = {
    "dashboard": "dashboard",
    "alerts": "alerts",
    "data": "data",
    "reports": "reports",
    "quote": "quotes",
    "quote_options": "quotes",
}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell`, and the frame of a portfolio's page."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or request.headers.get("HX-Request"):
        return {}
    actor = Actor.of(request)
    past = _past(request)
    moment = moment_of(request) if past is None else sessions.at_close(past.session)
    portfolios = rail.portfolios(request)
    strip = _strip(moment) if past is None else market_message(moment)["strip"]
    context: dict[str, Any] = {
        "shell": {
            "portfolios": [_entry(each) for each in portfolios],
            "strip": strip,
            "open_alerts": rail.open_alerts(request),
            "as_of": moment.as_of,
            "session": moment.current,
            "clock_note": _clock_note(moment) if past is None else "",
            "source_note": moment.prices_from.capitalize(),
            "simulated": moment.simulated,
            "live_state": state_of(moment) if past is None else "off",
            "user_initials": user.initials,
            "user_name": user.email,
            "nav": _section(request),
            "account_links": _account_links(),
            "can_advance": past is None
            and may_advance(actor)
            and not (moment.ended or moment.live),
            "advance_url": reverse("advance"),
            "is_staff": user.is_staff,
            "provider": settings.MARKETDATA_PROVIDER,
        },
        "moment": moment,
        "past": past,
        "past_shown": past.session if past else None,
        "not_past": not_shown(request, remembers=_remembers(request)),
    }
    current = _current(request, portfolios)
    if _remembers(request):
        first = current.opened_on if current else None
        context["past_form"] = {"first": first, "last": moment_of(request).session_date}
    if current is not None:
        context |= frame(request, current, moment, past)
    return context


def _account_links() -> list[dict[str, str]]:
    return [{"key": "accounts", "label": "Accounts", "url": reverse("accounts")}]


def _past(request: HttpRequest) -> Asked | None:
    """The past close this page shows; None is now."""
    return asked(request) if _remembers(request) else None


def _remembers(request: HttpRequest) -> bool:
    match = request.resolver_match
    return match is not None and match.url_name in _REMEMBER


def frame(
    request: HttpRequest, portfolio: Any, moment: Moment, past: Asked | None
) -> dict[str, Any]:
    """Tabs, facts and actions of one portfolio's pages, now or at the past close asked for."""
    facts: list[Any] = ["Paper" if portfolio.is_paper else "Live", portfolio.base_currency]
    if portfolio.state != "active":
        facts.append({"text": portfolio.get_state_display(), "tone": "warn"})
    shown = last_close(request, portfolio, past.session) if past else None
    facts += _worth(request, portfolio, moment) if past is None else _worth_at(shown)
    return {
        "portfolio": portfolio,
        "tabs": [
            {"key": key, "label": label, "url": _tab_url(name, portfolio, past)}
            for key, label, name in _TABS
            if key != "settings" or portfolio.may_manage
        ],
        "facts": facts,
        "actions": [_trade(portfolio, allowed=portfolio.may_trade, past=past)],
        "past_shown": shown.session_date if shown else None,
    }


def _tab_url(name: str, portfolio: Portfolio, past: Asked | None) -> str:
    """A page of the same close, where it can show one."""
    url = reverse(name, args=[portfolio.pk])
    return f"{url}?as_of={past.session}" if past and name in _REMEMBER else url


def _trade(portfolio: Portfolio, *, allowed: bool, past: Asked | None) -> dict[str, Any]:
    """The button to the ticket; who may only read, or looks back, is told so."""
    reason = "You may read this portfolio, not trade in it."
    if allowed and past is not None:
        reason = "These are past figures: show now to trade."
    if not allowed or past is not None:
        return {"label": "Check a trade", "disabled": True, "reason": reason}
    url = reverse("trade", args=[portfolio.pk])
    return {"label": "Check a trade", "url": url, "primary": True, "key": "t"}


def _worth(request: HttpRequest, portfolio: Portfolio, moment: Moment) -> list[dict[str, Any]]:
    """NAV and the day's gain: of the session that runs, else of the last close."""
    record = overview.live_risk(portfolio_id=portfolio.pk, moment=moment)
    if record is not None:
        nav: str = record.value["nav"]
        gain: str | None = record.value["day_pnl"]
    else:
        latest = last_close(request, portfolio, moment.session_date)
        if latest is None:
            return []
        nav, gain = str(latest.nav), str(latest.daily_pnl)
        if moment.in_session:
            gain = None  # that of the session before is not today's
    return [
        {"label": "NAV", "value": nav, "fmt": "money2", "live": "value.nav"},
        {
            "label": "Today",
            "value": gain,
            "reason": "no minute of the session is known yet",
            "fmt": "signed:money2",
            "tone": "change",
            "live": "value.day_pnl",
        },
    ]


def _worth_at(row: PortfolioSnapshot | None) -> list[dict[str, Any]]:
    """NAV and gain of a past session, as its snapshot has them; nothing without one."""
    if row is None:
        return []
    return [
        {"label": "NAV", "value": str(row.nav), "fmt": "money2"},
        {
            "label": "That day",
            "value": str(row.daily_pnl),
            "fmt": "signed:money2",
            "tone": "change",
        },
    ]


def _strip(moment: Moment) -> list[dict[str, Any]]:
    """From the newest market message if it speaks of this moment, else read and told."""
    known = push.newest("market")
    as_of = moment.as_of.isoformat().replace("+00:00", "Z")
    if known and known["data"].get("as_of") == as_of and known["data"].get("strip"):
        return known["data"]["strip"]
    message = market_message(moment)
    push.send_now("market", "market.updated", message)
    return message["strip"]


def _entry(portfolio: Portfolio) -> dict[str, Any]:
    return {
        "id": portfolio.pk,
        "name": portfolio.name,
        "url": reverse("overview", args=[portfolio.pk]),
        "state": portfolio.state,
    }


def _current(request: HttpRequest, portfolios: list[Portfolio]) -> Portfolio | None:
    match = request.resolver_match
    wanted: UUID | None = None
    if match is not None:
        wanted = match.kwargs.get("portfolio_id") or match.kwargs.get("pid")
    return next((each for each in portfolios if each.pk == wanted), None)


def _section(request: HttpRequest) -> str:
    match = request.resolver_match
    name = (match.url_name or "") if match else ""
    if name.startswith("import"):
        return "import"
    if name.startswith("account"):
        return "accounts"
    if name.startswith("watchlist"):
        return "watchlists"
    if name.startswith(("job", "quarantine", "doubt", "schedule")):
        return "data"
    return _NAV.get(name, name)


def _clock_note(moment: Moment) -> str:
    if moment.in_session:
        return (
            "The exchange is open" if moment.live else "Simulated minutes between two real closes"
        )
    if moment.ended:
        return "No more history"
    return "Market closed"
