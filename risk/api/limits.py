"""Limits of a portfolio, of all visible ones, and what was seen against them."""

from collections.abc import Sequence
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import versions
from etftrader.core.api.fields import MoneyField, StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import REQUIRED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import Conflict, NotFound
from etftrader.core.money import plain
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.api.owned import OF_PORTFOLIO, OwnedView
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access
from risk.choices import Measure, Unit
from risk.models import LimitBreach, RiskLimit
from risk.selectors import alerts as alert_rows
from risk.selectors import limits as limit_rows
from risk.selectors import var
from risk.selectors.limits import LimitInForce
from risk.services import limits

MISSING = "There is no such limit."


class LimitRequest(StrictSerializer):
    """A new limit."""

    measure = serializers.ChoiceField(choices=Measure.choices)
    value = MoneyField(positive=True)
    unit = serializers.ChoiceField(choices=Unit.choices, default=Unit.FRACTION)
    watch = serializers.FloatField(required=False, min_value=0.01, max_value=0.99)
    hard = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=300)


class LimitChange(StrictSerializer):
    """What may change of a limit; the rest stays."""

    value = MoneyField(positive=True, required=False)
    unit = serializers.ChoiceField(choices=Unit.choices, required=False)
    watch = serializers.FloatField(required=False, min_value=0.01, max_value=0.99)
    hard = serializers.BooleanField(required=False)
    reason = serializers.CharField(max_length=300)


class LimitEnd(StrictSerializer):
    """Why a limit ends; in a body, for addresses stand in logs."""

    reason = serializers.CharField(max_length=300)


class LimitDocument(serializers.Serializer):
    """A limit in force as the API shows it."""

    def to_representation(self, limit: LimitInForce) -> dict[str, Any]:
        """Money and fractions as decimal strings."""
        return document(limit)


class BreachSerializer(serializers.ModelSerializer):
    """One change of a limit's state."""

    portfolio_name = serializers.CharField(source="portfolio.name")

    class Meta:
        model = LimitBreach
        fields = (
            "id",
            "portfolio",
            "portfolio_name",
            "measure",
            "from_state",
            "to_state",
            "observed",
            "threshold",
            "session_date",
            "as_of",
            "simulated",
            "recorded_at",
        )


@operation(
    get=Op(
        "portfolio:view",
        summary="Limits in force with their standing, now or at a close",
        query=as_of.AS_OF,
    ),
    post=Op("portfolio:limit", summary="Set a limit where the default holds"),
)
class Limits(ApiView):
    """GET, POST /portfolios/{portfolio_id}/risk/limits."""

    serializer_class = LimitRequest

    def get(self, request: Any, portfolio_id: Any) -> Response:
        """The limits, each with the newest observation and its state."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        day = as_of.asked(request).session
        if day is None:
            found = var.current(portfolio_id=portfolio.pk, moment=sessions.moment())
        else:
            found = var.at(portfolio_id=portfolio.pk, session_date=day)
        standing = {each["measure"]: each for each in (found.record.limits if found.record else [])}
        close = as_of.asked(request).close
        history = limit_rows.history(portfolio_id=portfolio.pk, by=close)
        return Response(
            {
                "portfolio": str(portfolio.pk),
                "as_of": found.record.as_of if found.record else None,
                "results": [document(each, standing.get(each.measure)) for each in found.limits],
                "history": [past(each, close) for each in history],
            }
        )

    @extend_schema(responses={201: dict})
    def post(self, request: Any, portfolio_id: Any) -> Response:
        """201 with the limit. The owner, or staff of the Risk manager group, with a reason."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.LIMIT)
        asked = self.checked(LimitRequest)

        def effect() -> Response:
            known = _in_force(portfolio, asked["measure"])
            if known.version:
                raise Conflict(
                    "There is such a limit already. Change it with PATCH and If-Match.",
                    limit=str(known.limit_id),
                )
            row = limits.change(
                portfolio_id=portfolio.pk,
                as_of=sessions.now(),
                if_match_version=0,
                by=self.actor,
                **asked,
            )
            body = document(limit_rows.of_row(row))
            body["url"] = f"/api/v1/portfolios/{portfolio.pk}/risk/limits/{row.pk}"
            return Response(body, 201)

        return once(request, effect)


@operation(
    get=Op("portfolio:view", summary="One limit row", query=as_of.AS_OF, versions=TAGGED),
    patch=Op("portfolio:limit", summary="Change a limit", versions=REQUIRED),
    delete=Op("portfolio:limit", summary="Let the default hold again", versions=REQUIRED),
)
class Limit(ApiView):
    """GET, PATCH, DELETE /portfolios/{portfolio_id}/risk/limits/{limit_id}; If-Match required."""

    serializer_class = LimitChange

    def get(self, request: Any, portfolio_id: Any, limit_id: Any) -> Response:
        """The row, in force or not; one that bound later than `as_of` is missing."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        close = as_of.asked(request).close
        row = _row(self.actor, portfolio, limit_id)
        if close is not None:
            if row.binds_as_of > close:
                raise NotFound(MISSING)
            return Response(past(row, close))
        return versions.tagged(Response(past(row)), row)

    def patch(self, request: Any, portfolio_id: Any, limit_id: Any) -> Response:
        """Close this row and add the next, with a reason."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.LIMIT)
        row = _row(self.actor, portfolio, limit_id)
        with versions.telling(lambda: _current(portfolio, row.measure)):
            changed = self._change(request, portfolio, row)
        return versions.tagged(Response(document(limit_rows.of_row(changed))), changed)

    def _change(self, request: Any, portfolio: Portfolio, row: RiskLimit) -> RiskLimit:
        versions.check(request, _head(portfolio, row), required=True)
        asked = self.checked(LimitChange)
        given = {
            "value": asked.get("value", row.value),
            "unit": asked.get("unit", row.unit),
            "watch": asked.get("watch", row.watch),
            "hard": asked.get("hard", row.hard),
            "reason": asked["reason"],
        }
        return limits.change(
            portfolio_id=portfolio.pk,
            measure=row.measure,
            as_of=sessions.now(),
            if_match_version=row.version,
            by=self.actor,
            **given,
        )

    @extend_schema(request=LimitEnd, responses={204: None})
    def delete(self, request: Any, portfolio_id: Any, limit_id: Any) -> Response:
        """Close this row; the reason stands in the body."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.LIMIT)
        row = _row(self.actor, portfolio, limit_id)
        reason = self.checked(LimitEnd)["reason"]
        with versions.telling(lambda: _current(portfolio, row.measure)):
            versions.check(request, _head(portfolio, row), required=True)
            limits.remove(
                limit_id=row.pk,
                reason=reason,
                as_of=sessions.now(),
                if_match_version=row.version,
                by=self.actor,
            )
        return Response(status=204)


@operation(
    get=Op("signed_in", summary="Limits of every visible portfolio", lists=True, query=as_of.AS_OF)
)
class AllLimits(OwnedView):
    """GET /risk/limits: defaults included."""

    serializer_class = LimitDocument

    def get(self, request: Any) -> Response:
        """One entry per portfolio."""
        close = as_of.asked(request).close
        rows = Portfolio.objects.for_actor(self.actor).open().order_by("name", "pk")

        def tell(books: Sequence[Portfolio]) -> list[dict[str, Any]]:
            self.shown(books)
            return _of_books(books, close)

        return self.listed(rows, tell)


@operation(
    get=Op(
        "signed_in",
        summary="Changes of limit states",
        lists=True,
        query=OF_PORTFOLIO | as_of.AS_OF,
    )
)
class Breaches(OwnedView):
    """GET /risk/breaches: within, watch, breach and back, newest first."""

    serializer_class = BreachSerializer
    filterset_fields = ("measure", "to_state", "session_date", "simulated")
    ordering_fields = ("as_of",)
    ordering = ("-as_of",)

    def get(self, request: Any) -> Response:
        """Of the portfolios the caller may see."""
        close = as_of.asked(request).close
        rows = alert_rows.breaches(self.actor)
        if close is not None:
            rows = rows.filter(as_of__lte=close)
        return self.listing(self.of_portfolio(rows), BreachSerializer)


def _of_books(books: Sequence[Portfolio], close: datetime | None) -> list[dict[str, Any]]:
    found = limit_rows.in_force_many(portfolio_ids=[each.pk for each in books], as_of=close)
    return [
        {
            "portfolio": str(each.pk),
            "name": each.name,
            "limits": [document(limit) for limit in found[each.pk]],
        }
        for each in books
    ]


def document(limit: LimitInForce, standing: dict[str, Any] | None = None) -> dict[str, Any]:
    """A limit in force, with what was observed where that is known."""
    body: dict[str, Any] = {
        "id": str(limit.limit_id) if limit.limit_id else None,
        "measure": limit.measure,
        "label": limit.label,
        "family": limit.family or None,
        "value": plain(limit.value),
        "unit": limit.unit,
        "watch": limit.watch,
        "hard": limit.hard,
        "confidence": limit.confidence,
        "horizon_days": limit.horizon_days,
        "version": limit.version,
        "default": limit.version == 0,
        "reason": limit.reason,
        "author": limit.author or None,
        "valid_from": limit.valid_from,
    }
    if standing is not None:
        body["standing"] = {
            key: standing[key] for key in ("observed", "used", "state", "symbol", "reason")
        }
    return body


def past(row: RiskLimit, close: datetime | None = None) -> dict[str, Any]:
    """One row of the limit's history; at a past close one that ended later still bound."""
    ended = row.closed_at
    if close is not None and row.ended_as_of is not None and row.ended_as_of > close:
        ended = None
    return document(limit_rows.of_row(row)) | {"closed_at": ended}


def _row(actor: Actor, portfolio: Portfolio, limit_id: Any) -> RiskLimit:
    visible = RiskLimit.objects.for_actor(actor)
    row = visible.filter(portfolio=portfolio, pk=limit_id).first()
    if row is None:
        raise NotFound(MISSING)
    return row


def _in_force(portfolio: Portfolio, measure: str) -> LimitInForce:
    found = limit_rows.in_force(portfolio_id=portfolio.pk)
    return next(each for each in found if each.measure == measure)


def _current(portfolio: Portfolio, measure: str) -> tuple[LimitInForce, dict[str, Any]]:
    limit = _in_force(portfolio, measure)
    return limit, document(limit)


def _head(portfolio: Portfolio, row: RiskLimit) -> SimpleNamespace:
    """The version that counts: a replaced row answers with that of its successor."""
    return SimpleNamespace(version=_in_force(portfolio, row.measure).version)
