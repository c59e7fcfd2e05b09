"""The covariance matrices in force, with their names and where they came from."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import QuerySet, Subquery
from numpy.typing import NDArray

from marketdata.selectors import calendar
from risk.choices import CovarianceKind
from risk.constants import MATRIX_MAX_AGE
from risk.models import CovarianceSnapshot


@dataclass(frozen=True, slots=True)
class Matrix:
    """A covariance of daily returns; row and column i belong to labels[i]."""

    labels: tuple[str, ...]
    values: NDArray[np.float64]  # (n, n)
    snapshot_id: UUID | None
    session_date: date
    flags: dict[str, Any] = field(default_factory=dict)  # symbol -> short_history, synthetic
    revision: int = 1
    method: str = ""

    def row(self, symbol: str) -> int | None:
        """The place of a symbol; None when the matrix does not know it."""
        return self.labels.index(symbol) if symbol in self.labels else None


def pack(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The lower triangle row by row, n(n+1)/2 numbers."""
    return np.ascontiguousarray(matrix[np.tril_indices(len(matrix))])


def unpack(triangle: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """The symmetric matrix of a packed lower triangle.

    Raises ValueError when the numbers do not fill one.
    """
    if triangle.size != size * (size + 1) // 2:
        raise ValueError(f"{triangle.size} numbers are no triangle of {size}")
    matrix = np.zeros((size, size))
    matrix[np.tril_indices(size)] = triangle
    return matrix + np.tril(matrix, -1).T


def in_force(
    *, session_date: date, kind: str = CovarianceKind.DAILY, max_age: int = MATRIX_MAX_AGE
) -> Matrix | None:
    """The newest matrix not later than a session.

    Parameters
    ----------
    session_date : date
        Nothing later is read.
    kind : str
        A daily matrix serves for `max_age` sessions; the stressed one is static and never ages.

    Returns
    -------
    Matrix or None
        None when there is none, or the newest is too old.
    """
    return usable(newest(session_date=session_date, kind=kind), session_date, max_age)


def usable(
    row: CovarianceSnapshot | None, session_date: date, max_age: int = MATRIX_MAX_AGE
) -> Matrix | None:
    """A stored row as `in_force` answers with it."""
    if row is None:
        return None
    if row.kind == CovarianceKind.DAILY and row.session_date < oldest(session_date, max_age):
        return None
    return of_row(row)


def newest(*, session_date: date, kind: str) -> CovarianceSnapshot | None:
    """The stored row behind `in_force`, whatever its age."""
    return _newest(session_date, kind).first()


def newest_by_kind(*, session_date: date) -> dict[str, CovarianceSnapshot]:
    """The stored rows behind `in_force` of every kind there is: one query."""
    several = [_newest(session_date, kind).values("pk")[:1] for kind in CovarianceKind.values]
    rows = CovarianceSnapshot.objects.filter(pk__in=[Subquery(each) for each in several])
    rows = rows.only("kind", "session_date", "labels", "matrix", "flags", "revision", "method")
    return {row.kind: row for row in rows}


def _newest(session_date: date, kind: str) -> QuerySet[CovarianceSnapshot]:
    rows = CovarianceSnapshot.objects.filter(kind=kind, session_date__lte=session_date)
    return rows.order_by("-session_date")


def of_row(row: CovarianceSnapshot) -> Matrix:
    """A stored row as a labelled matrix."""
    return Matrix(
        labels=tuple(row.labels),
        values=unpack(np.asarray(row.matrix), len(row.labels)),
        snapshot_id=row.pk,
        session_date=row.session_date,
        flags=dict(row.flags),
        revision=row.revision,
        method=row.method,
    )


def oldest(session_date: date, sessions: int) -> date:
    """The session that many sessions before the one in force at a day."""
    return calendar.previous(calendar.on_or_before(session_date), sessions)
