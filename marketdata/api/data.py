"""The state of the data: its quality, its sources, and the prices that wait for a person."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import MomentField, StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from marketdata.choices import QuarantineState
from marketdata.models import QuarantinedPrice
from marketdata.selectors import coverage, freshness, provider_states, quarantine, sessions
from marketdata.selectors.coverage import Quality
from marketdata.selectors.freshness import DatasetStatus
from marketdata.selectors.provider_states import ProviderState
from marketdata.services import price_gate
from marketdata.services import quarantine as decisions

MOST_COMPLAINTS = 200
_GIVEN = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
_SHARES = {
    "type": "number",
    "description": "Shares of today for one of those the figures are in: a price is divided by it. "
    "1 where nothing was split since.",
}


class DoubtFilters(filters.FilterSet):
    """What the list of doubts may be narrowed by."""

    state = filters.ChoiceFilter(choices=QuarantineState.choices)
    symbol = filters.CharFilter(lookup_expr="iexact")
    dataset = filters.CharFilter()
    source = filters.CharFilter()
    reason = filters.CharFilter()
    start = filters.DateFilter(field_name="session_date", lookup_expr="gte")
    end = filters.DateFilter(field_name="session_date", lookup_expr="lte")

    class Meta:
        model = QuarantinedPrice
        fields = ("state", "symbol", "dataset", "source", "reason")


class DoubtSerializer(serializers.ModelSerializer):
    """A price that was held back, as its source gave it; `shares` by doubt come in the context."""

    raw = serializers.SerializerMethodField()
    shares = serializers.SerializerMethodField()
    created_at = MomentField()
    decided_at = MomentField(allow_null=True)

    class Meta:
        model = QuarantinedPrice
        fields = (
            "id",
            "symbol",
            "dataset",
            "session_date",
            "source",
            "price_basis",
            "value",
            "compared_with",
            "raw",
            "shares",
            "reason",
            "state",
            "times_seen",
            "note",
            "created_at",
            "decided_at",
            "version",
        )
        read_only_fields = fields

    @extend_schema_field(_GIVEN)
    def get_raw(self, row: QuarantinedPrice) -> dict[str, str | None]:
        """The row as its source gave it, without what stands beside it here."""
        return dict(quarantine.as_given(row))

    @extend_schema_field(_SHARES)
    def get_shares(self, row: QuarantinedPrice) -> float:
        """What its figures are divided by to be in the shares of today."""
        return self.context["shares"][row.pk]


def doubts(rows: Sequence[QuarantinedPrice]) -> list[dict[str, Any]]:
    """Doubts as the API shows them."""
    context = {"shares": quarantine.shares(rows)}
    return list(DoubtSerializer(rows, many=True, context=context).data)


class Decision(StrictSerializer):
    """What a person makes of a doubt."""

    note = serializers.CharField(required=False, allow_blank=True, max_length=300)


class Decisions(Decision):
    """One verdict over several doubts."""

    doubt_ids = serializers.ListField(
        child=serializers.UUIDField(), allow_empty=False, max_length=decisions.MOST
    )
    verdict = serializers.ChoiceField([decisions.ACCEPT, decisions.REJECT])


@operation(get=Op("signed_in", summary="Coverage, age and doubts of every dataset and series"))
class DataQuality(ApiView):
    """GET /data/quality."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The rules, the datasets against them, the newest sessions, the series that complain."""
        moment = sessions.moment()
        due = coverage.due(session_date=moment.session_date)
        series = coverage.qualities(of=due, moment=moment)
        poor = [each for each in series if each.complaints]
        by_reason = quarantine.held_by_reason()
        return Response(
            {
                "session_date": moment.session_date,
                "as_of": told(moment.as_of),
                "live": sessions.is_live(),
                "rules": {
                    "least_coverage": coverage.LEAST_COVERAGE,
                    "largest_age_hours": coverage.LARGEST_AGE_H,
                    "least_sessions": coverage.LEAST_SESSIONS,
                },
                "datasets": [_dataset(each) for each in freshness.datasets(moment=moment)],
                "sessions": [
                    asdict(each) | {"share": each.share}
                    for each in coverage.strip(of=due, moment=moment)
                ],
                "series": {
                    "total": len(series),
                    "good": len(series) - len(poor),
                    "complaints": [_series(each) for each in poor[:MOST_COMPLAINTS]],
                },
                "quarantine": {"held": sum(by_reason.values()), "by_reason": by_reason},
                "providers": [
                    {
                        "provider": each.provider,
                        "state": each.state,
                        "asked": each.asked,
                        "answered": each.answered,
                    }
                    for each in provider_states.states()
                ],
            }
        )


@operation(get=Op("signed_in", summary="The sources of data, their state and their last errors"))
class Providers(ApiView):
    """GET /data/providers: in the order they are asked."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """State for programs, words for people."""
        found = [_provider(each) for each in provider_states.states()]
        return Response({"live": sessions.is_live(), "results": found})


@operation(get=Op("signed_in", summary="Prices that were held back", lists=True))
class Quarantine(ApiView):
    """GET /data/quarantine: newest session first."""

    serializer_class = DoubtSerializer
    queryset = QuarantinedPrice.objects.none()
    filterset_class = DoubtFilters
    ordering_fields = ("session_date", "symbol", "created_at", "times_seen")
    shares: dict[UUID, float]

    def get(self, request: Any) -> Response:
        """A page of doubts with the figure, what it was compared with, and the reason."""
        self.shares = {}
        rows = quarantine.rows(actor=self.actor)
        return self.listing(rows, DoubtSerializer, shares=self.shares)

    def shown(self, rows: Any) -> None:
        """The splits since the rows of a page are asked for together."""
        self.shares.update(quarantine.shares(rows or ()))


@operation(post=Op("operator:trade", summary="Accept or reject several prices that were held back"))
class DecideDoubts(ApiView):
    """POST /data/quarantine/decide: each by itself, the oldest session first."""

    @extend_schema(request=Decisions, responses={200: dict})
    def post(self, request: Any) -> Response:
        """Those that were decided so, and those that could not be, with why."""
        wish = self.checked(Decisions)

        def effect() -> Response:
            decided = decisions.decide(
                doubt_ids=wish["doubt_ids"],
                verdict=wish["verdict"],
                note=wish.get("note", ""),
                by=self.actor,
            )
            return Response(
                {
                    "decided": doubts(decided.done),
                    "refused": [asdict(each) for each in decided.refused],
                }
            )

        return once(request, effect)


@operation(post=Op("operator:trade", summary="Believe a price that was held back"))
class AcceptDoubt(ApiView):
    """POST /data/quarantine/{doubt_id}/accept: it is stored, and what waited behind it judged."""

    @extend_schema(request=Decision, responses={200: DoubtSerializer})
    def post(self, request: Any, doubt_id: UUID) -> Response:
        """The doubt afterwards; 409 when it was rejected or is no price at all."""
        note = self.checked(Decision).get("note", "")

        def effect() -> Response:
            doubt = price_gate.accept(doubt_id=doubt_id, note=note, by=self.actor)
            return Response(doubts([doubt])[0])

        return once(request, effect)


@operation(post=Op("operator:trade", summary="Leave a price out for good"))
class RejectDoubt(ApiView):
    """POST /data/quarantine/{doubt_id}/reject: the same figure again is left out silently."""

    @extend_schema(request=Decision, responses={200: DoubtSerializer})
    def post(self, request: Any, doubt_id: UUID) -> Response:
        """The doubt afterwards; 409 when it was accepted."""
        note = self.checked(Decision).get("note", "")

        def effect() -> Response:
            doubt = price_gate.reject(doubt_id=doubt_id, note=note, by=self.actor)
            return Response(doubts([doubt])[0])

        return once(request, effect)


def _dataset(each: DatasetStatus) -> dict[str, Any]:
    complaints = []
    if each.due:
        if each.newest is None:
            complaints.append("no_rows")
        elif each.lag_sessions:
            complaints.append("late")
        if each.coverage is not None and each.coverage < coverage.LEAST_COVERAGE:
            complaints.append("low_coverage")
    return {
        "dataset": each.dataset,
        "label": each.label,
        "newest": each.newest,
        "expected": each.expected,
        "lag_sessions": each.lag_sessions,
        "coverage": each.coverage,
        "source": each.source,
        "last_error": each.last_error,
        "due": each.due,
        "complaints": complaints,
    }


def _series(each: Quality) -> dict[str, Any]:
    return asdict(each) | {"coverage": each.coverage}


def _provider(each: ProviderState) -> dict[str, Any]:
    return asdict(each) | {
        name: told(at) if (at := getattr(each, name)) else None
        for name in ("last_error_at", "last_answer_at", "rests_until")
    }
