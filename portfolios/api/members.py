"""Members of a portfolio: /portfolios/{id}/members."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from portfolios.constants import Action
from portfolios.models import Membership
from portfolios.selectors import access
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
    post=Op("portfolio:share", summary="Give a user a part"),
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
        """The new member."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        asked = self.checked(ShareRequest)

        def effect() -> Response:
            part = memberships.share(portfolio_id=portfolio.pk, by=self.actor, **asked)
            return Response(document(part), 201)

        return once(request, effect)


@operation(
    patch=Op("portfolio:share", summary="Change a member's part"),
    delete=Op("portfolio:share", summary="End a member's part"),
)
class Member(ApiView):
    """PATCH, DELETE /api/v1/portfolios/{portfolio_id}/members/{member_id}."""

    @extend_schema(request=PartRequest, responses={200: dict})
    def patch(self, request: Any, portfolio_id: UUID, member_id: UUID) -> Response:
        """The member with the new part."""
        part = self._part(portfolio_id, member_id)
        with versions.telling(lambda: self._current(member_id)):
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

    @extend_schema(responses={204: None})
    def delete(self, request: Any, portfolio_id: UUID, member_id: UUID) -> Response:
        """The user does not see the portfolio any more."""
        part = self._part(portfolio_id, member_id)
        with versions.telling(lambda: self._current(member_id)):
            version = versions.check(request, part)
            memberships.revoke(
                portfolio_id=portfolio_id,
                member_id=member_id,
                if_match_version=version,
                by=self.actor,
            )
        return Response(status=204)

    def _current(self, member_id: UUID) -> tuple[Membership, dict[str, Any]]:
        parts = Membership.objects.for_actor(self.actor, Action.SHARE).select_related("user")
        part = parts.get(pk=member_id)
        return part, document(part) | {"revoked": part.revoked_at is not None}

    def _part(self, portfolio_id: UUID, member_id: UUID) -> Membership:
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        parts = Membership.objects.for_actor(self.actor, Action.SHARE)
        part = parts.filter(portfolio=portfolio, pk=member_id, revoked_at=None).first()
        if part is None:
            raise NotFound("There is no such member.")
        return part
