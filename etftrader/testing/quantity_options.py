"""Names of option prices, volatilities and times, mapped to their kernels."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from marketdata.calculations import american, implied_volatility, options


def _contract(i: dict[str, Any]) -> tuple[Any, ...]:
    """Spot, strike, rate, dividend yield, volatility, years and right, in the kernels' order."""
    sigma = i.get("sigma")
    return (i["S"], i["K"], i["r"], i["q"], sigma, i["T"], _is_call(i))


def _is_call(i: dict[str, Any]) -> bool:
    if i["type"] not in ("call", "put"):
        raise ValueError(f"type: {i['type']!r} is neither call nor put")
    return i["type"] == "call"


def _bsm(i: dict[str, Any]) -> dict[str, Any]:
    priced = options.bsm(*_contract(i))
    return priced.row(0) | {"reason": priced.reasons()[0]}


def _implied(i: dict[str, Any]) -> dict[str, Any]:
    found = implied_volatility.implied_volatility(
        i["price"], i["S"], i["K"], i["r"], i["q"], i["T"], _is_call(i)
    )
    return {"iv": found.volatility().tolist()[0], "reason": found.reasons()[0]}


def _american(i: dict[str, Any]) -> dict[str, Any]:
    tree = american.american(*_contract(i))
    return {
        "price": tree.price().tolist()[0],
        "delta": tree.delta().tolist()[0],
        "reason": tree.reasons()[0],
    }


def _pnl(i: dict[str, Any]) -> dict[str, Any]:
    gain = options.pnl(
        i["quantity"],
        i["multiplier"],
        *_contract(i),
        spot_change=i["dS"],
        volatility_change=i.get("dsigma", 0.0),
        rate_change=i.get("dr", 0.0),
        days=i.get("dt_days", 0.0),
    )
    return {
        "full_revaluation": gain.full_revaluation.tolist()[0],
        "delta_gamma": gain.delta_gamma.tolist()[0],
        "reason": options.in_words(gain.reason)[0],
    }


def _time_to_expiry(i: dict[str, Any]) -> dict[str, Any]:
    years = options.time_to_expiry(
        datetime.fromisoformat(i["valuation"]),
        date.fromisoformat(i["expiry"]),
        am_settled=i.get("am_settled", False),
    )
    return {"T": years}


OPTIONS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "options.bsm": _bsm,
    "options.implied_vol": _implied,
    "options.american": _american,
    "options.pnl": _pnl,
    "options.time_to_expiry": _time_to_expiry,
}
