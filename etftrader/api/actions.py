"""Splits, dividends and new symbols over the API: what is known, entered by hand, rejected."""

from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import MomentField, MoneyField, StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.services import actions as write
from marketdata.api import as_of
from marketdata.api.asked import MAX_SYMBOL, Words
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import CorporateAction
from marketdata.selectors import corporate_actions, sessions
from marketdata.services import action_edits


class ActionFilters(filters.FilterSet):
    """What the list may be narrowed by; start and end are of the ex-date."""

    symbol = filters.CharFilter(field_name="instrument__symbol", lookup_expr="iexact")
    kind = filters.ChoiceFilter(choices=ActionKind.choices)
    state = filters.ChoiceFilter(field_name="status", choices=ActionStatus.choices)
    source = filters.CharFilter()
    start = filters.DateFilter(field_name="ex_date", lookup_expr="gte")
    end = filters.DateFilter(field_name="ex_date", lookup_expr="lte")

    class Meta:
        model = CorporateAction
        fields = ("symbol", "kind", "state", "source")


class ActionSerializer(serializers.ModelSerializer):
    """One action: `ratio`, `amount` or `new_symbol` by its kind, the others null."""

    url = serializers.SerializerMethodField()
    symbol = serializers.CharField(source="instrument.symbol")
    ratio = MoneyField(allow_null=True)
    amount = MoneyField(allow_null=True)
    new_symbol = serializers.SerializerMethodField()
    state = serializers.CharField(source="status")
    applied_at = MomentField(allow_null=True)
    created_at = MomentField()

    class Meta:
        model = CorporateAction
        fields = (
            "id",
            "url",
            "instrument",
            "symbol",
            "kind",
            "ex_date",
            "pay_date",
            "ratio",
            "amount",
            "new_symbol",
            "source",
            "state",
            "applied_at",
            "created_at",
            "version",
        )
        read_only_fields = fields

    def get_url(self, row: CorporateAction) -> str:
        """Where the action stands in the list."""
        return f"/api/v1/data/actions?symbol={row.instrument.symbol}&kind={row.kind}"

    def get_new_symbol(self, row: CorporateAction) -> str | None:
        """Null where it is none of the kind."""
        return row.new_symbol or None


class NewAction(StrictSerializer):
    """An action by hand; with its ex-date the figure of its kind."""

    symbol = Words(max_length=MAX_SYMBOL)
    kind = serializers.ChoiceField(ActionKind.choices)
    ex_date = serializers.DateField()
    ratio = MoneyField(required=False, allow_null=True)
    amount = MoneyField(required=False, allow_null=True)
    pay_date = serializers.DateField(required=False, allow_null=True)
    new_symbol = Words(required=False, allow_blank=True, max_length=MAX_SYMBOL)
    reason = Words(required=False, allow_blank=True, max_length=300)


class Rejection(StrictSerializer):
    """Why an announced action is left out."""

    reason = Words(max_length=300)


@operation(
    get=Op(
        "signed_in", summary="Splits, dividends and symbol changes", lists=True, query=as_of.AS_OF
    ),
    post=Op("operator:trade", summary="Enter a split, a dividend or a symbol change by hand"),
)
class Actions(ApiView):
    """GET, POST /data/actions."""

    serializer_class = ActionSerializer
    queryset = CorporateAction.objects.none()
    filterset_class = ActionFilters
    ordering_fields = ("ex_date", "instrument__symbol", "kind", "created_at")

    def get(self, request: Any) -> Response:
        """Newest ex-date first; a replay's sessions to come are not told."""
        rows = corporate_actions.listed(actor=self.actor, moment=as_of.shown(request))
        return self.listing(rows, ActionSerializer)

    @extend_schema(request=NewAction, responses={201: ActionSerializer})
    def post(self, request: Any) -> Response:
        """201 with the action; 409 where it stands there already or was applied."""
        wish = {name: each for name, each in self.checked(NewAction).items() if each is not None}

        def effect() -> Response:
            made = write.enter(latest=sessions.latest(), by=self.actor, **wish)
            return Response(ActionSerializer(made).data, 201)

        return once(request, effect)


@operation(post=Op("operator:trade", summary="Leave an announced action out for good"))
class RejectAction(ApiView):
    """POST /data/actions/{action_id}/reject: whatever sources say of it later."""

    @extend_schema(request=Rejection, responses={200: ActionSerializer})
    def post(self, request: Any, action_id: UUID) -> Response:
        """The action afterwards; 409 with the way out when it was applied."""
        reason = self.checked(Rejection)["reason"]

        def effect() -> Response:
            row = corporate_actions.one(
                actor=self.actor, moment=sessions.moment(), action_id=action_id
            )
            done = action_edits.reject(action_id=row.pk, reason=reason, by=self.actor)
            return Response(ActionSerializer(done).data)

        return once(request, effect)
