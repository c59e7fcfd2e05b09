"""Covariance matrices of a session, daily EWMA and stressed, stored with their facts."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import numpy as np
from django.db import transaction
from numpy.typing import NDArray

from etftrader.core.errors import NotEnoughData
from marketdata.calculations import covariance as ewma
from marketdata.calculations.correlation import from_covariance
from marketdata.selectors import calendar, instruments, prices
from risk.calculations import stressed as crisis
from risk.choices import CovarianceKind
from risk.constants import (
    EWMA_LAMBDA,
    MIN_ROWS,
    STRESS_END,
    STRESS_MIN_RETURNS,
    STRESS_START,
    WINDOW,
)
from risk.models import CovarianceSnapshot
from risk.selectors import covariance as matrices

SHORT_HISTORY, SYNTHETIC = "short_history", "synthetic"
METHOD_DAILY = "ewma_0.94_252"
METHOD_STRESSED = "crisis_2008-09_2009-03"


@dataclass(frozen=True, slots=True)
class Computed:
    """A matrix before it is stored; row i belongs to labels[i]."""

    labels: tuple[str, ...]
    values: NDArray[np.float64]
    window: tuple[date, date]
    observations: int
    flags: dict[str, Any] = field(default_factory=dict)
    repair: float = 0.0
    warnings: tuple[str, ...] = ()

    def as_matrix(self, session_date: date, method: str) -> matrices.Matrix:
        """The matrix selectors hand out, not stored."""
        return matrices.Matrix(self.labels, self.values, None, session_date, self.flags, 0, method)


def compute_daily(*, session_date: date) -> CovarianceSnapshot:
    """Compute and store the daily matrix of a session over the whole universe.

    One row per kind and session: the same numbers change nothing, others raise its revision.
    Raises NotEnoughData when no name has enough returns.
    """
    panel = prices.panel(symbols=_universe(), until=session_date, rows=WINDOW + 1)
    days = panel.sessions.tolist()
    return _store(
        CovarianceKind.DAILY,
        session_date,
        daily_of(panel.symbols, panel.returns(), days),
        METHOD_DAILY,
        EWMA_LAMBDA,
    )


def daily_of(
    symbols: Sequence[str], returns: NDArray[np.float64], sessions: Sequence[date]
) -> Computed:
    """The daily matrix of a returns panel, names with too little history left out.

    Parameters
    ----------
    symbols : sequence of str
        Columns of `returns`.
    returns : ndarray, shape (t, n)
        Simple daily returns, oldest first, NaN where there is none; the newest 252 count.
    sessions : sequence of date
        Of the prices behind them, t + 1.

    Returns
    -------
    Computed
        A name needs 60 returns; one with fewer than the window is flagged `short_history`, its
        weights renormalised over the rows it has. Names without enough are in the warnings.

    Raises
    ------
    NotEnoughData
        No name has enough returns.
    """
    result = ewma.daily_matrix(returns, EWMA_LAMBDA, window=WINDOW, minimum=MIN_ROWS)
    if not result.known.any():
        raise NotEnoughData(
            "No name has enough returns for a covariance.",
            code="no_covariance",
            names=len(symbols),
            needed=MIN_ROWS,
        )
    rows = min(len(returns), WINDOW)
    labels = tuple(s for s, known in zip(symbols, result.known, strict=True) if known)
    seen = {s: int(n) for s, n in zip(symbols, result.observations, strict=True)}
    flags = {s: {"flag": SHORT_HISTORY, "observations": seen[s]} for s in labels if seen[s] < rows}
    left_out = tuple(
        f"{s}: {seen[s]} of {MIN_ROWS} returns"
        for s, known in zip(symbols, result.known, strict=True)
        if not known
    )
    window = (sessions[-rows], sessions[-1])
    return Computed(labels, result.matrix, window, rows, flags, result.repair, left_out)


def compute_stressed(*, session_date: date) -> CovarianceSnapshot:
    """Compute and store the stressed matrix over the names of the daily one.

    The crisis window where a name has 40 returns inside it; elsewhere the synthetic step on
    today's matrix, flagged. Raises NotEnoughData without a daily matrix.
    """
    daily = matrices.in_force(session_date=session_date)
    if daily is None:
        raise NotEnoughData("There is no daily covariance to stress.", code="no_covariance")
    computed = stressed_of(daily, session_date)
    return _store(CovarianceKind.STRESSED, session_date, computed, METHOD_STRESSED, None)


def stressed_of(daily: matrices.Matrix, session_date: date) -> Computed:
    """The stressed matrix over the names of a daily one, from closes not later than a session."""
    until = min(STRESS_END, session_date)
    # one earlier close gives the window's first session its return
    before = calendar.previous(STRESS_START)
    panel = prices.panel(symbols=daily.labels, until=until, start=before)
    column = {symbol: place for place, symbol in enumerate(panel.symbols)}
    returns = panel.returns()[:, [column[symbol] for symbol in daily.labels]]
    result = crisis.stressed(daily.values, returns, minimum=STRESS_MIN_RETURNS)
    assumed = [s for s, made_up in zip(daily.labels, result.synthetic, strict=True) if made_up]
    return Computed(
        labels=daily.labels,
        values=result.matrix,
        window=(STRESS_START, until),
        observations=int(result.observations.max(initial=0)),
        flags={symbol: {"flag": SYNTHETIC} for symbol in assumed},
        repair=result.repair,
    )


def ensure_stressed(*, session_date: date) -> CovarianceSnapshot:
    """The stressed matrix in force; computed only when there is none for today's universe."""
    row = matrices.newest(session_date=session_date, kind=CovarianceKind.STRESSED)
    daily = matrices.newest(session_date=session_date, kind=CovarianceKind.DAILY)
    if row is not None and daily is not None and list(row.labels) == list(daily.labels):
        return row
    return compute_stressed(session_date=session_date)


def store_daily(*, session_date: date, computed: Computed) -> CovarianceSnapshot:
    """Store a daily matrix that was computed elsewhere, such as one of a range."""
    return _store(CovarianceKind.DAILY, session_date, computed, METHOD_DAILY, EWMA_LAMBDA)


def store_stressed(*, session_date: date, computed: Computed) -> CovarianceSnapshot:
    """Store a stressed matrix that was computed elsewhere."""
    return _store(CovarianceKind.STRESSED, session_date, computed, METHOD_STRESSED, None)


def _universe() -> list[str]:
    return [each.symbol for each in instruments.risk_universe()]


@transaction.atomic
def _store(
    kind: CovarianceKind,
    session_date: date,
    computed: Computed,
    method: str,
    decay: float | None,
) -> CovarianceSnapshot:
    triangle = matrices.pack(computed.values)
    if not np.isfinite(triangle).all():
        raise NotEnoughData("The covariance is not finite.", code="no_covariance")
    checksum = _checksum(computed.labels, triangle)
    facts = {
        "labels": list(computed.labels),
        "matrix": triangle,
        "flags": computed.flags,
        "decay": decay,
        "window_start": computed.window[0],
        "window_end": computed.window[1],
        "observations": computed.observations,
        "condition_number": _condition(computed.values),
        "repair_distance": computed.repair,
        "method": method,
        "checksum": checksum,
        "warnings": list(computed.warnings),
    }
    row, created = CovarianceSnapshot.objects.get_or_create(
        kind=kind, session_date=session_date, defaults=facts
    )
    if not created and row.checksum != checksum:
        for name, value in facts.items():
            setattr(row, name, value)
        row.revision += 1
        row.save()
    return row


def _checksum(labels: Sequence[str], triangle: NDArray[np.float64]) -> str:
    packed = np.ascontiguousarray(triangle, dtype="<f8").tobytes()
    return hashlib.sha256(",".join(labels).encode() + b"\n" + packed).hexdigest()


def _condition(matrix: NDArray[np.float64]) -> float | None:
    """Of the correlations; None when the matrix is singular."""
    eigenvalues = np.linalg.eigvalsh(from_covariance(matrix))
    smallest, largest = float(eigenvalues[0]), float(eigenvalues[-1])
    return largest / smallest if smallest > 1e-12 * largest else None
