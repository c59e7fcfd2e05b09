"""What one book can lose by a matrix: VaR, its parts, what it leaves out. No table is touched."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np

from portfolios.choices import Quality
from risk.calculations import decomposition
from risk.calculations import var as kernel
from risk.calculations.decomposition import VarParts
from risk.constants import LOW_COVERAGE, VAR_CONFIDENCE, WINDOW
from risk.selectors import inputs
from risk.selectors.covariance import Matrix
from risk.selectors.inputs import RiskInputs

NO_COVARIANCE, NO_PRICE = "no_covariance", "no_price"
PRICE_STALE, MANUAL = "price_stale", "manual_price_no_returns"
NO_DELTA = "no_delta"
NOTHING_COVERED = "nothing_covered"
BY_DELTA = "options_by_delta"


@dataclass(frozen=True, slots=True)
class Holding:
    """One position of a book as risk sees it; `reason` says why it has no exposure here."""

    instrument_id: UUID
    symbol: str
    exposure: float | None  # signed delta dollars
    reason: str = ""
    underlying: str = ""  # whose returns it follows; empty: its own
    market: float | None = None  # signed dollars of an option itself
    rates: tuple[tuple[str, float], ...] = ()  # exchange rates it moves with, signed dollars

    @property
    def columns(self) -> dict[str, float]:
        """What it adds to the exposure vector: itself or its underlying, and its rates."""
        found = {self.column: self.exposure or 0.0}
        for name, amount in self.rates:
            found[name] = found.get(name, 0.0) + amount
        return found

    @property
    def column(self) -> str:
        """The name under which the matrices know it."""
        return self.underlying or self.symbol

    @property
    def worth(self) -> float | None:
        """Signed dollars it is valued at."""
        return self.market if self.underlying else self.exposure


@dataclass(frozen=True, slots=True)
class Part:
    """A position's part in the VaR, dollars; positions on one underlying share its marginal."""

    marginal: float
    component: float
    share: float
    isolated: float


@dataclass(frozen=True, slots=True)
class BookRisk:
    """What one book can lose by one matrix pair, with what it leaves out."""

    value_at_risk: float | None
    expected_shortfall: float | None
    volatility: float | None  # of one day, dollars
    stressed_var: float | None
    coverage: float | None  # of gross exposure
    quality: str
    reason: str = ""  # why there is no VaR
    stressed_reason: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    excluded: tuple[dict[str, Any], ...] = ()
    warnings: tuple[dict[str, Any], ...] = ()


def of(
    holdings: Sequence[Holding], daily: Matrix | None, stressed: Matrix | None, session_date: date
) -> BookRisk:
    """Measure one book.

    Parameters
    ----------
    holdings : sequence of Holding
        A negative or positive exposure counts, None is left out with its reason. Options enter
        by their delta, added to their underlying; foreign ones add their value to their
        exchange rates.
    daily, stressed : Matrix or None
        Without the daily one there is no figure at all.
    session_date : date
        A matrix of an earlier session makes the quality stale.

    Returns
    -------
    BookRisk
        An empty book loses nothing; one of which nothing is covered has no figure.
    """
    excluded = [_left_out(each, each.reason) for each in holdings if each.reason]
    counted = [each for each in holdings if not each.reason and each.exposure is not None]
    if daily is None:
        missing = [_left_out(each, NO_COVARIANCE) for each in holdings if not each.reason]
        excluded += missing
        return BookRisk(
            None,
            None,
            None,
            None,
            None,
            Quality.MISSING,
            NO_COVARIANCE,
            NO_COVARIANCE,
            excluded=tuple(excluded),
        )
    known = set(daily.labels)
    excluded += [_left_out(each, NO_COVARIANCE) for each in counted if each.columns.keys() - known]
    covered = [each for each in counted if each.columns.keys() <= known]
    aligned = inputs.align(_vector(covered), daily.labels, daily.values)
    if holdings and not aligned.symbols:
        return BookRisk(
            None,
            None,
            None,
            None,
            0.0,
            Quality.MISSING,
            NOTHING_COVERED,
            NOTHING_COVERED,
            excluded=tuple(excluded),
        )
    parts = decomposition.components(aligned.exposures, aligned.covariance)
    sigma = parts.total / kernel.quantile(VAR_CONFIDENCE)
    stressed_var, stressed_reason = _stressed(
        dict(zip(aligned.symbols, aligned.exposures, strict=True)), stressed
    )
    coverage = _coverage(covered, excluded)
    warnings = _warnings(aligned.symbols, daily, stressed, coverage, session_date)
    warnings += _by_delta(covered)
    return BookRisk(
        value_at_risk=parts.total,
        expected_shortfall=kernel.expected_shortfall(sigma).expected_shortfall,
        volatility=sigma,
        stressed_var=stressed_var,
        coverage=coverage,
        quality=_quality(daily, session_date, excluded, warnings),
        stressed_reason=stressed_reason,
        parts=_parts(covered, aligned, parts),
        excluded=tuple(excluded),
        warnings=tuple(warnings),
    )


def _vector(covered: Sequence[Holding]) -> dict[str, float]:
    exposures: dict[str, float] = {}
    for each in covered:
        for name, amount in each.columns.items():
            exposures[name] = exposures.get(name, 0.0) + amount
    return exposures


def _parts(covered: Sequence[Holding], aligned: RiskInputs, parts: VarParts) -> dict[str, Part]:
    """Each position's share of its underlying's component, by its own delta dollars.

    A foreign one's has its exchange rates' in it; its marginal is of a dollar of exposure.
    """
    row_of = {symbol: row for row, symbol in enumerate(aligned.symbols)}
    found = {}
    for each in covered:
        rows = [row_of[name] for name in each.columns]
        amounts = np.array(list(each.columns.values()))
        component = float(amounts @ parts.marginal[rows])
        marginal = float(parts.marginal[row_of[each.column]])
        if each.rates and each.exposure:
            marginal = component / each.exposure
        variance = float(amounts @ aligned.covariance[np.ix_(rows, rows)] @ amounts)
        found[each.symbol] = Part(
            marginal=marginal,
            component=component,
            share=component / parts.total if parts.total else 0.0,
            isolated=kernel.quantile(VAR_CONFIDENCE) * math.sqrt(max(variance, 0.0)),
        )
    return found


def _by_delta(covered: Sequence[Holding]) -> list[dict[str, Any]]:
    count = sum(1 for each in covered if each.underlying)
    if not count:
        return []
    said = "1 option enters" if count == 1 else f"{count} options enter"
    detail = f"{said} by delta only: gamma and volatility are not in the VaR"
    return [{"code": BY_DELTA, "symbol": "", "detail": detail}]


def _stressed(exposures: Mapping[str, float], stressed: Matrix | None) -> tuple[float | None, str]:
    if stressed is None:
        return None, NO_COVARIANCE
    aligned = inputs.align(exposures, stressed.labels, stressed.values)
    if aligned.missing:
        return None, NO_COVARIANCE
    return kernel.parametric(aligned.exposures, aligned.covariance).total, ""


def _left_out(holding: Holding, reason: str) -> dict[str, Any]:
    return {"symbol": holding.symbol, "reason": reason, "exposure": holding.worth}


def _coverage(covered: Sequence[Holding], excluded: Sequence[Mapping[str, Any]]) -> float:
    inside = math.fsum(abs(each.exposure or 0.0) for each in covered)
    outside = math.fsum(abs(each["exposure"] or 0.0) for each in excluded)
    if any(each["exposure"] is None for each in excluded) and inside + outside == 0.0:
        return 0.0
    return inside / (inside + outside) if inside + outside > 0.0 else 1.0


def _warnings(
    symbols: Sequence[str],
    daily: Matrix,
    stressed: Matrix | None,
    coverage: float,
    session_date: date,
) -> list[dict[str, Any]]:
    found = [
        {
            "code": daily.flags[s]["flag"],
            "symbol": s,
            "detail": f"{daily.flags[s]['observations']} of {WINDOW} sessions",
        }
        for s in symbols
        if s in daily.flags
    ]
    if stressed is not None:
        found += [
            {"code": "stressed_synthetic", "symbol": s, "detail": "no history in the crisis window"}
            for s in symbols
            if s in stressed.flags
        ]
    if coverage < LOW_COVERAGE:
        found.append({"code": "low_coverage", "symbol": "", "detail": f"{coverage:.1%} covered"})
    if daily.session_date < session_date:
        found.append(
            {"code": "stale_covariance", "symbol": "", "detail": f"of {daily.session_date}"}
        )
    return found


def _quality(
    daily: Matrix,
    session_date: date,
    excluded: Sequence[Mapping[str, Any]],
    warnings: Sequence[Mapping[str, Any]],
) -> str:
    if daily.session_date < session_date:
        return Quality.STALE
    limited = {"short_history", "low_coverage"} & {each["code"] for each in warnings}
    return Quality.LIMITED if excluded or limited else Quality.FULL
