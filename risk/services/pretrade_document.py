"""The pre-trade document: what was asked, at which prices, what changes, and the verdict."""

import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from etftrader.core.money import plain
from risk.calculations import decomposition
from risk.choices import Measure
from risk.constants import GATE_PATHS, HORIZON_DAYS, LIQUIDATION_SHARE, VAR_CONFIDENCE
from risk.live import dollars, utc
from risk.selectors.limits import LimitInForce, state_of
from risk.services import pretrade_inputs as gate_inputs
from risk.services.pretrade_book import State
from risk.services.pretrade_checks import Facts, lines, standing
from risk.services.pretrade_inputs import GateInputs, ProposedTrade
from risk.services.pretrade_legs import Leg

EXPOSURES = ("nav", "cash", "long", "short", "gross", "net", "delta_gross", "delta_net")
OVERRIDABLE = {"VAR_LIMIT", "NOTIONAL_MAX", "CONCENTRATION"}


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
        "exposure": _changes(before, after, EXPOSURES),
        "risk": _risk(facts, before, after),
        "limits": [_limit(facts, limit) for limit in facts.limits.values()],
        "checks": lines(facts),
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
        names = (*EXPOSURES, "var", "es", "stressed_var")
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
        "delta_gross": dollars(state.delta_gross),
        "delta_net": dollars(state.delta_net),
        "var": dollars(loss),
        "es": dollars(state.shortfall),
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
                "type": each.order_type,
                "price": plain(each.price if each.pays is None else each.pays),
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
    participation = abs(leg.quantity) / adv if leg and adv else None
    return {
        "symbol": trade.symbol,
        "price": plain(mark.price) if mark else None,
        "currency": inputs.instruments[trade.symbol].currency if mark else None,
        "exchange_rate": _rate(inputs, trade.symbol) if mark else None,
        "source": mark.source if mark else None,
        "class": mark.price_class if mark else None,
        "as_of": utc(mark.as_of) if mark and mark.as_of else None,
        "age_seconds": gate_inputs.age_s(mark, inputs.moment.as_of) if mark else None,
        "reason": (mark.reason or None) if mark else "no_price",
        "half_spread_bp": known.half_spread_bp if known else None,
        "liquidity_source": known.source if known else None,
        "estimated_cost": dollars(leg.cost) if leg else None,
        "participation": participation,
        "days_to_fill": None if participation is None else participation / LIQUIDATION_SHARE,
    }


def _rate(inputs: GateInputs, symbol: str) -> str | None:
    rate = inputs.rate(symbol)
    return plain(rate.value) if rate.legs else None


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
    value = start.prices[leg.symbol] * start.multipliers[leg.symbol]
    unit = start.deltas.get(leg.symbol, value)
    moved = [(start.inputs.column(leg.symbol), unit)]
    moved += [(name, sign * value) for name, sign in start.inputs.rate_legs(leg.symbol)]
    by_unit = sum(
        float(parts.marginal[matrix.labels.index(name)]) * amount for name, amount in moved
    )
    return by_unit * side * leg.quantity


def _component(end: State, symbol: str) -> float | None:
    matrix = dict(end.matrices)[end.gating]
    parts = decomposition.components(end.vector(matrix), matrix.values)
    return sum(
        float(parts.marginal[matrix.labels.index(name)]) * amount
        for name, amount in end.columns(symbol).items()
    )


def _stressed(state: State) -> float | None:
    matrix = state.inputs.stressed
    names = state.measured & set(state.exposures())
    held = {name for symbol in names for name in state.columns(symbol)}
    if matrix is None or not held <= set(matrix.labels):
        return None
    return state.parametric_by(matrix)


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


def _limit(facts: Facts, limit: LimitInForce) -> dict[str, Any]:
    measured = limit.measure != Measure.DAILY_LOSS
    before = standing(facts, limit, facts.start) if measured else state_of(None, limit)
    after = standing(facts, limit, facts.end) if measured else state_of(None, limit)
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
        "method": _method(facts.start),
        "coverage": (covered / gross if gross else 1.0) if facts.start else None,
        "excluded": [
            {
                "symbol": s,
                "reason": "no_delta" if s in inputs.terms else "manual_price_no_returns",
                "exposure": dollars(held[s]),
            }
            for s in outside
        ],
        "options_by_delta": sum(1 for s in held if s in inputs.terms and s not in outside)
        if facts.start and facts.start.scenarios is None
        else 0,
        "failures": dict(inputs.failures),
        "simulated": inputs.session_running,
        "asked_by": facts.by.label if facts.by else None,
        "latency_ms": None,
    }


def _method(state: State | None) -> str:
    """How VaR was measured: by delta, or on how many paths with every option valued again."""
    if state is None or state.scenarios is None:
        return "parametric_ewma"
    return f"full_revaluation_{GATE_PATHS}"
