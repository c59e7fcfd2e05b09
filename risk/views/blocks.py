"""What the blocks of the risk page show: figures, chart, limits, parts, stops, alerts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
from django.urls import reverse

from etftrader.core import formats
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment
from risk.choices import CheckStatus, Measure
from risk.constants import EWMA_LAMBDA, WINDOW
from risk.live import PortfolioRisk
from risk.models import PreTradeCheck, RiskMetric
from risk.selectors.var import Current
from risk.views.words import words

NAME_WIDTH = 22  # characters
MAX_AGE = 30  # seconds after which a live figure looks old


@dataclass(frozen=True, slots=True)
class StopMood:
    """How far stops trail now; no distance where they are off."""

    name: str
    distance: float | None
    level: float | None  # of the VIX


def kpis(found: Current, mood: StopMood) -> list[dict[str, Any]]:
    """The strip on top; every figure is the stored or live one, null with its reason."""
    risk: Mapping[str, Any] = found.record.risk if found.record else {}
    reason = words(risk.get("reason") or "not_computed")
    return [
        {
            "label": "VaR 95%, 1 day",
            "term": "var",
            "value": risk.get("var"),
            "fmt": "money0",
            "live": "risk.var",
            "max_age": MAX_AGE if found.is_live else "",
            "reason": reason,
            "lead": True,
            "subs": _of_nav(risk),
            "meter": {
                "value": risk.get("var"),
                "limit": risk.get("limit"),
                "watch": _watch(found),
                "fmt": "money0",
                "label": "VaR limit used",
                "live": "risk.utilisation",
                "live_limit": "risk.limit",
                "note": risk.get("headroom"),
                "note_fmt": "money0",
                "note_unit": " headroom",
                "live_note": "risk.headroom" if risk.get("headroom") is not None else "",
            },
        },
        _kpi(
            "Expected shortfall", "expected_shortfall", risk, "es", "mean loss beyond VaR", reason
        ),
        _kpi(
            "Volatility",
            "volatility",
            risk,
            "volatility",
            f"annualised, EWMA {EWMA_LAMBDA}",
            reason,
            fmt="pct1",
        ),
        _kpi("Stressed VaR", "stressed_var", risk, "stressed_var", "as in 2008-09", reason),
        {
            "label": "Dynamic stop",
            "term": "stop_level",
            "value": None if mood.distance is None else -mood.distance,
            "fmt": "pct1",
            "reason": "stops are off",
            "sub": "VIX unknown" if mood.level is None else f"VIX {mood.level:.2f}, {mood.name}",
        },
    ]


def chart(found: Current, moment: Moment, checks: Sequence[PreTradeCheck]) -> dict[str, Any]:
    """Today's VaR, one point a bar, with the limit, the watch level and the trades."""
    record = found.record
    risk: Mapping[str, Any] = record.risk if record else {}
    session = record.session_date if record else moment.current
    opens, closes = calendar.open_time(session), calendar.close_time(session)
    times = record.times if record is not None else np.empty(0)
    series = record.series if record is not None else np.empty(0)
    return {
        "id": "vartoday",
        "title": "VaR today",
        "conclusion": _conclusion(risk),
        "x": [datetime.fromtimestamp(each, tz=UTC) for each in times],
        "series": [{"name": "VaR 95%", "values": [float(each) for each in series], "step": False}],
        "fmt": "money0",
        "limit": _mark("Limit", risk["limit"], _dollars(risk["limit"]))
        if risk.get("limit")
        else None,
        "watch": _mark("Watch", risk["watch"], f"{_watch(found):.0%}")
        if risk.get("watch")
        else None,
        "events": _trades(checks, times),
        "span": (opens, closes),
        "live": "risk.var",
        "live_x": "as_of",
        "width": 852,
        "height": 300,
        "empty": "The line begins with the first bar of a session.",
    }


def limits(record: PortfolioRisk | None) -> list[dict[str, Any]]:
    """One line per limit, as its meter shows it."""
    rows = []
    for place, each in enumerate(record.limits if record else []):
        fraction = each["unit"] != "currency"
        is_var = each["measure"] == Measure.VAR
        risk: Mapping[str, Any] = record.risk if record else {}
        fmt = "money0" if is_var or not fraction else "pct1"
        rows.append(
            {
                "label": each["label"],
                "term": "var_limit" if is_var else "",
                "value": risk.get("var") if is_var else each["observed"],
                "limit": risk.get("limit") if is_var else each["limit"],
                "fmt": fmt,
                "used": each["used"],
                "watch": each["watch"],
                "state": "missing" if each["state"] == "unknown" else each["state"],
                "reason": words(each["reason"] or "not_computed"),
                "prefix": each["symbol"] or "",
                "live": "risk.var" if is_var else f"limits.limits.{place}.observed",
                "live_used": "risk.utilisation" if is_var else f"limits.limits.{place}.used",
                "hard": each["hard"],
            }
        )
    return rows


def parts_table(
    record: PortfolioRisk | None, names: Mapping[str, str], portfolio_id: UUID
) -> dict[str, Any]:
    """Where the risk sits: parts that sum to the VaR, the largest first."""
    components = record.risk["components"] if record else []
    shares = [each["share"] or 0.0 for each in components]
    weights = [each["weight"] or 0.0 for each in components]
    low, high = min([0.0, *shares, *weights]), max([0.0, *shares, *weights])
    rows = [
        {
            "id": each["symbol"],
            **_named(each, names),
            "exposure": each["delta_exposure"],
            "weight": each["weight"],
            "per_10k": each["per_10k"],
            "component": each["component"],
            "share": each["share"],
            **{f"{key}_reason": "left out of the VaR" for key in ("per_10k", "component", "share")},
            "bar": {
                "value": each["share"],
                "low": low,
                "high": high,
                "outline": each["weight"],
            },
        }
        for each in components
    ]
    total = sum(float(each["component"] or 0.0) for each in components)
    exposure = sum(float(each["delta_exposure"] or 0.0) for each in components)
    return {
        "id": "parts",
        "caption": "Component VaR by position, the largest first",
        "columns": [
            {"key": "symbol", "label": "Position", "sub": "name", "css": "fold"},
            {"key": "exposure", "label": "Delta exposure", "fmt": "money0", "priority": "p3"},
            {"key": "weight", "label": "Weight", "fmt": "pct1"},
            {
                "key": "per_10k",
                "label": "Per +$10k",
                "fmt": "signed:money0",
                "term": "marginal_var",
                "priority": "p3",
            },
            {"key": "component", "label": "VaR", "fmt": "money0", "term": "component_var"},
            {"key": "share", "label": "Share", "fmt": "pct1"},
            {"key": "bar", "label": "", "kind": "hbar", "priority": "p2"},
        ],
        "rows": rows,
        "totals": {
            "symbol": "Portfolio",
            "exposure": exposure,
            "weight": sum(weights),
            "component": total,
            "share": sum(shares),
        }
        if rows
        else None,
        "empty": {
            "text": "Nothing is held, so nothing can be lost.",
            "url": reverse("trade", kwargs={"portfolio_id": portfolio_id}),
            "label": "Trade",
        },
    }


def method(found: Current, moment: Moment) -> list[dict[str, str]]:
    """The line at the foot: how the figures came about."""
    record, metric = found.record, found.metric
    if record is None:
        return []
    simulated = ""
    if record.risk["simulated"]:
        made = "minutes" if record.risk["played"] else "option quotes"
        simulated = f", simulated {made}"
    live = "live hybrid: daily correlation, one-minute volatility"
    how = live if record.risk["method"] == "hybrid" else "daily EWMA"
    facts = [
        {"label": "Method", "text": f"{how}, λ {EWMA_LAMBDA}, {WINDOW} sessions, z 1.645"},
        {"label": "Prices", "text": f"{moment.prices_from}{simulated}"},
    ]
    raw = record.risk.get("var_raw")
    if raw:
        facts.append({"label": "Fast gauge", "text": formats.show(raw, "money0")})
    by_delta = sum(1 for each in record.risk["components"] if each.get("underlying"))
    if by_delta:
        count = f"{by_delta} option{'' if by_delta == 1 else 's'}"
        facts.append({"label": "Options", "text": f"{count} by delta, no gamma or volatility"})
    if metric is not None:
        facts.append({"label": "Data", "text": _coverage(metric)})
        facts.append({"label": "Covariance", "text": _condition(metric)})
    return facts


def _named(each: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, str]:
    """An option by its words, everything else by symbol and name."""
    name = names.get(each["symbol"], "")
    if each["underlying"]:
        return {"symbol": name or each["symbol"], "name": ""}
    return {"symbol": each["symbol"], "name": _short(name)}


def _kpi(
    label: str,
    term: str,
    risk: Mapping[str, Any],
    key: str,
    sub: str,
    reason: str,
    fmt: str = "money0",
) -> dict[str, Any]:
    return {
        "label": label,
        "term": term,
        "value": risk.get(key),
        "fmt": fmt,
        "live": f"risk.{key}",
        "sub": sub,
        "reason": reason,
    }


def _mark(word: str, value: str, text: str) -> dict[str, str]:
    return {"value": value, "label": f"{word} {text}"}


def _dollars(amount: str) -> str:
    return formats.show(amount, "money0")


def _short(name: str) -> str:
    """A name that leaves room for the figures beside it."""
    return name if len(name) <= NAME_WIDTH else f"{name[: NAME_WIDTH - 1].rstrip()}…"


def _of_nav(risk: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The VaR as a share of NAV and its change since the open; both move with it."""
    parts = (
        ("var_of_nav", "pct2", " of NAV"),
        ("change_since_open", "signed:money0", " since open"),
    )
    return [
        {"value": risk[key], "fmt": fmt, "live": f"risk.{key}", "unit": unit}
        for key, fmt, unit in parts
        if risk.get(key) is not None
    ]


def _watch(found: Current) -> float:
    return next(each.watch for each in found.limits if each.measure == Measure.VAR)


def _conclusion(risk: Mapping[str, Any]) -> str:
    if risk.get("var") is None or risk.get("utilisation") is None:
        return "There is no VaR to draw yet."
    return f"VaR stands at {risk['utilisation']:.0%} of its limit."


def _trades(checks: Sequence[PreTradeCheck], times: Any) -> list[dict[str, Any]]:
    """Approved orders of the time the line covers."""
    if len(times) == 0:
        return []
    return [
        {"x": each.as_of, "label": f"{each.side.title()} {each.quantity} {each.symbol}"}
        for each in checks
        if each.status == CheckStatus.APPROVED and times[0] <= each.as_of.timestamp() <= times[-1]
    ][:6]


def _coverage(metric: RiskMetric) -> str:
    left_out = ", ".join(each["symbol"] for each in metric.excluded)
    share = "no figures" if metric.coverage is None else f"{metric.coverage:.1%} of exposure"
    return f"{share}, without {left_out}" if left_out else share


def _condition(metric: RiskMetric) -> str:
    row = metric.covariance
    if row is None:
        return "not kept for this session"
    number = (
        "singular" if row.condition_number is None else f"condition {row.condition_number:,.0f}"
    )
    if row.repair_distance:
        return f"of {row.session_date}, repaired by {row.repair_distance:.2g}, {number}"
    return f"of {row.session_date}, positive definite, {number}"
