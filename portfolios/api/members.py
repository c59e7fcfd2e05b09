"""Members of a portfolio, and what each may do: /portfolios/{id}/members, /permissions, /leave."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from portfolios.constants import Action
from portfolios.models import Membership, Portfolio
from portfolios.selectors import access, permissions
from portfolios.services import memberships

ROLES = ["editor", "viewer"]


class ShareRequest(StrictSerializer):
    """To whom, and what part."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(ROLES)
    can_trade = serializers.BooleanField(default=False)


class PartRequest(StrictSerializer):
    """Another part."""

    role = serializers.ChoiceField(ROLES)
    can_trade = serializers.BooleanField(default=False)


class EndRequest(StrictSerializer):
    """Why a part ends; staff have to say."""

    reason = serializers.CharField(max_length=300, required=False, default="", allow_blank=True)


def document(part: Membership) -> dict[str, Any]:
    """A member on the wire."""
    return {
        "id": str(part.pk),
        "url": f"/api/v1/portfolios/{part.portfolio_id}/members/{part.pk}",
        "user": str(part.user_id),
        "email": part.user.email,
        "role": part.role,
        "can_trade": part.can_trade,
        "version": part.version,
        "created_at": moment(part.created_at),
    }


@operation(
    get=Op("portfolio:view_audit", summary="Who has a part in the portfolio"),
    post=Op("portfolio:share", summary="Give a part to somebody you share portfolios with"),
)
class Members(ApiView):
    """GET, POST /api/v1/portfolios/{portfolio_id}/members."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The members, in the order they came."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.VIEW_AUDIT)
        found = memberships.of_portfolio(portfolio_id=portfolio.pk)
        return Response({"results": [document(each) for each in found]})

    @extend_schema(request=ShareRequest, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The new member, who has or had a part in a portfolio of yours. Others are invited.

        400 `unknown_user` for everybody else, whether or not they have an account.
        """
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        asked = self.checked(ShareRequest)

        def effect() -> Response:
            part = memberships.share(portfolio_id=portfolio.pk, by=self.actor, **asked)
            return Response(document(part), 201)

        return once(request, effect)


@operation(
    get=Op("portfolio:view_audit", summary="One member", versions=TAGGED),
    patch=Op("portfolio:share", summary="Change a member's part"),
    delete=Op("portfolio:revoke", summary="End a member's part"),
)
class Member(ApiView):
    """GET, PATCH, DELETE /api/v1/portfolios/{portfolio_id}/members/{member_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID, member_id: UUID) -> Response:
        """The member."""
        part = self._part(portfolio_id, member_id, Action.VIEW_AUDIT)
        return versions.tagged(Response(document(part)), part)

    @extend_schema(request=PartRequest, responses={200: dict})
    def patch(self, request: Any, portfolio_id: UUID, member_id: UUID) -> Response:
        """The member with the new part."""
        part = self._part(portfolio_id, member_id, Action.SHARE)
        with versions.telling(lambda: self._current(part.portfolio, member_id)):
            version = versions.check(request, part)
            asked = self.checked(PartRequest)
            part = memberships.change(
                portfolio_id=portfolio_id,
                member_id=member_id,
                if_match_version=version,
                by=self.actor,
                **asked,
            )
        return versions.tagged(Response(document(part)), part)

    @extend_schema(request=EndRequest, responses={204: None})
    def delete(self, request: Any, portfolio_id: UUID, member_id: UUID) -> Response:
        """The user does not see the portfolio any more. The owner, or Admin staff with a reason."""
        part = self._part(portfolio_id, member_id, Action.REVOKE)
        with versions.telling(lambda: self._current(part.portfolio, member_id)):
            version = versions.check(request, part)
            memberships.revoke(
                portfolio_id=portfolio_id,
                member_id=member_id,
                if_match_version=version,
                by=self.actor,
                **self.checked(EndRequest),
            )
        return Response(status=204)

    def _current(self, portfolio: Portfolio, member_id: UUID) -> tuple[Membership, dict[str, Any]]:
        part = memberships.find(portfolio_id=portfolio.pk, member_id=member_id)
        assert part is not None
        return part, document(part) | {"revoked": part.revoked_at is not None}

    def _part(self, portfolio_id: UUID, member_id: UUID, action: Action) -> Membership:
        portfolio = access.portfolio_for(self.actor, portfolio_id, action)
        part = memberships.find(portfolio_id=portfolio.pk, member_id=member_id)
        if part is None or part.revoked_at is not None:
            raise NotFound("There is no such member.")
        return part


@operation(post=Op("portfolio:leave", summary="End your own part"))
class Leave(ApiView):
    """POST /api/v1/portfolios/{portfolio_id}/leave."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """You do not see the portfolio any more. 409 for its owner, who hands it over first."""

        def effect() -> Response:
            portfolio = access.portfolio_for(self.actor, portfolio_id, Action.LEAVE)
            memberships.leave(portfolio_id=portfolio.pk, by=self.actor)
            return Response(status=204)

        return once(request, effect)


@operation(get=Op("portfolio:view", summary="What each role can do, and what you can"))
class Permissions(ApiView):
    """GET /api/v1/portfolios/{portfolio_id}/permissions."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response:
        """The table of the product, and the acts that are yours."""
        portfolio = access.portfolio_for(self.actor, portfolio_id)
        part = access.part_of(self.actor, portfolio)
        mine = access.actions_of(self.actor, portfolio)
        return Response(
            {
                "portfolio": str(portfolio.pk),
                "role": part.role if part is not None else "staff",
                "can_trade": Action.TRADE in mine,
                "actions": [str(each) for each in Action if each in mine],
                "results": [
                    {
                        "action": str(each.action),
                        "does": each.does,
                        **{name: getattr(each, name) for name in permissions.COLUMNS},
                    }
                    for each in permissions.table()
                ],
            }
        )
