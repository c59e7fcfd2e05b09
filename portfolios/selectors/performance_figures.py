"""Figures of a performance with what they are: unit, why one is missing, its formula in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from portfolios.calculations.performance import DAYS_PER_YEAR, Relative, Summary, daily_rate
from portfolios.constants import MIN_RATIO_SESSIONS
from portfolios.selectors.performance_benchmarks import RiskFree

FRACTION, YEARLY, RATIO = "fraction", "fraction a year", "ratio"
NONE, TOO_SHORT, FLAT = "no_snapshots", "insufficient_history", "zero_denominator"
NO_RATE = "no_rate"
YEAR = f"{DAYS_PER_YEAR} sessions a year"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure; None with a reason. `formula` names the rates and sessions it was made with."""

    key: str
    value: float | None
    unit: str
    formula: str
    reason: str = ""  # a word for programs
    detail: str = ""  # and a sentence for people


_WORDS = {
    NONE: "no snapshot yet",
    FLAT: "its denominator is zero",
    NO_RATE: "no rate prices these flows",
}
UNITS = {
    "cumulative_return": FRACTION,
    "money_weighted_return": FRACTION,
    "annual_return": YEARLY,
    "money_weighted_annual": YEARLY,
    "annual_volatility": YEARLY,
    "downside_deviation": YEARLY,
    "sharpe": RATIO,
    "sortino": RATIO,
    "calmar": RATIO,
    "max_drawdown": FRACTION,
    "skew": RATIO,
    "excess_kurtosis": RATIO,
    "hit_rate": FRACTION,
    "alpha": YEARLY,
    "beta": RATIO,
    "correlation": RATIO,
    "tracking_error": YEARLY,
    "information_ratio": RATIO,
}
ALWAYS = ("cumulative_return", "money_weighted_return", "max_drawdown")  # from one return on
BESIDE = ("alpha", "beta", "correlation", "tracking_error", "information_ratio")


def needs(count: int, least: int = MIN_RATIO_SESSIONS) -> str:
    """What is missing, in words; ratios take 20 sessions."""
    return f"needs {least} session{'s' if least > 1 else ''}, has {count}"


def rate_words(free: RiskFree) -> str:
    """The risk-free rate as the formulas name it."""
    if not free.known:
        return "rf 0% (no 3-month bill yield is known)"
    daily = daily_rate(free.annual)
    return f"rf {free.annual:.2%} a year, the period's mean 3-month bill, {daily:.5%} a day"


def alone(
    made: Summary,
    weighted: tuple[float | None, float | None],
    count: int,
    span: tuple[date, date],
    free: RiskFree,
) -> dict[str, Figure]:
    """A portfolio's own figures, by name; ratios are None with fewer than 20 returns."""
    values = {name: getattr(made, name) for name in Summary.__slots__}
    values |= {"money_weighted_return": weighted[0], "money_weighted_annual": weighted[1]}
    words = _formulas(count, (span[1] - span[0]).days, free)
    return {
        name: _figure(
            name, values[name], words[name], count, 1 if name in ALWAYS else MIN_RATIO_SESSIONS
        )
        for name in UNITS
        if name not in BESIDE
    }


def beside(made: Relative | None, common: int, symbol: str, free: RiskFree) -> dict[str, Figure]:
    """Figures against one benchmark, by name; None with fewer than 20 common sessions."""
    values = {name: getattr(made, name, None) for name in BESIDE}
    values["alpha"] = made.alpha_annual if made else None
    words = _relative_formulas(common, symbol, free)
    return {name: _figure(name, values[name], words[name], common) for name in BESIDE}


def missing(reason: str) -> dict[str, Figure]:
    """All of a portfolio's own figures, none of them known."""
    return {
        name: Figure(name, None, unit, "", reason, _WORDS[reason])
        for name, unit in UNITS.items()
        if name not in BESIDE
    }


def _figure(
    name: str, value: float | None, formula: str, count: int, least: int = MIN_RATIO_SESSIONS
) -> Figure:
    unit = UNITS[name]
    if count < least:
        return Figure(name, None, unit, formula, TOO_SHORT, needs(count, least))
    if value is None:
        reason = NO_RATE if name.startswith("money_weighted") else FLAT
        return Figure(name, None, unit, formula, reason, _WORDS[reason])
    return Figure(name, value, unit, formula)


def _formulas(count: int, days: int, free: RiskFree) -> Mapping[str, str]:
    rate, seen = rate_words(free), f"{count} sessions"
    price = "the rate that prices the first equity, the flows and the last equity at nothing"
    return {
        "cumulative_return": "Π(1 + r) − 1; r = (equity + money out) ÷ (equity the day before "
        f"+ money in) − 1; {seen}",
        "annual_return": f"Π(1 + r)^({DAYS_PER_YEAR} ÷ {count}) − 1",
        "money_weighted_return": f"{price}, over {days} days",
        "money_weighted_annual": f"{price}, a year of 365 days",
        "annual_volatility": f"std(r) × √{DAYS_PER_YEAR}, n − 1; {seen}, {YEAR}",
        "sharpe": f"mean(r − rf) ÷ std(r) × √{DAYS_PER_YEAR}; {rate}; {seen}, {YEAR}",
        "sortino": f"mean(r − rf) × {DAYS_PER_YEAR} ÷ downside deviation; {rate}; {seen}",
        "downside_deviation": f"√(mean(min(r − rf, 0)²) × {DAYS_PER_YEAR}); {rate}; {seen}",
        "max_drawdown": f"the least of index ÷ its highest so far − 1; {seen}",
        "calmar": f"annual return ÷ |max drawdown|; {seen}, {YEAR}",
        "skew": f"mean((r − mean)³) ÷ std³, population moments; {seen}",
        "excess_kurtosis": f"mean((r − mean)⁴) ÷ std⁴ − 3, population moments; {seen}",
        "hit_rate": f"days up ÷ days up or down; {seen}",
    }


def _relative_formulas(common: int, symbol: str, free: RiskFree) -> Mapping[str, str]:
    rate, seen = rate_words(free), f"{common} sessions both have"
    return {
        "alpha": f"(1 + a)^{DAYS_PER_YEAR} − 1, a = mean(r − rf) − beta × mean(b − rf); "
        f"b is {symbol}; {rate}; {seen}",
        "beta": f"cov(r, b) ÷ var(b); b is {symbol}; {seen}",
        "correlation": f"cov(r, b) ÷ (std(r) × std(b)); b is {symbol}; {seen}",
        "tracking_error": f"std(r − b) × √{DAYS_PER_YEAR}; b is {symbol}; {seen}",
        "information_ratio": f"mean(r − b) ÷ std(r − b) × √{DAYS_PER_YEAR}; b is {symbol}; {seen}",
    }
