"""Baskets as tables for the pages: the legs of a check, and what of it the whole shows."""

from typing import Any

from risk.models import PreTradeCheck
from trading.constants import OVERSELL
from trading.selectors import orders
from trading.views import check_panel

OF_ONE_SYMBOL = "Position, of NAV"


def of(check: PreTradeCheck) -> dict[str, Any]:
    """Context of templates/trading/basket_check.html: one verdict, and a row a leg."""
    document = check.document
    shown = check_panel.of(check)
    checks = [each for each in shown["checks"] if each["code"] != OVERSELL]
    return shown | {
        "legs": legs(check),
        "checks": checks,
        "rows": [each for each in shown["rows"] if each["label"] != OF_ONE_SYMBOL],
        "costs": _costs(document),
        "name": document["basket"]["spread_name"],
    }


def legs(check: PreTradeCheck) -> dict[str, Any]:
    """The legs as they were judged, in their order."""
    return {
        "id": "legs",
        "caption": "Legs in the order in which they were judged",
        "columns": [
            {"key": "leg", "label": "Leg"},
            {"key": "trade", "label": "Trade", "css": "fold"},
            {"key": "price", "label": "Price", "fmt": "price"},
            {"key": "cost", "label": "Cost", "fmt": "money2", "priority": "p2"},
            {"key": "cash", "label": "Cash after", "fmt": "money0"},
            {"key": "held", "label": "Held after", "fmt": "qty", "priority": "p2"},
            {"key": "refused", "label": "Refused for", "css": "fold"},
        ],
        "rows": [_leg(each) for each in check.document["legs"]],
        "empty": {"text": "No legs."},
    }


def _leg(leg: dict[str, Any]) -> dict[str, Any]:
    kind = "" if leg["order_type"] == "market" else f", {leg['order_type'].replace('_', ' ')}"
    quantity = leg["quantity"].removesuffix(".00")
    return {
        "id": f"leg-{leg['leg']}",
        "leg": leg["leg"],
        "trade": f"{leg['side'].capitalize()} {quantity} {leg['symbol']}{kind}",
        "price": _number(leg["price"]),
        "price_reason": "no price",
        "cost": _number(leg["estimated_cost"]),
        "cost_reason": "not computed",
        "cash": _number(leg["cash_after"]),
        "cash_reason": "not computed",
        "held": leg["held_after"],
        "held_reason": "not computed",
        "refused": "; ".join(orders.in_words(leg["reasons"])),
    }


def _costs(document: dict[str, Any]) -> list[dict[str, Any]]:
    """What all legs cost together; a part that one of them does not know is not known."""
    parts = document["pricing"]
    if any(each.get("commission") is None for each in parts):
        return []
    rows: list[dict[str, Any]] = []
    for label, name in (("Commission", "commission"), ("Half-spread", "spread_cost")):
        rows.append(
            {"label": label, "value": sum(_booked(each, name) for each in parts), "fmt": "money2"}
        )
    known = all(each["impact_cost"] is not None for each in parts)
    impact = sum(_booked(each, "impact_cost") for each in parts) if known else None
    rows.append(
        {
            "label": "Impact",
            "value": impact,
            "fmt": "money2",
            "reason": "the volume of a leg is not known",
        }
    )
    return rows


def _booked(pricing: dict[str, Any], name: str) -> float:
    """An amount in the book's money."""
    return check_panel.booked(pricing, name) or 0.0


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
