"""What every trading page of a portfolio shows around its content."""

from typing import Any

from django.urls import NoReverseMatch, reverse

from portfolios.choices import PortfolioState
from portfolios.models import Portfolio

TABS = (
    ("overview", "Overview"),
    ("positions", "Positions"),
    ("trade", "Trade"),
    ("orders", "Orders"),
    ("risk", "Risk"),
)


def around(portfolio: Portfolio, tab: str) -> dict[str, Any]:
    """Context of templates/portfolio.html for one tab."""
    pid = portfolio.pk
    facts = [{"label": "Cash", "value": portfolio.cash, "fmt": "money0", "live": "value.cash"}]
    if portfolio.state != PortfolioState.ACTIVE:
        facts.append({"text": f"{portfolio.get_state_display()}: {portfolio.state_reason}"})
    return {
        "portfolio": portfolio,
        "tabs": [each for each in (_tab(name, label, pid) for name, label in TABS) if each],
        "tab": tab,
        "facts": facts,
    }


def _tab(name: str, label: str, pid: object) -> dict[str, str] | None:
    try:
        return {"key": name, "label": label, "url": reverse(name, kwargs={"pid": pid})}
    except NoReverseMatch:
        # the page belongs to a floor above and is not part of every deployment
        return None
