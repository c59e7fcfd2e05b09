"""The pre-trade document: what was asked, at which prices, what it would change, and the verdict."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from etftrader.core.actor import Actor
from etftrader.core.money import plain
from portfolios.models import Portfolio
from risk.calculations import decomposition
from risk.choices import Measure
from risk.constants import HORIZON_DAYS, VAR_CONFIDENCE
from risk.live import dollars, utc
from risk.selectors.limits import LimitInForce, LimitStanding, state_of
from risk.services import pretrade_inputs as gate_inputs
from risk.services.pretrade_book import Leg, State, shortfall
from risk.services.pretrade_inputs import GateInputs, ProposedTrade

OVERRIDABLE = {"VAR_LIMIT", "NOTIONAL_MAX", "CONCENTRATION"}


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


def build(facts: Facts) -> dict[str, Any]:
    """The document, JSON-ready: money as strings, statistics as numbers, null with a reason."""
    before, after = figures(facts, facts.start), figures(facts, facts.end)
    return {
        "portfolio": str(facts.portfolio.pk),
        "as_of": utc(facts.inputs.moment.as_of),
        "currency": facts.portfolio.base_currency,
        "request": _request(facts),
        "pricing": [_pricing(facts, each) for each in facts.proposed],
        "solvency": _solvency(facts),
        "exposure": _changes(before, after, ("nav", "cash", "long", "short", "gross", "net")),
        "risk": _risk(facts, before, after),
        "limits": [_limit(facts, limit) for limit in facts.limits.values()],
        "checks": _checks(facts),
        "before": before,
        "after": after,
        "verdict": {
            "status": facts.status,
            "reasons": list(facts.reasons),
            "warnings": list(facts.warnings),
            "max_quantity": plain_quantity(facts.max_quantity),
            "binding": facts.legs[0].binding if len(facts.legs) == 1 else None,
            "override_allowed_by": _override(facts),
        },
        "meta": _meta(facts),
    }


def figures(facts: Facts, state: State | None) -> dict[str, Any]:
    """The book's figures at one side of the trade; nulls where they could not be computed."""
    if state is None:
        names = ("nav", "cash", "long", "short", "gross", "net", "var", "es", "stressed_var")
        return {name: None for name in names} | {"weight": None, "var_of_nav": None}
    exposures = state.exposures()
    equity = state.equity
    loss = state.var
    symbol = facts.proposed[0].symbol
    return {
        "nav": dollars(equity),
        "cash": dollars(state.cash),
        "long": dollars(sum(each for each in exposures.values() if each > 0)),
        "short": dollars(sum(each for each in exposures.values() if each < 0)),
        "gross": dollars(state.gross),
        "net": dollars(state.net),
        "var": dollars(loss),
        "es": dollars(shortfall(loss)),
        "stressed_var": dollars(_stressed(state)),
        "weight": state.exposure(symbol) / equity if equity > 0 else None,
        "var_of_nav": loss / equity if equity > 0 else None,
    }


def elapsed_ms(started: float | None) -> float:
    """Milliseconds since `time.monotonic()` said `started`."""
    return 0.0 if started is None else round((time.monotonic() - started) * 1e3, 3)


def plain_quantity(value: Decimal | None) -> str | None:
    """A quantity as the wire carries it: no exponent, no trailing zeros."""
    if value is None:
        return None
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def _request(facts: Facts) -> dict[str, Any]:
    return {
        "context": facts.context,
        "as_of": utc(facts.inputs.moment.as_of),
        "orders": [
            {
                "symbol": each.symbol,
                "side": each.side,
                "quantity": plain_quantity(each.quantity),
                "type": "market",
                "price": plain(each.price),
            }
            for each in facts.proposed
        ],
    }


def _pricing(facts: Facts, trade: ProposedTrade) -> dict[str, Any]:
    inputs = facts.inputs
    mark = inputs.marks.get(trade.symbol)
    known = inputs.liquidity.get(trade.symbol)
    leg = next((each for each in facts.legs if each.symbol == trade.symbol), None)
    adv = known.adv if known else None
    days = leg.quantity / adv if leg and adv else None
    return {
        "symbol": trade.symbol,
        "price": plain(mark.price) if mark else None,
        "source": mark.source if mark else None,
        "class": mark.price_class if mark else None,
        "as_of": utc(mark.as_of) if mark and mark.as_of else None,
        "age_seconds": gate_inputs.age_s(mark, inputs.moment.as_of) if mark else None,
        "reason": (mark.reason or None) if mark else "no_price",
        "half_spread_bp": known.half_spread_bp if known else None,
        "liquidity_source": known.source if known else None,
        "estimated_cost": dollars(leg.cost) if leg else None,
        "participation": days,
        "days_to_fill": days,
    }


def _solvency(facts: Facts) -> dict[str, Any]:
    start, end = facts.start, facts.end
    first = facts.legs[0] if facts.legs else None
    return {
        "cash_before": dollars(start.cash) if start else None,
        "cash_after": dollars(end.cash) if end else None,
        "held": first.held if first else None,
        "held_after": end.units.get(first.symbol, 0.0) if first and end else None,
        "allow_short": facts.portfolio.allow_short,
    }


def _risk(facts: Facts, before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    start, end = facts.start, facts.end
    if start is None or end is None:
        return {
            "var_before": None,
            "var_after": None,
            "incremental_var": None,
            "reason": facts.reasons[0] if facts.reasons else "not_computed",
            "matrices": [],
            "gating_matrix": None,
        }
    leg = facts.legs[0]
    return {
        "confidence": VAR_CONFIDENCE,
        "horizon_days": HORIZON_DAYS,
        "var_before": before["var"],
        "var_after": after["var"],
        "es_before": before["es"],
        "es_after": after["es"],
        "incremental_var": round(end.var - start.var, 6),
        "marginal_estimate": _marginal(start, leg),
        "component_after": _component(end, leg.symbol),
        "stressed_var_before": before["stressed_var"],
        "stressed_var_after": after["stressed_var"],
        "gating_matrix": end.gating,
        "matrices": [
            {"name": name, "before": dollars(start.var_by(m)), "after": dollars(end.var_by(m))}
            for name, m in end.matrices
        ],
        "reason": None,
    }


def _marginal(start: State, leg: Leg) -> float | None:
    matrix = dict(start.matrices)[start.gating]
    parts = decomposition.components(start.vector(matrix), matrix.values)
    side = 1.0 if leg.side == "buy" else -1.0
    dollars_traded = side * leg.quantity * leg.price * start.multipliers[leg.symbol]
    return float(parts.marginal[matrix.labels.index(leg.symbol)]) * dollars_traded


def _component(end: State, symbol: str) -> float | None:
    matrix = dict(end.matrices)[end.gating]
    parts = decomposition.components(end.vector(matrix), matrix.values)
    return float(parts.component[matrix.labels.index(symbol)])


def _stressed(state: State) -> float | None:
    matrix = state.inputs.stressed
    if matrix is None or not state.measured & set(state.exposures()) <= set(matrix.labels):
        return None
    return state.var_by(matrix)


def _changes(
    before: dict[str, Any], after: dict[str, Any], names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = {}
    for name in names:
        was, then = before[name], after[name]
        known = was is not None and then is not None
        change = dollars(float(then) - float(was)) if known else None
        changes[name] = {"before": was, "after": then, "change": change}
    return changes


def _standing(facts: Facts, limit: LimitInForce, state: State | None) -> LimitStanding:
    """A limit's standing at one side of the trade, on the equity before it."""
    if state is None or facts.start is None:
        return state_of(None, limit)
    equity = facts.start.equity
    if limit.measure == Measure.VAR:
        return state_of(state.var, limit, equity=equity)
    if limit.measure == Measure.GROSS:
        return state_of(state.gross, limit, equity=equity)
    symbols = {each.symbol for each in facts.proposed}
    return state_of(max(abs(state.exposure(s)) for s in symbols), limit, equity=equity)


def _limit(facts: Facts, limit: LimitInForce) -> dict[str, Any]:
    measured = limit.measure != Measure.DAILY_LOSS
    before = _standing(facts, limit, facts.start) if measured else state_of(None, limit)
    after = _standing(facts, limit, facts.end) if measured else state_of(None, limit)
    known = before.used is not None and after.used is not None
    return {
        "measure": limit.measure,
        "unit": limit.unit,
        "limit": plain(limit.value),
        "watch": limit.watch,
        "hard": limit.hard,
        "before": before.observed,
        "after": after.observed,
        "used_before": before.used,
        "used_after": after.used,
        "state": after.state,
        "reducing": after.used < before.used if known else None,  # type: ignore[operator]
        "reason": None if measured else "not_part_of_a_trade",
    }


def _checks(facts: Facts) -> list[dict[str, Any]]:
    """One line per check, as the ticket lists them."""
    start, end = facts.start, facts.end
    codes = set(facts.reasons)
    known = start is not None and end is not None
    lines = [
        _line(
            "Cash",
            "money0",
            start and start.cash,
            end and end.cash,
            0.0 if known else None,
            "INSUFFICIENT_CASH",
            codes,
            known,
        ),
    ]
    first = facts.legs[0] if facts.legs else None
    if first is not None and first.side == "sell" and end is not None:
        held = end.units.get(first.symbol, 0.0)
        lines.append(_line("Shares held", "qty", first.held, held, None, "OVERSELL", codes, known))
    if facts.portfolio.allow_short and start is not None and end is not None:
        floor = end.gross / 2.0
        lines.append(
            _line(
                "Equity over margin",
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
        lines.append(_limit_line(facts, limit, code, label, codes, known))
    lines += [
        {
            "code": code,
            "label": _SENTENCES.get(code, code),
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
        if code not in {each["code"] for each in lines}
    ]
    return lines


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
    before, after = _standing(facts, limit, facts.start), _standing(facts, limit, facts.end)
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


def _override(facts: Facts) -> list[str]:
    """Who may lift the limits that refused; solvency and missing data are never lifted."""
    if not facts.reasons or not set(facts.reasons) <= OVERRIDABLE:
        return []
    return ["Risk manager", "Admin"]


def _meta(facts: Facts) -> dict[str, Any]:
    inputs = facts.inputs
    daily = inputs.daily
    held = facts.start.exposures() if facts.start else {}
    outside = [s for s in held if facts.start and s not in facts.start.measured]
    gross = sum(abs(each) for each in held.values())
    covered = gross - sum(abs(held[s]) for s in outside)
    return {
        "run_id": str(daily.snapshot_id) if daily else None,
        "data_version": inputs.data_version,
        "covariance_session": str(daily.session_date) if daily else None,
        "method": "parametric_ewma",
        "coverage": (covered / gross if gross else 1.0) if facts.start else None,
        "excluded": [
            {"symbol": s, "reason": "manual_price_no_returns", "exposure": dollars(held[s])}
            for s in outside
        ],
        "failures": dict(inputs.failures),
        "simulated": inputs.session_running,
        "asked_by": facts.by.label if facts.by else None,
        "latency_ms": None,
    }


_SENTENCES = {
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
