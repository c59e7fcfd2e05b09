"""Alerts: list, one, acknowledge."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from risk.models import Alert
from risk.selectors import alerts as alert_rows
from risk.services import alerts


class AlertSerializer(serializers.ModelSerializer):
    """One condition that asked for attention."""

    portfolio_name = serializers.CharField(
        source="portfolio.name", allow_null=True, default=None, read_only=True
    )

    class Meta:
        model = Alert
        fields = (
            "id",
            "number",
            "portfolio",
            "portfolio_name",
            "kind",
            "key",
            "severity",
            "state",
            "title",
            "detail",
            "symbol",
            "measured",
            "threshold",
            "unit",
            "simulated",
            "session_date",
            "first_seen",
            "last_seen",
            "count",
            "acknowledged_label",
            "acknowledged_at",
            "note",
            "resolved_at",
            "version",
        )


class Acknowledgement(StrictSerializer):
    """What a person says to an alert."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


@operation(
    get=Op("signed_in", summary="Alerts of every visible portfolio", lists=True, query=OF_PORTFOLIO)
)
class Alerts(OwnedView):
    """GET /alerts: newest first."""

    serializer_class = AlertSerializer
    filterset_fields = ("kind", "severity", "state", "symbol", "session_date")
    ordering_fields = ("last_seen", "first_seen", "number")
    ordering = ("-last_seen",)

    def get(self, request: Any) -> Response:
        """Open, acknowledged and resolved; filter by state."""
        return self.listing(self.of_portfolio(alert_rows.visible(self.actor)), AlertSerializer)


@operation(get=Op("signed_in", summary="One alert", versions=TAGGED))
class OneAlert(OwnedView):
    """GET /alerts/{alert_id}."""

    serializer_class = AlertSerializer

    def get(self, request: Any, alert_id: Any) -> Response:
        """The alert with its version as ETag."""
        alert = _alert(self.actor, alert_id)
        self.shown([alert])
        return versions.tagged(Response(AlertSerializer(alert).data), alert)


@operation(post=Op("signed_in:trade", summary="Acknowledge an alert"))
class Acknowledge(ApiView):
    """POST /alerts/{alert_id}/acknowledge: the second time changes nothing; viewers may not."""

    serializer_class = Acknowledgement

    @extend_schema(request=Acknowledgement, responses={200: AlertSerializer})
    def post(self, request: Any, alert_id: Any) -> Response:
        """The alert as it stands afterwards."""
        alert = _alert(self.actor, alert_id)
        alert_rows.check_acknowledge(self.actor, alert)
        note = self.checked(Acknowledgement)["note"]

        def effect() -> Response:
            done = alerts.acknowledge(alert_id=alert.pk, note=note, by=self.actor)
            return Response(AlertSerializer(done).data)

        return once(request, effect)


def _alert(actor: Any, alert_id: Any) -> Alert:
    alert = alert_rows.visible(actor).filter(pk=alert_id).first()
    if alert is None:
        raise NotFound("There is no such alert.")
    return alert
