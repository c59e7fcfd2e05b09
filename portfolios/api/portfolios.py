"""Portfolios over the API: list, make, read, change, close, halt, resume."""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.actor import Actor
from etftrader.core.api import parameters, tags
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import CHECKED, REQUIRED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from marketdata.api import as_of
from marketdata.selectors import sessions
from portfolios.api import documents
from portfolios.api.owned import OwnedView
from portfolios.api.rows import PortfolioRow
from portfolios.choices import TrackingMode
from portfolios.constants import Action
from portfolios.models import Account, Portfolio
from portfolios.selectors import access, people, snapshots
from portfolios.selectors import portfolios as read
from portfolios.services import portfolios as write

CLOSED = {"closed": parameters.flag("true: closed portfolios instead of open ones.")}


class NewPortfolio(StrictSerializer):
    """What a portfolio is made of."""

    name = serializers.CharField(max_length=120)
    account = serializers.UUIDField(required=False, allow_null=True)
    description = serializers.CharField(max_length=300, default="", allow_blank=True)
    notes = serializers.CharField(max_length=20_000, default="", allow_blank=True)
    base_currency = serializers.CharField(max_length=3, default="USD")
    allow_short = serializers.BooleanField(default=False)
    whole_shares = serializers.BooleanField(default=True)
    tracking_mode = serializers.ChoiceField(TrackingMode.choices, default=TrackingMode.LEDGER)


class ChangedPortfolio(StrictSerializer):
    """What can be changed."""

    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    allow_short = serializers.BooleanField(required=False)
    whole_shares = serializers.BooleanField(required=False)
    tracking_mode = serializers.ChoiceField(TrackingMode.choices, required=False)


class Reason(StrictSerializer):
    """Why."""

    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


@operation(
    get=Op("signed_in", "List the portfolios you may see", lists=True, query=CLOSED | as_of.AS_OF),
    post=Op("signed_in:trade", "Make an empty portfolio"),
)
class Portfolios(OwnedView):
    """GET, POST /api/v1/portfolios."""

    serializer_class = PortfolioRow
    queryset = Portfolio.objects.none()

    def get(self, request: Any) -> Response | HttpResponse:
        """By name; closed ones with `closed=true`. At a past close those whose books had begun."""
        closed = request.query_params.get("closed") == "true"
        asked = as_of.asked(request)
        rows = read.visible(actor=self.actor, until=asked.until, closed=closed)
        if asked.past is not None:
            rows = [each for each in rows if each.snapshot is not None]
        self.shown([each.portfolio for each in rows])
        return self.listing(rows, PortfolioRow, past=asked.past)

    @extend_schema(request=NewPortfolio, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The new portfolio; the caller owns it."""
        asked = self.checked(NewPortfolio)
        user = people.me(self.actor)
        account = self._account(asked.pop("account", None))

        def effect() -> Response:
            made = write.create(user=user, account=account, by=self.actor, **asked)
            return Response(documents.portfolio(made, "owner"), 201)

        return once(request, effect)

    def _account(self, account_id: UUID | None) -> Account | None:
        if account_id is None:
            return None
        found = people.account_of(actor=self.actor, account_id=account_id)
        if found is None:
            raise BadInput("You have no such account.", attr="account", code="does_not_exist")
        return found


@operation(
    get=Op("portfolio:view", "Read a portfolio", query=as_of.AS_OF, refuses=(422,)),
    patch=Op("portfolio:manage", "Change a portfolio; send If-Match", versions=REQUIRED),
    delete=Op("portfolio:manage", "Close a portfolio that holds nothing; nothing is deleted"),
)
class OnePortfolio(ApiView):
    """GET, PATCH, DELETE /api/v1/portfolios/{portfolio_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The portfolio, with its entity tag; at a past close its figures of then, without one."""
        row = access.portfolio_for(self.actor, portfolio_id)
        past = as_of.past(request)
        if past is not None:
            return Response(_at_close(self.actor, row, past))
        return tags.read(request, row, _document(self.actor, row))

    @extend_schema(request=ChangedPortfolio, responses={200: dict})
    def patch(self, request: Any, portfolio_id: UUID) -> Response:
        """The changed portfolio."""
        row = access.portfolio_for(self.actor, portfolio_id, Action.MANAGE)
        version = tags.check(request, row, required=True)
        asked = self.checked(ChangedPortfolio)
        done = write.update(portfolio_id=row.pk, if_match_version=version, by=self.actor, **asked)
        return self._answer(done)

    @extend_schema(responses={200: dict})
    def delete(self, request: Any, portfolio_id: UUID) -> Response:
        """The closed portfolio; it stays readable."""
        row = access.portfolio_for(self.actor, portfolio_id, Action.MANAGE)
        version = tags.check(request, row)
        done = write.close(portfolio_id=row.pk, if_match_version=version, by=self.actor)
        return self._answer(done)

    def _answer(self, row: Portfolio) -> Response:
        told = _document(self.actor, row)
        return tags.tagged(Response(told), row, told)


class Act(ApiView):
    """What the acts on a portfolio share: a reason, one effect a key, the portfolio afterwards."""

    def acted(
        self, request: Any, portfolio_id: UUID, needed: Action, act: Callable[..., Portfolio]
    ) -> Response:
        """The portfolio after `act(row, reason=...)`, which runs once for a key.

        If-Match is for the act to compare: a repetition names the version of before its first
        answer, and that answer is given again.
        """
        row = access.portfolio_for(self.actor, portfolio_id, needed)
        asked = self.checked(Reason)

        def effect() -> Response:
            done = act(row, by=self.actor, **asked)
            return Response(_document(self.actor, done))

        return once(request, effect)


@operation(post=Op("portfolio:halt", "Stop trading in a portfolio"))
class Halt(Act):
    """POST /api/v1/portfolios/{portfolio_id}/halt."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The halted portfolio."""

        def act(row: Portfolio, **said: Any) -> Portfolio:
            return write.halt(portfolio_id=row.pk, **said)

        return self.acted(request, portfolio_id, Action.HALT, act)


@operation(post=Op("portfolio:halt", "Let a halted portfolio trade again"))
class Resume(Act):
    """POST /api/v1/portfolios/{portfolio_id}/resume."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The portfolio, active again."""

        def act(row: Portfolio, **said: Any) -> Portfolio:
            return write.resume(portfolio_id=row.pk, **said)

        return self.acted(request, portfolio_id, Action.HALT, act)


@operation(post=Op("portfolio:manage", "Put a portfolio away as it is", versions=CHECKED))
class Archive(Act):
    """POST /api/v1/portfolios/{portfolio_id}/archive."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The archived portfolio: out of the lists, readable, with what it holds."""

        def act(row: Portfolio, **said: Any) -> Portfolio:
            version = tags.check(request, row)
            return write.archive(portfolio_id=row.pk, if_match_version=version, **said)

        return self.acted(request, portfolio_id, Action.MANAGE, act)


@operation(post=Op("portfolio:manage", "Reopen a closed or archived portfolio", versions=CHECKED))
class Reopen(Act):
    """POST /api/v1/portfolios/{portfolio_id}/reopen."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The open portfolio."""

        def act(row: Portfolio, **said: Any) -> Portfolio:
            version = tags.check(request, row)
            return write.reopen(portfolio_id=row.pk, if_match_version=version, **said)

        return self.acted(request, portfolio_id, Action.MANAGE, act)


def _at_close(actor: Actor, row: Portfolio, past: date) -> dict[str, Any]:
    found = snapshots.latest(portfolio_id=row.pk, until=past)
    if found is None:
        raise as_of.before_book(past)
    return documents.portfolio_at(row, access.role_of(actor, row), found)


def _document(actor: Actor, row: Portfolio) -> dict[str, Any]:
    newest = snapshots.latest(portfolio_id=row.pk, until=sessions.latest())
    return documents.portfolio(row, access.role_of(actor, row), newest)
