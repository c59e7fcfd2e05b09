"""What every page of a signed-in person shows around its content: rail, strip, clock, tabs."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.db.models import Exists, OuterRef
from django.http import HttpRequest
from django.urls import reverse

from etftrader.core import push
from etftrader.core.actor import Actor
from etftrader.market_strip import market_message, state_of
from etftrader.selectors import overview
from etftrader.views.as_of import last_close, moment_of
from etftrader.views.permissions import may_advance
from marketdata.selectors.sessions import Moment
from portfolios.constants import Action
from portfolios.models import Portfolio
from risk.selectors import alerts

_TABS = (
    ("overview", "Overview", "overview"),
    ("positions", "Positions", "positions"),
    ("trade", "Trade", "trade"),
    ("orders", "Orders", "orders"),
    ("risk", "Risk", "risk"),
    ("greeks", "Greeks", "greeks"),
    ("cash", "Cash", "portfolio_cash"),
    ("settings", "Settings", "portfolio_settings"),
)
_NAV = {
    "dashboard": "dashboard",
    "alerts": "alerts",
    "data": "data",
    "quote": "quotes",
    "quote_options": "quotes",
}


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context processor: `shell`, and the frame of a portfolio's page."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or request.headers.get("HX-Request"):
        return {}
    actor = Actor.of(request)
    moment = moment_of(request)
    portfolios = list(
        Portfolio.objects.for_actor(actor)
        .open()
        .annotate(may_trade=_may(actor, Action.TRADE), may_manage=_may(actor, Action.MANAGE))
        .order_by("name", "pk")
    )
    strip = _strip(moment)
    context: dict[str, Any] = {
        "shell": {
            "portfolios": [_entry(each) for each in portfolios],
            "strip": strip,
            "open_alerts": alerts.unresolved(actor).filter(state="open").count(),
            "as_of": moment.as_of,
            "session": moment.current,
            "clock_note": _clock_note(moment),
            "source_note": moment.prices_from.capitalize(),
            "simulated": moment.simulated,
            "live_state": state_of(moment),
            "user_initials": user.initials,
            "user_name": user.email,
            "nav": _section(request),
            "can_advance": may_advance(actor) and not (moment.ended or moment.live),
            "advance_url": reverse("advance"),
            "is_staff": user.is_staff,
            "provider": settings.MARKETDATA_PROVIDER,
        },
        "moment": moment,
    }
    current = _current(request, portfolios)
    if current is not None:
        context |= frame(request, current, moment)
    return context


def _may(actor: Actor, action: Action) -> Exists:
    """For buttons, in the query that reads the rail; the door asks again."""
    return Exists(Portfolio.objects.for_actor(actor, action).filter(pk=OuterRef("pk")))


def frame(request: HttpRequest, portfolio: Any, moment: Moment) -> dict[str, Any]:
    """Tabs, facts and actions of one portfolio's pages."""
    facts: list[Any] = ["Paper" if portfolio.is_paper else "Live", portfolio.base_currency]
    if portfolio.state != "active":
        facts.append({"text": portfolio.get_state_display(), "tone": "warn"})
    facts += _worth(request, portfolio, moment)
    return {
        "portfolio": portfolio,
        "tabs": [
            {"key": key, "label": label, "url": reverse(name, args=[portfolio.pk])}
            for key, label, name in _TABS
            if key != "settings" or portfolio.may_manage
        ],
        "facts": facts,
        "actions": [_trade(portfolio, allowed=portfolio.may_trade)],
    }


def _trade(portfolio: Portfolio, *, allowed: bool) -> dict[str, Any]:
    """The button to the ticket; who may only read is told so."""
    if not allowed:
        reason = "You may read this portfolio, not trade in it."
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
        latest = last_close(request, portfolio, moment)
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
