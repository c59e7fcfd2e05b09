"""The lines of a verdict: one per check, with the figure before, after, and the limit."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etftrader.core.actor import Actor
from portfolios.models import Portfolio
from risk.choices import Measure
from risk.selectors.limits import LimitInForce, LimitStanding, state_of
from risk.services.pretrade_book import State
from risk.services.pretrade_inputs import GateInputs, ProposedTrade
from risk.services.pretrade_legs import Leg

SENTENCES = {
    "VAR_UNAVAILABLE": "The VaR cannot be computed",
    "PORTFOLIO_HALTED": "The portfolio is halted",
    "REDUCING_ONLY": "Only trades that reduce a position are allowed",
    "KILL_SWITCH": "Trading is switched off",
    "NO_PRICE": "There is no price",
    "PRICE_STALE": "The price is too old",
    "PRICE_SUSPECT": "The price is in doubt",
    "PRICE_COLLAR": "The price is too far from the last one",
    "QTY_RANGE": "The quantity is out of range",
    "LOT_SIZE": "The quantity is not in whole lots",
    "SYMBOL_UNKNOWN": "The symbol is not known",
    "SYMBOL_INACTIVE": "The symbol cannot be traded",
    "CONFLICT": "The book changed meanwhile",
    "MARKET_CLOSED": "The market is closed",
    "RATE": "Too many orders",
    "PERMISSION": "Not allowed",
    "DUPLICATE_SUSPECTED": "The same order was sent a moment ago",
}


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything the document is written from; no state where nothing could be computed."""

    portfolio: Portfolio
    inputs: GateInputs
    proposed: tuple[ProposedTrade, ...]
    context: str
    by: Actor | None
    status: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    limits: Mapping[str, LimitInForce]
    start: State | None
    end: State | None
    legs: tuple[Leg, ...]
    max_quantity: Decimal | None


def standing(facts: Facts, limit: LimitInForce, state: State | None) -> LimitStanding:
    """A limit's standing at one side of the trade, on the equity before it."""
    if state is None or facts.start is None:
        return state_of(None, limit)
    equity = facts.start.equity
    if limit.measure == Measure.VAR:
        return state_of(state.var, limit, equity=equity)
    if limit.measure == Measure.GROSS:
        return state_of(state.delta_gross, limit, equity=equity)
    symbols = {each.symbol for each in facts.proposed}
    return state_of(max(abs(state.in_column(s)) for s in symbols), limit, equity=equity)


def lines(facts: Facts) -> list[dict[str, Any]]:
    """One line per check, as the ticket lists them."""
    start, end = facts.start, facts.end
    codes = set(facts.reasons)
    known = start is not None and end is not None
    found = [
        _line(
            "Cash",
            "money0",
            start.cash if start is not None else None,
            end.cash if end is not None else None,
            0.0 if known else None,
            "INSUFFICIENT_CASH",
            codes,
            known,
        ),
    ]
    first = facts.legs[0] if facts.legs else None
    if first is not None and first.side == "sell" and end is not None:
        held = end.units.get(first.symbol, 0.0)
        found.append(_line("Shares held", "qty", first.held, held, None, "OVERSELL", codes, known))
    if facts.portfolio.allow_short and start is not None and end is not None:
        floor = end.gross / 2.0
        found.append(
            _line(
                "Equity for margin",
                "money0",
                start.equity,
                end.equity,
                floor,
                "MARGIN",
                codes,
                known,
            )
        )
    for limit, code, label in (
        (facts.limits[Measure.VAR], "VAR_LIMIT", "VaR 95%, 1 day"),
        (facts.limits[Measure.POSITION_WEIGHT], "CONCENTRATION", "Position weight"),
        (facts.limits[Measure.GROSS], "NOTIONAL_MAX", "Gross exposure"),
    ):
        found.append(_limit_line(facts, limit, code, label, codes, known))
    found += [
        {
            "code": code,
            "label": SENTENCES.get(code, code),
            "fmt": "text",
            "now": None,
            "after": None,
            "limit": None,
            "passed": False,
            "hard": True,
            "note": "",
            "state": "",
        }
        for code in facts.reasons
        if code not in {each["code"] for each in found}
    ]
    return found


def _line(
    label: str,
    fmt: str,
    now: float | None,
    after: float | None,
    limit: float | None,
    code: str,
    codes: set[str],
    known: bool,
) -> dict[str, Any]:
    return {
        "code": code,
        "label": label,
        "fmt": fmt,
        "now": now,
        "after": after,
        "limit": limit,
        "passed": (code not in codes) if known else None,
        "hard": True,
        "note": "",
        "state": "",
    }


def _limit_line(
    facts: Facts,
    limit: LimitInForce,
    code: str,
    label: str,
    codes: set[str],
    known: bool,
) -> dict[str, Any]:
    before, after = standing(facts, limit, facts.start), standing(facts, limit, facts.end)
    is_var = limit.measure == Measure.VAR
    equity = facts.start.equity if facts.start is not None else 0.0
    ceiling = limit.dollars(equity)
    if is_var:
        now, then, most, fmt = _var(facts.start), _var(facts.end), ceiling, "money0"
    else:
        scale = equity if limit.unit != "currency" else 1.0
        now, then = before.observed, after.observed
        most = ceiling / scale if ceiling is not None and scale > 0 else None
        fmt = "pct1" if limit.unit != "currency" else "money0"
    line = _line(label, fmt, now, then, most, code, codes, known)
    soft = code in facts.warnings
    line |= {"hard": limit.hard, "state": after.state, "note": "soft limit" if soft else ""}
    return line


def _var(state: State | None) -> float | None:
    return None if state is None else state.var
