"""What trading costs in a portfolio, over the API."""

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import EstimateField, MoneyField, StrictSerializer
from etftrader.core.api.registry import REQUIRED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from trading.choices import CostPreset
from trading.models import CostModel
from trading.selectors import costs as read
from trading.services import costs


class CostsBody(StrictSerializer):
    """A preset, or with `custom` figures of your own; those left out stay."""

    preset = serializers.ChoiceField(choices=CostPreset.choices)
    commission_per_trade = MoneyField(required=False)
    commission_per_share = MoneyField(required=False)
    commission_minimum = MoneyField(required=False)
    commission_per_contract = MoneyField(required=False)
    half_spread_bp = EstimateField(required=False, allow_null=True)
    impact_y = EstimateField(required=False)
    max_participation = EstimateField(required=False)


class CostsAnswer(serializers.Serializer):
    """What holds now."""

    portfolio = serializers.UUIDField()
    preset = serializers.ChoiceField(choices=CostPreset.choices)
    commission_per_trade = MoneyField()
    commission_per_share = MoneyField()
    commission_minimum = MoneyField()
    commission_per_contract = MoneyField()
    half_spread_bp = EstimateField(allow_null=True)
    impact_y = EstimateField()
    max_participation = EstimateField()
    version = serializers.IntegerField()


@operation(
    get=Op("portfolio:view", "What trading costs in a portfolio", versions=TAGGED),
    put=Op("portfolio:manage", "Choose what trading costs", versions=REQUIRED),
)
class Costs(ApiView):
    """GET, PUT /portfolios/{portfolio_id}/costs; PUT requires If-Match."""

    serializer_class = CostsBody

    @extend_schema(responses={200: CostsAnswer})
    def get(self, request: Request, portfolio_id: UUID) -> Response:
        """The preset with its figures; version 0 is the default nobody has chosen."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        return _answer(portfolio, read.row(portfolio_id=portfolio.pk))

    @extend_schema(request=CostsBody, responses={200: CostsAnswer})
    def put(self, request: Request, portfolio_id: UUID) -> Response:
        """Set it for orders from now on; trades that are booked keep their costs."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.MANAGE)
        body = CostsBody(data=request.data)
        body.is_valid(raise_exception=True)
        said = dict(body.validated_data)
        known = _versioned(read.row(portfolio_id=portfolio.pk))
        row = costs.choose(
            portfolio_id=portfolio.pk,
            preset=said.pop("preset"),
            figures=said,
            if_match_version=versions.check(request, known, required=True),
            by=self.actor,
        )
        return _answer(portfolio, row)


def _versioned(row: CostModel | None) -> Any:
    return SimpleNamespace(version=row.version if row is not None else 0)


def _answer(portfolio: Portfolio, row: CostModel | None) -> Response:
    figures = {"portfolio": portfolio.pk, **asdict(read.rates(row))}
    tagged = _versioned(row)
    told = CostsAnswer(figures | {"version": tagged.version}).data
    return versions.tagged(Response(told), tagged)
