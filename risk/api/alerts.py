"""Alerts: list, one, acknowledge."""

from typing import Any

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from marketdata.api import as_of
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from risk.choices import AlertKind, AlertState, Severity
from risk.models import Alert
from risk.selectors import alerts as alert_rows
from risk.selectors import past_alerts
from risk.services import alerts

MISSING = "There is no such alert."


class AlertSerializer(serializers.ModelSerializer):
    """One condition that asked for attention."""

    portfolio_name = serializers.CharField(
        source="portfolio.name", allow_null=True, default=None, read_only=True
    )
    reasons = serializers.SerializerMethodField()

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
            "reasons",
            "version",
        )
        # what an alert said at a past close and was said again since is not kept
        extra_kwargs = {name: {"allow_null": True} for name in past_alerts.LATER}

    def to_representation(self, alert: Alert) -> dict[str, Any]:
        """As it stands, or as it stood at the close it was read at."""
        return super().to_representation(past_alerts.restored(alert))

    def get_reasons(self, alert: Alert) -> dict[str, str]:
        """Why a figure of a past close is null."""
        return (
            {}
            if past_alerts.is_kept(alert)
            else dict.fromkeys(past_alerts.LATER, past_alerts.NOT_KEPT)
        )


class Acknowledgement(StrictSerializer):
    """What a person says to an alert."""

    note = serializers.CharField(max_length=500, required=False, allow_blank=True, default="")


class AlertFilters(filters.FilterSet):
    """Filters of the alerts; at a past close by what each was then."""

    kind = filters.ChoiceFilter(choices=AlertKind.choices)
    severity = filters.ChoiceFilter(choices=Severity.choices, method="of_then")
    state = filters.ChoiceFilter(choices=AlertState.choices, method="in_state")
    symbol = filters.CharFilter()
    session_date = filters.DateFilter(method="of_then")

    class Meta:
        model = Alert
        fields = ("kind", "symbol")

    def in_state(self, rows: Any, name: str, value: str) -> Any:
        """The state of then."""
        return rows.filter(**{"then" if "then" in rows.query.annotations else "state": value})

    def of_then(self, rows: Any, name: str, value: Any) -> Any:
        """Of a figure that is not kept of then, nobody knows whether it fits."""
        known = {"kept": True} if "kept" in rows.query.annotations else {}
        return rows.filter(**{name: value}, **known)


@operation(
    get=Op(
        "signed_in",
        summary="Alerts of every visible portfolio",
        lists=True,
        query=OF_PORTFOLIO | as_of.AS_OF,
    )
)
class Alerts(OwnedView):
    """GET /alerts: newest first."""

    serializer_class = AlertSerializer
    queryset = Alert.objects.none()
    filterset_class = AlertFilters
    ordering_fields = ("last_seen", "first_seen", "number")
    ordering = ("-last_seen",)

    def get(self, request: Any) -> Response:
        """Open, acknowledged and resolved; filter by state. At a past close as each was then."""
        close = as_of.asked(request).close
        if close is not None:
            self.ordering = ("-first_seen",)
            return self.listing(
                self.of_portfolio(past_alerts.visible(self.actor, at=close)), AlertSerializer
            )
        return self.listing(self.of_portfolio(alert_rows.visible(self.actor)), AlertSerializer)


@operation(get=Op("signed_in", summary="One alert", query=as_of.AS_OF, versions=TAGGED))
class OneAlert(OwnedView):
    """GET /alerts/{alert_id}."""

    serializer_class = AlertSerializer

    def get(self, request: Any, alert_id: Any) -> Response:
        """The alert with its version as ETag; as it was at a past close without one."""
        close = as_of.asked(request).close
        alert = _alert(self.actor, alert_id)
        self.shown([alert])
        if close is not None:
            rows = past_alerts.visible(self.actor, at=close).filter(pk=alert.pk)
            was = rows.first()
            if was is None:
                raise NotFound(MISSING)
            return Response(AlertSerializer(was).data)
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
        raise NotFound(MISSING)
    return alert
