"""Names of covariance, VaR and stops, mapped to their kernels."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from etftrader.testing import quantity_inputs as given
from marketdata.calculations import correlation, covariance, live_covariance
from risk.calculations import (
    backtest,
    decomposition,
    full_revaluation,
    historical,
    pretrade,
    stop_loss,
    stressed,
    var,
)


def _decay(i: dict[str, Any]) -> dict[str, Any]:
    facts = covariance.decay_facts(i["lam_daily"], i["bars_per_day"])
    return asdict(facts) | {
        "lam_bar": facts.per_bar,
        "effective_obs": facts.effective_observations,
    }


def _hybrid(i: dict[str, Any]) -> dict[str, Any]:
    factor = i.get("overnight_factor")
    matrix = live_covariance.hybrid(
        given.numbers(i["daily_cov"]),
        given.numbers(i["sigma_bar"]),
        bars_per_day=i.get("bars_per_day", live_covariance.BARS_PER_DAY),
        overnight_factor=None if factor is None else given.numbers(factor),
    )
    return {"cov": matrix}


def _scale_vol(i: dict[str, Any]) -> dict[str, Any]:
    scaled = live_covariance.scale_vol(
        i["sigma_bar"], i.get("bars_per_day", 390), i.get("days_per_year", 252)
    )
    return {"sigma_daily": scaled.daily, "sigma_annual": scaled.annual}


def _pairwise(i: dict[str, Any]) -> dict[str, Any]:
    matrix, overlap = correlation.pairwise_correlation(
        given.numbers(i["series"]).T, i["min_overlap"]
    )
    return {"matrix": matrix, "overlap": overlap}


def _parametric(i: dict[str, Any]) -> dict[str, Any]:
    figure = var.parametric(
        given.numbers(i["exposures"]),
        given.numbers(i["cov"]),
        confidence=i.get("confidence", var.VAR_CONFIDENCE),
        horizon_days=i.get("horizon_days", 1),
        z=i.get("z"),
    )
    return {"z": figure.z, "sigma": figure.sigma, "var": figure.total}


def _components(i: dict[str, Any]) -> dict[str, Any]:
    parts = decomposition.components(
        given.numbers(i["exposures"]),
        given.numbers(i["cov"]),
        confidence=i.get("confidence", var.VAR_CONFIDENCE),
        z=i.get("z"),
    )
    return {
        "var": parts.total,
        "marginal": parts.marginal,
        "component": parts.component,
        "percent": parts.percent,
    }


def _incremental(i: dict[str, Any]) -> dict[str, Any]:
    change = decomposition.incremental(
        given.numbers(i["exposures"]),
        given.numbers(i["trade"]),
        given.numbers(i["cov"]),
        confidence=i.get("confidence", var.VAR_CONFIDENCE),
        z=i.get("z"),
    )
    return {
        "var_before": change.before,
        "var_after": change.after,
        "incremental": change.incremental,
        "marginal_approximation": change.marginal_approximation,
    }


def _pretrade(i: dict[str, Any]) -> dict[str, Any]:
    row = i["tickers"].index(i["ticker"])
    held, prices = given.numbers(i["quantities"]), given.numbers(i["prices"])
    exposures = held * prices
    verdict = pretrade.check(
        pretrade.Trade(
            side=1 if i["side"] == "buy" else -1,
            quantity=float(i["qty"]),
            price=float(prices[row]),
            commission=i.get("commission", 0.0),
            cost_bp=i.get("cost_bp", 0.0),
        ),
        pretrade.Book(
            cash=i["cash"], held=float(held[row]), allow_short=i.get("allow_short", False)
        ),
        [pretrade.gate("daily", exposures, given.numbers(i["cov"]), row)],
        pretrade.Limits(value_at_risk=i["var_limit"]),
        confidence=i.get("confidence", var.VAR_CONFIDENCE),
    )
    return {
        "status": verdict.status,
        "reasons": verdict.reasons,
        "var_before": verdict.var_before,
        "var_after": verdict.var_after,
        "incremental_var": verdict.incremental_var,
        "estimated_cost": verdict.estimated_cost,
        "largest_quantity": verdict.largest_quantity,
    }


def _tail(figure: Any) -> dict[str, Any]:
    return asdict(figure) | {"var": figure.value_at_risk, "es": figure.expected_shortfall}


def _full_revaluation(i: dict[str, Any]) -> dict[str, Any]:
    if i["type"] not in ("call", "put"):
        raise ValueError(f"type: {i['type']!r} is neither call nor put")
    figure = full_revaluation.of_one_option(
        i["quantity"],
        i["multiplier"],
        *(i[name] for name in ("S", "K", "r", "q", "sigma", "T")),
        i["type"] == "call",
        daily_volatility=i["daily_vol"],
        confidence=i["confidence"],
        horizon=i.get("horizon_days", 1),
        count=i.get("n_paths", full_revaluation.PATHS),
        seed=i["seed"],
    )
    return {"var": figure.value_at_risk}


def _cornish_fisher(i: dict[str, Any]) -> dict[str, Any]:
    figure = var.cornish_fisher(**i)
    return asdict(figure) | {"var": figure.value_at_risk}


def _filtered(i: dict[str, Any]) -> dict[str, Any]:
    return _tail(
        historical.filtered_historical(
            given.numbers(i["returns"]), i["lam"], i["confidence"], i["value"]
        )
    )


def _christoffersen(i: dict[str, Any]) -> backtest.Christoffersen:
    counts = i.get("counts")
    return backtest.christoffersen(
        i["p"], i.get("hits"), None if counts is None else backtest.Transitions(**counts)
    )


def _regime(i: dict[str, Any]) -> dict[str, Any]:
    regime = stop_loss.vix_regime(i.pop("vix"), i.pop("mode", stop_loss.TABLE), **i)
    return {"regime": regime.name, "stop_pct": regime.distance}


def _trailing(i: dict[str, Any]) -> dict[str, Any]:
    run = stop_loss.trailing(
        i["entry"],
        i["closes"],
        i["vix"],
        i.get("side", stop_loss.LONG),
        mode=i.get("mode", stop_loss.TABLE),
        ratchet=i.get("ratchet", True),
    )
    return {
        "extreme": run.stop.extreme,
        "stop_price": run.stop.stop_price,
        "triggered_index": run.triggered_index,
        "distance_pct": run.stop.distance,
    }


RISK: dict[str, Callable[[dict[str, Any]], Any]] = {
    "cov.ewma_update": lambda i: {
        "cov": covariance.ewma_update(
            given.numbers(i["cov"]), given.numbers(i["returns"]), i["lam"]
        )
    },
    "cov.ewma_series": lambda i: {
        "cov": covariance.ewma_series(
            given.numbers(i["returns"]),
            i["lam"],
            None if i.get("init") is None else given.numbers(i["init"]),
        )
    },
    "cov.ewma_window": lambda i: {
        "cov": covariance.ewma_window(given.numbers(i["returns"]), i["lam"])
    },
    "cov.decay": _decay,
    "cov.hybrid": _hybrid,
    "cov.overnight_factor": lambda i: {
        "factor": live_covariance.overnight_factor(
            given.numbers(i["opens"]), given.numbers(i["closes"]), i.get("minimum", 20)
        )
    },
    "cov.scale_vol": _scale_vol,
    "cov.nearest_correlation": lambda i: {
        "matrix": correlation.nearest_correlation(given.numbers(i["matrix"]))
    },
    "cov.pairwise_correlation": _pairwise,
    "cov.stress_synthetic": lambda i: {
        "cov": stressed.synthetic(
            given.numbers(i["cov"]),
            i.get("vol_multiplier", stressed.VOL_MULTIPLIER),
            i.get("corr_blend", stressed.CORR_BLEND),
        )
    },
    "var.parametric": _parametric,
    "var.components": _components,
    "var.incremental": _incremental,
    "var.pretrade": _pretrade,
    "var.expected_shortfall": lambda i: _tail(
        var.expected_shortfall(i["sigma"], i.get("confidence", var.VAR_CONFIDENCE))
    ),
    "var.cornish_fisher": _cornish_fisher,
    "var.historical": lambda i: _tail(
        historical.historical(given.numbers(i["pnl"]), i["confidence"])
    ),
    "var.filtered_historical": _filtered,
    "var.full_revaluation_mc": _full_revaluation,
    "var.kupiec": lambda i: backtest.kupiec(i["n"], i["x"], i["p"]),
    "var.christoffersen": _christoffersen,
    "var.traffic_light": lambda i: backtest.traffic_light(i["n"], i["x"], i["confidence"]),
    "stop.vix_regime": _regime,
    "stop.trailing": _trailing,
}
