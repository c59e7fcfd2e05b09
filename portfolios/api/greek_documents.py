"""Greeks on the wire: dollars of exposure and gain as strings, sensitivities as numbers."""

import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from etftrader.core.money import CENT, plain, to_money
from portfolios.api import documents
from portfolios.calculations.greeks import BookGreeks
from portfolios.selectors.greeks import Book, Group, Rung
from portfolios.selectors.option_legs import OLDER, REVALUED, Leg
from portfolios.selectors.option_scenarios import GRID_SPOTS, GRID_VOLATILITIES, Scenario

METHOD = "quantity x multiplier x unit Greek; full revaluation for scenarios"
UNITS = {
    "delta": "units of the underlying",
    "gamma": "units of the underlying per 1.00 of its price",
    "theta_per_day": "currency a calendar day",
    "vega_per_point": "currency a volatility point (0.01)",
    "rho_per_point": "currency a rate point (0.01)",
    "rho_per_bp": "currency a basis point of the rate",
    "dollar_delta": "currency: delta x price of the underlying",
    "gamma_1pct_dollar": "change of dollar_delta for 1 % of the underlying",
    "delta_per_pct": "currency for 1 % of the underlying",
    "gamma_per_pct2": "change of delta_per_pct for 1 % of the underlying",
}
WARNINGS = {
    REVALUED: "computed anew at the price of the moment, with the volatility of a close",
    OLDER: "the volatility is of an earlier close",
}


def book(found: Book) -> dict[str, Any]:
    """Greeks of a portfolio."""
    # share deltas of different underlyings are no sum anybody can use
    totals = figures(found.greeks) | {"delta": None, "gamma": None}
    return _calculated(
        found,
        {
            "totals": totals | {"reason": "" if found.legs else "no_positions"},
            "units": UNITS,
            "underlyings": [_underlying(each) for each in found.groups],
            "ladder": [_rung(each) for each in found.ladder],
            "excluded": [_excluded(each) for each in found.excluded],
        },
    )


def underlying(found: Book, group: Group, shown: Scenario) -> dict[str, Any]:
    """Greeks of everything on one underlying, with its scenarios."""
    data = _underlying(group) | {
        "units": UNITS,
        "profile": _profile(shown),
        "grid": _grid(shown),
        "excluded": [_excluded(each) for each in shown.excluded],
    }
    return _calculated(found, data, scenario_models=shown.models)


def figures(greeks: BookGreeks) -> dict[str, Any]:
    """Sums of Greeks under the names that say their units."""
    return {
        "delta": greeks.delta,
        "gamma": greeks.gamma,
        "theta_per_day": greeks.theta,
        "vega_per_point": greeks.vega,
        "rho_per_point": greeks.rho,
        "rho_per_bp": greeks.rho_per_bp,
        "dollar_delta": greeks.dollar_delta,
        "gamma_1pct_dollar": greeks.gamma_1pct_dollar,
        "delta_per_pct": greeks.delta_per_pct,
        "gamma_per_pct2": greeks.gamma_per_pct2,
        "legs_left_out": greeks.skipped,
    }


def dollars(value: float | None) -> str | None:
    """An estimate in dollars, to the cent; null for what is no number."""
    if value is None or not math.isfinite(value):
        return None
    return plain(to_money(value).quantize(CENT) + Decimal(0))


def _calculated(found: Book, data: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return documents.calculated(
        found.portfolio,
        found.as_of,
        {"session_date": found.session_date.isoformat(), "live": found.live, **data},
        method=METHOD,
        quality=found.quality,
        coverage=found.coverage,
        warnings=_warnings(found.legs),
        excluded=[_excluded(each) for each in found.excluded],
        **meta,
    )


def _warnings(legs: Iterable[Leg]) -> list[dict[str, str]]:
    return [
        {"code": flag, "symbol": each.symbol, "detail": detail}
        for each in legs
        for flag, detail in WARNINGS.items()
        if flag in each.flags
    ]


def _excluded(leg: Leg) -> dict[str, str]:
    return {"symbol": leg.symbol, "reason": leg.reason, "detail": leg.detail}


def _underlying(group: Group) -> dict[str, Any]:
    expiry = group.next_expiry
    return {
        "underlying": group.underlying,
        "spot": _price(group.spot),
        "price_session_date": group.price_session.isoformat() if group.price_session else None,
        "shares": plain(group.shares),
        "contracts": plain(group.contracts),
        "delta_adjusted_exposure": dollars(group.greeks.dollar_delta),
        "next_expiry_date": expiry.isoformat() if expiry else None,
        "implied_volatility": group.iv,
        "vol_sources": group.vol_sources,
        **figures(group.greeks),
        "legs": [_leg(each) for each in group.legs],
    }


def _leg(leg: Leg) -> dict[str, Any]:
    greeks, contract = leg.greeks, leg.contract
    known = figures(greeks) if greeks else dict.fromkeys(UNITS)
    known.pop("legs_left_out", None)
    return {
        "symbol": leg.symbol,
        "kind": leg.kind,
        "quantity": plain(leg.quantity),
        "multiplier": plain(leg.multiplier),
        "expiry_date": contract.expiry.isoformat() if contract else None,
        "strike": plain(contract.strike) if contract else None,
        "option_type": contract.right if contract else None,
        "style": contract.style if contract else None,
        **known,
        "delta_adjusted_exposure": dollars(greeks.dollar_delta) if greeks else None,
        "notional": dollars(leg.notional),
        "implied_volatility": leg.iv,
        "vol_source": leg.vol_source or None,
        "vol_session_date": leg.computed_on.isoformat() if leg.computed_on else None,
        "t_years": leg.years,
        "model": leg.model or None,
        "flags": list(leg.flags),
        "quality": leg.quality,
        "reason": leg.reason or None,
        "detail": leg.detail,
    }


def _rung(rung: Rung) -> dict[str, Any]:
    return {
        "expiry_date": rung.expiry.isoformat(),
        "legs": rung.legs,
        "contracts": plain(rung.contracts),
        "theta_per_day": rung.theta,
        "notional": dollars(rung.notional),
        "legs_left_out": rung.missing,
    }


def _profile(shown: Scenario) -> dict[str, Any]:
    lines = zip(
        shown.moves.tolist(),
        shown.today.tolist(),
        shown.later.tolist(),
        shown.at_expiry.tolist(),
        shown.delta_gamma.tolist(),
        strict=True,
    )
    return {
        "horizon_days": shown.horizon_days,
        "vol_shift": shown.volatility_shift,
        "expiry_days": shown.expiry_days,
        "strikes": [_price(each) for each in shown.strikes],
        "points": [
            {
                "spot_change": move,
                "spot": _price(None if shown.spot is None else shown.spot * (1.0 + move)),
                "today": dollars(today),
                "later": dollars(later),
                "at_expiry": dollars(last),
                "delta_gamma": dollars(expansion),
            }
            for move, today, later, last, expansion in lines
        ],
        "reason": shown.reason or None,
    }


def _grid(shown: Scenario) -> dict[str, Any]:
    return {
        "spot_changes": list(GRID_SPOTS),
        "vol_changes": list(GRID_VOLATILITIES),
        "pnl": [[dollars(value) for value in row] for row in shown.grid.tolist()],
        "reason": shown.reason or None,
    }


def _price(value: float | None) -> str | None:
    return None if value is None else plain(to_money(value))
