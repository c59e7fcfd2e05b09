"""Portfolios over the API: list, make, read, change, close, halt, resume."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import parameters, tags
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import REQUIRED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from marketdata.selectors import sessions
from portfolios.api import documents
from portfolios.api.owned import OwnedView
from portfolios.api.rows import PortfolioRow
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


class ChangedPortfolio(StrictSerializer):
    """What can be changed."""

    name = serializers.CharField(max_length=120, required=False)
    description = serializers.CharField(max_length=300, required=False, allow_blank=True)
    notes = serializers.CharField(max_length=20_000, required=False, allow_blank=True)
    allow_short = serializers.BooleanField(required=False)
    whole_shares = serializers.BooleanField(required=False)


class Reason(StrictSerializer):
    """Why."""

    reason = serializers.CharField(max_length=300, default="", allow_blank=True)


@operation(
    get=Op("signed_in", "List the portfolios you may see", lists=True, query=CLOSED),
    post=Op("signed_in:trade", "Make an empty portfolio"),
)
class Portfolios(OwnedView):
    """GET, POST /api/v1/portfolios."""

    serializer_class = PortfolioRow
    queryset = Portfolio.objects.none()

    def get(self, request: Any) -> Response:
        """By name; closed ones with `closed=true`."""
        closed = request.query_params.get("closed") == "true"
        rows = read.visible(actor=self.actor, until=sessions.latest(), closed=closed)
        self.shown([each.portfolio for each in rows])
        return self.listing(rows, PortfolioRow)

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
    get=Op("portfolio:view", "Read a portfolio"),
    patch=Op("portfolio:manage", "Change a portfolio; send If-Match", versions=REQUIRED),
    delete=Op("portfolio:manage", "Close a portfolio; nothing is deleted"),
)
class OnePortfolio(ApiView):
    """GET, PATCH, DELETE /api/v1/portfolios/{portfolio_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The portfolio, with its entity tag."""
        row = access.portfolio_for(self.actor, portfolio_id)
        return tags.read(request, row, self._document(row))

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

    def _document(self, row: Portfolio) -> dict[str, Any]:
        newest = snapshots.latest(portfolio_id=row.pk, until=sessions.latest())
        return documents.portfolio(row, snapshot=newest)

    def _answer(self, row: Portfolio) -> Response:
        told = self._document(row)
        return tags.tagged(Response(told), row, told)


@operation(post=Op("portfolio:halt", "Stop trading in a portfolio"))
class Halt(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/halt."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The halted portfolio."""
        row = access.portfolio_for(self.actor, portfolio_id, Action.HALT)
        asked = self.checked(Reason)

        def effect() -> Response:
            now = write.halt(portfolio_id=row.pk, by=self.actor, **asked)
            return Response(documents.portfolio(now))

        return once(request, effect)


@operation(post=Op("portfolio:halt", "Let a halted portfolio trade again"))
class Resume(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/resume."""

    @extend_schema(request=Reason, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The portfolio, active again."""
        row = access.portfolio_for(self.actor, portfolio_id, Action.HALT)
        asked = self.checked(Reason)

        def effect() -> Response:
            now = write.resume(portfolio_id=row.pk, by=self.actor, **asked)
            return Response(documents.portfolio(now))

        return once(request, effect)
