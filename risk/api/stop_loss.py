"""Stops of a portfolio, their rule, and their events."""

from datetime import date
from typing import Any

from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.registry import REQUIRED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.selectors import sessions, vix
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk import live
from risk.calculations.stop_loss import vix_regime
from risk.models import StopEvent, StopLossRule
from risk.selectors import past_stops
from risk.selectors import stop_loss as stops
from risk.selectors.past_stops import PastStop
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
    get=Op(
        "portfolio:view", summary="Stops with their distance", query=as_of.AS_OF, versions=TAGGED
    ),
    put=Op("portfolio:manage", summary="Set how stops work", versions=REQUIRED),
)
class StopLoss(ApiView):
    """GET, PUT /portfolios/{portfolio_id}/stop-loss; PUT requires If-Match."""

    serializer_class = RuleRequest

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """Regime, rule and every position's stop, the nearest first; null where not kept."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        past = as_of.past(request)
        if past is not None:
            return Response(_at_close(portfolio, past))
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


@operation(
    get=Op(
        "portfolio:view",
        summary="Events of one portfolio's stops",
        lists=True,
        query=as_of.AS_OF,
    )
)
class PortfolioStopEvents(ApiView):
    """GET /portfolios/{portfolio_id}/stop-loss/events."""

    serializer_class = StopEventSerializer
    filterset_fields = ("kind", "session_date")
    ordering_fields = ("session_date",)
    ordering = ("-session_date",)

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """Newest first."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        rows = stops.events(self.actor, until=as_of.past(request)).filter(portfolio=portfolio)
        return self.listing(rows, StopEventSerializer)


@operation(
    get=Op(
        "signed_in",
        summary="Events of every visible stop",
        lists=True,
        query=OF_PORTFOLIO | as_of.AS_OF,
    )
)
class StopEvents(OwnedView):
    """GET /stop-loss/events."""

    serializer_class = StopEventSerializer
    filterset_fields = ("kind", "session_date")
    ordering_fields = ("session_date",)
    ordering = ("-session_date",)

    def get(self, request: Any) -> Response:
        """Newest first."""
        rows = stops.events(self.actor, until=as_of.past(request))
        return self.listing(self.of_portfolio(rows), StopEventSerializer)


def _at_close(portfolio: Portfolio, day: date) -> dict[str, Any]:
    """The stops at a past close, as far as they are kept."""
    found = past_stops.rule(portfolio_id=portfolio.pk, day=day)
    gone = [] if found.rule else ["rule", "regime", "stop_fraction"]
    return {
        "portfolio": str(portfolio.pk),
        "vix": found.vix.level,
        "vix_session": found.vix.session_date,
        "regime": found.regime,
        "stop_fraction": found.stop_fraction,
        "rule": _rule(found.rule) if found.rule else None,
        "results": [_past_stop(each) for each in past_stops.stops(portfolios=[portfolio], day=day)],
        "reasons": dict.fromkeys(gone, past_stops.NOT_KEPT),
    }


def _past_stop(each: PastStop) -> dict[str, Any]:
    opened, entry, extreme = (each.of_level(name) for name in ("opened_on", "entry", "extreme"))
    return {
        "symbol": each.symbol,
        "side": each.side,
        "opened_on": opened,
        "entry": plain(entry),
        "extreme": plain(extreme),
        "stop_price": plain(each.stop_price),
        "stop_fraction": each.of_level("stop_fraction"),
        "close": plain(each.close),
        "distance": each.distance,
        "vix": each.of_level("vix"),
        "regime": each.of_level("regime"),
        "state": each.state,
        "reason": past_stops.NOT_KEPT if each.missing else None,
        "session_date": each.session_date,
        "triggered_on": each.triggered_on,
    }


def _rule(rule: StopLossRule) -> dict[str, Any]:
    return {
        "enabled": rule.enabled,
        "mode": rule.mode,
        "ratchet": rule.ratchet,
        "version": rule.version,
    }
