"""The pre-trade document as the ticket shows it: verdict, checks, bullets, figures, costs."""

from decimal import Decimal
from typing import Any

from etftrader.core.audit import digest
from risk.choices import CheckStatus
from risk.models import PreTradeCheck
from trading.calculations import suggestion
from trading.choices import Side
from trading.constants import OVERSELL
from trading.selectors import orders
from trading.services.tickets import Ticket

FIGURES = (
    ("Cash", "cash", "money0", ""),
    ("Position, of NAV", "weight", "pct1", ""),
    ("VaR 95%, 1 day", "var", "money0", "var"),
    ("Expected shortfall", "es", "money0", "es"),
    ("Stressed VaR", "stressed_var", "money0", "stressed_var"),
    ("Gross exposure", "gross", "money0", ""),
)
TERMS = {"VAR_LIMIT": "var"}
REVALUED = "full_revaluation_"  # how the method of an option book's VaR begins, then the paths
FLOORS = frozenset({"MARGIN", "INSUFFICIENT_CASH"})


def of(check: PreTradeCheck) -> dict[str, Any]:
    """Context of templates/trading/ticket_check.html."""
    document = check.document
    verdict, pricing = document["verdict"], (document["pricing"] or [{}])[0]
    checks = [_row(each) for each in document["checks"]]
    binding = verdict["binding"]
    return {
        "state": _state(check),
        "note": _note(check),
        "at": check.as_of,
        "sizes": _sizes(document, pricing),
        "checks": checks,
        "chart": _chart(check, checks),
        "rows": [_change(document, *figure) for figure in FIGURES],
        "costs": _costs(pricing),
        "price_note": _price_note(pricing, document["meta"]),
        "max_quantity": verdict["max_quantity"],
        "largest": _number(verdict["max_quantity"]),
        "suggested": _suggested(document, verdict),
        "binding": orders.in_words([binding])[0] if binding else "",
        "latency_ms": check.latency_ms,
    }


def _suggested(document: dict[str, Any], verdict: dict[str, Any]) -> Decimal | None:
    """What the button fills in: a minute later the largest size itself may be refused."""
    if verdict["max_quantity"] is None:
        return None
    largest = Decimal(verdict["max_quantity"])
    if verdict["binding"] == OVERSELL:
        return largest
    line = next((each for each in document["checks"] if each["code"] == verdict["binding"]), None)
    if line is None or verdict["binding"] in FLOORS:
        return suggestion.with_room(largest)
    used = None if line["now"] is None else abs(line["now"])
    return suggestion.with_room(largest, used=used, limit=line["limit"])


def fingerprint(ticket: Ticket) -> str:
    """Names the inputs a shown check is for; another symbol, size or price is another name."""
    numbers = (
        ticket.quantity,
        ticket.amount,
        ticket.target_weight,
        ticket.limit_price,
        ticket.stop_price,
    )
    words = [ticket.symbol.strip().upper(), ticket.side, ticket.order_type, ticket.time_in_force]
    words += ["" if each is None else format(each.normalize(), "f") for each in numbers]
    return digest(words)[:32]


def _state(check: PreTradeCheck) -> str:
    if check.status == CheckStatus.APPROVED:
        warned = set(check.warnings) - {"REDUCING"}
        return "warned" if warned else "approved"
    return "rejected" if check.status == CheckStatus.REJECTED else "error"


def _note(check: PreTradeCheck) -> str:
    told = check.reasons or [each for each in check.warnings if each != "REDUCING"]
    words = {"VAR_WATCH": "VaR comes near its limit", "LIVE_MATRIX_ABSENT": "daily matrix only"}
    return "; ".join(words.get(each, orders.in_words([each])[0]) for each in told)


def _row(line: dict[str, Any]) -> dict[str, Any]:
    passed = line["passed"]
    warned = passed and line["note"]
    return {
        "code": line["code"],
        "label": line["label"],
        "term": TERMS.get(line["code"], ""),
        "now": line["now"],
        "after": line["after"],
        "limit": line["limit"],
        "fmt": line["fmt"],
        "passed": None if warned else passed,
        "reason": "" if line["after"] is not None else "not computed",
        "note": line["note"],
    }


def _chart(check: PreTradeCheck, checks: list[dict[str, Any]]) -> dict[str, Any] | None:
    rows = [
        {
            "label": each["label"],
            "before": each["now"],
            "after": each["after"],
            "limit": each["limit"],
            "fmt": each["fmt"],
        }
        for each in checks
        # a floor, such as equity over margin, is not a bar that must stay short
        if each["limit"] and each["after"] is not None and each["code"] not in FLOORS
    ]
    if not rows:
        return None
    return {
        "id": f"bullets-{check.pk}",
        "title": "Before and after against the limits",
        "conclusion": _note(check) or "Every limit holds after the order.",
        "rows": rows,
    }


def _change(document: dict[str, Any], label: str, name: str, fmt: str, term: str) -> dict[str, Any]:
    before, after = _number(document["before"][name]), _number(document["after"][name])
    known = before is not None and after is not None
    return {
        "label": label,
        "term": term,
        "before": before,
        "after": after,
        "change": after - before if known else None,  # type: ignore[operator]
        "fmt": fmt,
        "reason": "not computed",
    }


def _sizes(document: dict[str, Any], pricing: dict[str, Any]) -> dict[str, Any] | None:
    """Quantity, amount and weight of what was judged: each as the others say it."""
    asked = document["request"]["orders"]
    if not asked:
        return None
    return {
        "side": _act(asked[0]["side"], document["solvency"]),
        "symbol": asked[0]["symbol"],
        "quantity": _number(asked[0]["quantity"]),
        "amount": booked(pricing, "value"),
        "weight": _number(document["after"]["weight"]),
    }


def _act(side: str, solvency: dict[str, Any]) -> str:
    """What an order does: a sale may open a short, a buy may close one, and either may do both."""
    held, after = solvency["held"] or 0.0, solvency["held_after"] or 0.0
    if side == Side.SELL and after < 0:
        return "Sell short" if held <= 0 else "Sell and go short"
    if side == Side.BUY and held < 0:
        return "Buy to cover" if after <= 0 else "Cover and buy"
    return side.capitalize()


def _costs(pricing: dict[str, Any]) -> list[dict[str, Any]]:
    if pricing.get("commission") is None:
        return []
    rows = [
        {"label": "Commission", "value": booked(pricing, "commission"), "fmt": "money2"},
        {"label": "Half-spread", "value": booked(pricing, "spread_cost"), "fmt": "money2"},
        {"label": "Impact", "value": booked(pricing, "impact_cost"), "fmt": "money2"},
        {"label": "Total, bp", "value": pricing["cost_bp"], "fmt": "bp1"},
    ]
    rows[2]["reason"] = "volume is not known"
    return rows


def booked(pricing: dict[str, Any], name: str) -> float | None:
    """An amount of a leg, which is in the instrument's currency, in the book's money."""
    amount, rate = _number(pricing.get(name)), _number(pricing.get("exchange_rate"))
    return amount if amount is None or rate is None else amount * rate


def _price_note(pricing: dict[str, Any], meta: dict[str, Any]) -> str:
    if pricing.get("price") is None:
        return ""
    kind = "simulated quote" if meta["simulated"] else "last close"
    paths = meta["method"].removeprefix(REVALUED)
    again = f" Options are valued again on {int(paths):,} paths." if paths.isdigit() else ""
    return f"Priced at the {kind}, {pricing['price']}.{again}"


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
