"""Positions as a file that can be imported again."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema

from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from portfolios.api import import_documents
from portfolios.selectors import access
from portfolios.services import csv_export


@operation(get=Op("portfolio:view", "A portfolio's positions as a file", limit="export"))
class PositionExport(ApiView):
    """GET /api/v1/export/portfolio/{portfolio_id}."""

    @extend_schema(responses={(200, "text/csv"): bytes})
    def get(self, request: Any, portfolio_id: UUID) -> HttpResponse:
        """Imported into an empty portfolio it gives the same positions, into this one no change."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        data = csv_export.positions_file(portfolio_id=portfolio.pk)
        return import_documents.download(data, f"positions-{portfolio.pk}.csv")
