"""The matrices in force."""

from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import parameters
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotEnoughData
from marketdata.api import as_of
from risk.choices import CovarianceKind
from risk.models import CovarianceSnapshot
from risk.selectors import covariance as matrices

SYMBOLS = as_of.AS_OF | {
    "symbols": parameters.several(
        "Symbols separated by commas, to cut the matrix down; all without it."
    )
}


class MatrixDocument(serializers.Serializer):
    """A matrix with its labels and facts."""

    symbols = serializers.ListField(child=serializers.CharField())
    matrix = serializers.ListField(child=serializers.ListField(child=serializers.FloatField()))


@operation(
    get=Op("signed_in", summary="Daily EWMA covariance in force", query=SYMBOLS, refuses=(422,))
)
class Covariance(ApiView):
    """GET /covariance: of daily simple returns; `symbols=SPY,TLT` cuts it down."""

    serializer_class = MatrixDocument
    kind = CovarianceKind.DAILY

    def get(self, request: Any) -> Response:
        """Labels, matrix and how it was made."""
        row = matrices.newest(session_date=as_of.asked(request).until, kind=self.kind)
        if row is None:
            raise NotEnoughData("There is no covariance yet.", missing=["covariance"])
        return Response(document(row, request.query_params.get("symbols", "")))


@operation(
    get=Op("signed_in", summary="Stressed covariance in force", query=SYMBOLS, refuses=(422,))
)
class StressedCovariance(Covariance):
    """GET /covariance/stressed: the crisis window; assumed names are flagged."""

    kind = CovarianceKind.STRESSED


def document(row: CovarianceSnapshot, asked: str) -> dict[str, Any]:
    """The matrix of the symbols asked for, or all of it. Raises BadInput."""
    matrix = matrices.of_row(row)
    wanted = [each.strip().upper() for each in asked.split(",") if each.strip()]
    unknown = [each for each in wanted if each not in matrix.labels]
    if unknown:
        raise BadInput(f"Not in the matrix: {', '.join(unknown)[:100]}.", attr="symbols")
    symbols = wanted or list(matrix.labels)
    places = [matrix.labels.index(each) for each in symbols]
    values = matrix.values[places][:, places]
    return {
        "kind": row.kind,
        "session_date": row.session_date,
        "symbols": symbols,
        "matrix": values.tolist(),
        "flags": {each: row.flags[each] for each in symbols if each in row.flags},
        "meta": {
            "id": str(row.pk),
            "method": row.method,
            "decay": row.decay,
            "window_start": row.window_start,
            "window_end": row.window_end,
            "observations": row.observations,
            "condition_number": row.condition_number,
            "repair_distance": row.repair_distance,
            "checksum": row.checksum,
            "revision": row.revision,
            "warnings": row.warnings,
        },
    }
