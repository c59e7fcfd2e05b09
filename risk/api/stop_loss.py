"""Stops of a portfolio, their rule, and their events."""

from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.registry import REQUIRED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.money import plain
from marketdata.selectors import sessions, vix
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.selectors import access
from risk import live
from risk.calculations.stop_loss import vix_regime
from risk.models import StopEvent, StopLossRule
from risk.selectors import stop_loss as stops
from risk.services import stop_loss


class RuleRequest(StrictSerializer):
    """How stops work."""

    enabled = serializers.BooleanField()
    mode = serializers.ChoiceField(choices=[(each, each) for each in stop_loss.MODES])
    ratchet = serializers.BooleanField()


class StopEventSerializer(serializers.ModelSerializer):
    """One change of a stop's state."""

    symbol = serializers.CharField(source="instrument.symbol")
    close = serializers.SerializerMethodField()
    stop_price = serializers.SerializerMethodField()

    class Meta:
        model = StopEvent
        fields = (
            "id",
            "portfolio",
            "symbol",
            "kind",
            "session_date",
            "close",
            "stop_price",
            "vix",
            "regime",
            "recorded_at",
        )

    def get_close(self, event: StopEvent) -> str | None:
        """Dollars, as text."""
        return plain(event.close)

    def get_stop_price(self, event: StopEvent) -> str | None:
        """Dollars, as text."""
        return plain(event.stop_price)


@operation(
    get=Op("portfolio:view", summary="Stops with their distance", versions=TAGGED),
    put=Op("portfolio:manage", summary="Set how stops work", versions=REQUIRED),
)
class StopLoss(ApiView):
    """GET, PUT /portfolios/{portfolio_id}/stop-loss; PUT requires If-Match."""

    serializer_class = RuleRequest

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """Regime, rule and every position's stop, the nearest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rule = stops.rule(portfolio_id=portfolio.pk)
        level = vix.level(session_date=sessions.latest())
        regime = vix_regime(level.level, rule.mode)
        rows = stops.levels(portfolio_id=portfolio.pk)
        body = {
            "portfolio": str(portfolio.pk),
            "vix": level.level,
            "vix_session": level.session_date,
            "regime": regime.name,
            "stop_fraction": regime.distance,
            "rule": _rule(rule),
            "results": [live.stop_data(each) for each in rows],
        }
        return versions.tagged(Response(body), rule)

    def put(self, request: Any, portfolio_id: Any) -> Response:
        """The whole rule."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.MANAGE)
        known = stops.rule(portfolio_id=portfolio.pk)
        version = versions.check(request, known, required=True)
        asked = self.checked(RuleRequest)
        rule = stop_loss.set_rule(
            portfolio_id=portfolio.pk, if_match_version=version, by=self.actor, **asked
        )
        return versions.tagged(Response(_rule(rule)), rule)


@operation(get=Op("portfolio:view", summary="Events of one portfolio's stops", lists=True))
class PortfolioStopEvents(ApiView):
    """GET /portfolios/{portfolio_id}/stop-loss/events."""

    serializer_class = StopEventSerializer
    filterset_fields = ("kind", "session_date")
    ordering_fields = ("session_date",)
    ordering = ("-session_date",)

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rows = stops.events(self.actor).filter(portfolio=portfolio)
        return self.listing(rows, StopEventSerializer)


@operation(
    get=Op("signed_in", summary="Events of every visible stop", lists=True, query=OF_PORTFOLIO)
)
class StopEvents(OwnedView):
    """GET /stop-loss/events."""

    serializer_class = StopEventSerializer
    filterset_fields = ("kind", "session_date")
    ordering_fields = ("session_date",)
    ordering = ("-session_date",)

    def get(self, request: Any) -> Response:
        """Newest first."""
        return self.listing(self.of_portfolio(stops.events(self.actor)), StopEventSerializer)


def _rule(rule: StopLossRule) -> dict[str, Any]:
    return {
        "enabled": rule.enabled,
        "mode": rule.mode,
        "ratchet": rule.ratchet,
        "version": rule.version,
    }
