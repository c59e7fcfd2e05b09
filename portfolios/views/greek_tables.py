"""Figures, tables and charts of the Greeks' pages, as the partials draw them."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from etftrader.core.formats import show
from marketdata.choices import OptionRight, VolSource
from portfolios.calculations.greeks import BookGreeks
from portfolios.models import Portfolio
from portfolios.selectors.greeks import Book, Group, Rung
from portfolios.selectors.option_legs import EXPIRED, Leg
from portfolios.selectors.option_scenarios import (
    GRID_SPOTS,
    GRID_VOLATILITIES,
    NO_SPOT,
    Scenario,
)

SOURCES: dict[str, str] = {
    VolSource.QUOTE: "quote",
    VolSource.SMILE: "smile",
    VolSource.BUNDLED_SMILE: "simulated",
    VolSource.HISTORICAL: "60-day",
}
SOURCE_TITLES: dict[str, str] = {
    VolSource.QUOTE: "Volatility implied by the contract's own bid and ask",
    VolSource.SMILE: "Volatility between the quoted strikes of its expiry",
    VolSource.BUNDLED_SMILE: "Simulated: one real smile of 2022, scaled with the VIX of the day",
    VolSource.HISTORICAL: "Fallback: 60-day volatility of the underlying",
}
MODELS = {"bsm": "closed form", "lr201": "tree of 201 steps", "lr51": "tree of 51 steps"}
NO_LEG = "no leg has figures"
_FIGURES: tuple[dict[str, Any], ...] = (
    {"key": "delta", "label": "Delta, units", "fmt": "qty", "term": "delta", "priority": "p2"},
    {"key": "gamma", "label": "Gamma", "fmt": "greek", "term": "gamma", "priority": "p3"},
    {"key": "theta", "label": "Theta, day", "fmt": "money2", "term": "theta"},
    {"key": "vega", "label": "Vega, pt", "fmt": "money2", "term": "vega", "priority": "p3"},
    {"key": "rho", "label": "Rho, bp", "fmt": "money2", "term": "rho", "priority": "p2"},
    {
        "key": "exposure",
        "label": "Delta exposure",
        "fmt": "money0",
        "term": "delta_adjusted_exposure",
    },
)
_KEYS = tuple(each["key"] for each in _FIGURES)
_OF_OPTIONS = ("gamma", "theta", "vega", "rho")
_LAST: tuple[dict[str, Any], ...] = (
    {
        "key": "iv",
        "label": "IV",
        "fmt": "pct1",
        "term": "implied_volatility",
        "priority": "p2",
    },
    {"key": "source", "label": "Source", "kind": "tag", "priority": "p2"},
)
UNDERLYING_COLUMNS: tuple[dict[str, Any], ...] = (
    {
        "key": "symbol",
        "label": "Underlying",
        "kind": "template",
        "template": "portfolios/greeks_name.html",
        "css": "fold",
    },
    {"key": "spot", "label": "Spot", "fmt": "price", "priority": "p3"},
    {"key": "shares", "label": "Units", "fmt": "qty", "priority": "p2"},
    {"key": "contracts", "label": "Contracts", "fmt": "qty", "priority": "p3"},
    *_FIGURES,
    {"key": "expiry", "label": "Next expiry", "priority": "p3"},
    *_LAST,
)
LEG_COLUMNS: tuple[dict[str, Any], ...] = (
    {"key": "symbol", "label": "Leg", "sub": "code", "css": "fold"},
    {"key": "quantity", "label": "Quantity", "fmt": "qty"},
    *_FIGURES,
    {"key": "model", "label": "Model", "priority": "p3"},
    *_LAST,
)


def kpis(greeks: BookGreeks, legs: Sequence[Leg]) -> list[dict[str, Any]]:
    """The strip of net Greeks with their units; null where no leg has figures."""
    known = any(each.known for each in legs)
    figures = (
        ("Net delta", "delta_per_pct", greeks.delta_per_pct, "for +1% of the underlying"),
        ("Net gamma", "gamma_per_pct2", greeks.gamma_per_pct2, "more delta for each further 1%"),
        ("Theta", "theta", greeks.theta, "a calendar day"),
        ("Vega", "vega", greeks.vega, "a volatility point"),
        ("Rho", "rho", greeks.rho_per_bp, "a basis point of the rate"),
    )
    return [
        {
            "label": label,
            "term": term,
            "value": value + 0.0 if known else None,
            "fmt": "money2",
            "sub": unit,
            "reason": NO_LEG,
        }
        for label, term, value, unit in figures
    ]


def underlyings(found: Book, opened: Collection[str], asked: date | None) -> dict[str, Any]:
    """One row an underlying, with its legs below it where they are opened."""
    rows: list[dict[str, Any]] = []
    for group in found.groups:
        is_open = group.underlying in opened
        rows.append(_group(found.portfolio, group, opened, asked))
        rows += [_leg_below(each) for each in group.legs] if is_open else []
    totals = figures(found.greeks, any(each.known for each in found.legs))
    return {
        "id": "greeks-table",
        "caption": "Greeks by underlying",
        "columns": UNDERLYING_COLUMNS,
        "rows": rows,
        # units of different underlyings are no sum
        "totals": {"symbol": {"name": "Total"}}
        | {key: value for key, value in totals.items() if key not in ("delta", "gamma")},
    }


def figures(greeks: BookGreeks | None, known: bool) -> dict[str, Any]:
    """The columns of Greeks; None where there are none."""
    if greeks is None or not known:
        return dict.fromkeys(_KEYS)
    return {
        # shares, mostly whole ones: the further places of a model are none
        "delta": round(greeks.delta, 4),
        "gamma": greeks.gamma,
        "theta": greeks.theta,
        "vega": greeks.vega,
        "rho": greeks.rho_per_bp,
        "exposure": greeks.dollar_delta,
    }


def _group(
    portfolio: Portfolio, group: Group, opened: Collection[str], asked: date | None
) -> dict[str, Any]:
    name = group.underlying
    others = sorted({*opened} ^ {name})
    page = reverse("greeks_underlying", args=[portfolio.pk, name])
    missing = sum(1 for each in group.legs if not each.known)
    return {
        "id": name,
        "symbol": {
            "name": name,
            "url": f"{page}?as_of={asked}" if asked else page,
            "toggle": _toggle(others, asked) if group.options else None,
            "is_open": name in opened,
        },
        "spot": group.spot,
        "spot_reason": "no price is known",
        "shares": group.shares or None,
        "shares_reason": "none held",
        "contracts": group.contracts or None,
        "contracts_reason": "none held",
        **_with_reasons(
            group.greeks,
            NO_LEG,
            known=any(each.known for each in group.legs),
            options=bool(group.options),
        ),
        "expiry": show(group.next_expiry, "et") if group.next_expiry else "",
        "iv": group.iv,
        "iv_reason": "no living option with a volatility",
        "source": _group_source(group, missing),
    }


def _toggle(opened: Sequence[str], asked: date | None) -> str:
    given = {"as_of": str(asked or ""), "open": ",".join(opened)}
    return urlencode({name: value for name, value in given.items() if value})


def _with_reasons(
    greeks: BookGreeks | None, reason: str, *, known: bool, options: bool
) -> dict[str, Any]:
    """The columns of Greeks with why one is not there; what is no option has its delta only."""
    values = figures(greeks, known)
    reasons = dict.fromkeys(_KEYS, reason)
    if not options:
        values |= dict.fromkeys(_OF_OPTIONS)
        reasons |= dict.fromkeys(_OF_OPTIONS, "only options have it")
    return {**values, **{f"{key}_reason": why for key, why in reasons.items()}}


def _group_source(group: Group, missing: int) -> dict[str, str]:
    if missing:
        count = f"{missing} of {len(group.legs)} legs"
        return {"text": "missing", "kind": "bad", "title": f"{count} in no sum"}
    names = group.vol_sources
    if not names:
        return {}
    text = SOURCES.get(names[0], names[0]) if len(names) == 1 else "mixed"
    return {
        "text": text,
        "kind": _kind(names),
        "title": "; ".join(SOURCE_TITLES.get(each, each) for each in names),
    }


def _kind(sources: Sequence[str]) -> str:
    return "watch" if {VolSource.HISTORICAL, VolSource.BUNDLED_SMILE} & {*sources} else "plain"


def _leg_below(leg: Leg) -> dict[str, Any]:
    row = _leg(leg)
    units = "contracts" if leg.is_option else "shares"
    return row | {
        "symbol": {"name": row["symbol"], "title": leg.symbol, "leg": True},
        units: leg.quantity,
        "expiry": show(leg.contract.expiry, "et") if leg.contract else "",
    }


def legs(group: Group) -> dict[str, Any]:
    """Every leg of one underlying."""
    known = any(each.known for each in group.legs)
    return {
        "id": "legs-table",
        "caption": f"Legs on {group.underlying}",
        "columns": LEG_COLUMNS,
        "rows": [_leg(each) for each in group.legs],
        "totals": {"symbol": "Total"} | figures(group.greeks, known),
    }


def spot_line(group: Group, found: Book) -> str:
    """Price and moment of the figures, in words."""
    price = "no price" if group.spot is None else show(group.spot, "price")
    return f"{group.underlying} {price}, as of {show(found.as_of, 'et:full')}"


def _leg(leg: Leg) -> dict[str, Any]:
    why = leg.detail or "not available"
    return {
        "id": leg.symbol,
        "symbol": name_of(leg),
        "code": leg.symbol if leg.is_option else "",
        "quantity": leg.quantity,
        **_with_reasons(leg.greeks, why, known=leg.known, options=leg.is_option),
        "iv": leg.iv if leg.is_option else None,
        "iv_reason": why if leg.is_option else "no option",
        "model": MODELS.get(leg.model, leg.model),
        "source": _source(leg),
    }


def name_of(leg: Leg) -> str:
    """A leg as people name it: 15 Jul 2016 212 call."""
    if leg.contract is None:
        return f"{leg.symbol} itself"
    right = OptionRight(leg.contract.right).label.lower()
    return f"{show(leg.contract.expiry, 'et')} {show(leg.contract.strike, 'qty')} {right}"


def _source(leg: Leg) -> dict[str, str]:
    if leg.reason == EXPIRED:
        return {"text": "expired", "kind": "plain", "title": leg.detail}
    if leg.reason:
        return {"text": "missing", "kind": "bad", "title": leg.detail}
    if not leg.is_option:
        return {}
    session = f", of {leg.computed_on:%d %b %Y}" if leg.computed_on else ""
    title = SOURCE_TITLES.get(leg.vol_source, leg.vol_source)
    kind = "watch" if leg.quality != "full" else _kind([leg.vol_source])
    return {
        "text": SOURCES.get(leg.vol_source, leg.vol_source),
        "kind": kind,
        "title": f"{title}{session}",
    }


def ladder(rungs: Sequence[Rung]) -> list[dict[str, Any]]:
    """Theta and notional of each expiry."""
    labels = [f"{show(each.expiry, 'et')}, {show(each.contracts, 'qty')}" for each in rungs]
    theta = sum(each.theta or 0.0 for each in rungs)
    first = show(rungs[0].expiry, "et") if rungs else ""
    charts = (
        ("theta", "Theta, $ a day", [each.theta for each in rungs], "money2"),
        ("notional", "Notional, $", [each.notional for each in rungs], "money0"),
    )
    conclusion = (
        f"{len(rungs)} expiries, the next on {first}; {show(theta, 'money2')} a day in all."
    )
    return [
        {
            "id": f"ladder-{key}",
            "title": title,
            "conclusion": conclusion,
            "fmt": fmt,
            "neutral": True,
            "names": [title],
            "rows": [
                {"label": label, "value": value}
                for label, value in zip(labels, values, strict=True)
            ],
        }
        for key, title, values, fmt in charts
    ]


def payoff(group: Group, shown: Scenario) -> dict[str, Any] | None:
    """The profile as its chart draws it; None where there is nothing to draw."""
    if shown.reason:
        return None
    days = shown.horizon_days
    lines = [("Today", shown.today), (f"In {days} days" if days != 1 else "In 1 day", shown.later)]
    expiry = show(group.next_expiry, "et") if group.next_expiry else ""
    if expiry:
        lines.append((f"At expiry {expiry}", shown.at_expiry))
    low, high = float(shown.today.min()), float(shown.today.max())
    bent = f" with volatilities {shown.volatility_shift:+.0%}" if shown.volatility_shift else ""
    return {
        "id": "payoff",
        "title": f"Gain on {group.underlying} over moves of its price",
        "conclusion": f"Between {show(low, 'money0')} and {show(high, 'money0')} today for moves "
        f"of 20% either way{bent}.",
        "spot": shown.spot,
        "strikes": shown.strikes,
        "moves": shown.moves.tolist(),
        "lines": [{"name": name, "values": values.tolist()} for name, values in lines],
        "beside": {"name": "Delta-gamma, today", "values": shown.delta_gamma.tolist()},
    }


def heat(group: Group, shown: Scenario) -> dict[str, Any] | None:
    """The grid as its chart draws it."""
    if shown.reason:
        return None
    worst, best = float(shown.grid.min()), float(shown.grid.max())
    return {
        "id": "spotvol",
        "title": f"Gain on {group.underlying} over moves of price and volatility, today",
        "conclusion": f"The worst cell loses {show(abs(min(worst, 0.0)), 'money0')}, the best "
        f"gains {show(max(best, 0.0), 'money0')}.",
        "columns": [f"{show(move, 'signed:pct0')}" for move in GRID_SPOTS],
        "rows": [f"IV {show(move, 'signed:pct0')}" for move in GRID_VOLATILITIES],
        "across": "Price",
        "values": shown.grid.tolist(),
    }


def why_nothing(group: Group, shown: Scenario) -> str:
    """Why there are no charts, in words."""
    if shown.reason == NO_SPOT:
        return f"No price of {group.underlying} is known, so nothing can be revalued."
    return f"No position on {group.underlying} has figures that could be revalued."
