"""Invitations, from both sides: /portfolios/{id}/invitations and /invitations."""

from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import REPLAYED, once
from etftrader.core.api.lists import Pages
from etftrader.core.api.registry import CHECKED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from portfolios.api import members
from portfolios.constants import MAX_MESSAGE, Action
from portfolios.models import Invitation
from portfolios.selectors import access
from portfolios.selectors import invitations as read
from portfolios.services import invitation_mail
from portfolios.services import invitations as write

ROLES = ["owner", "editor", "viewer"]
SHOWN_ONCE, SENT = "shown_once", "sent_by_mail"  # why a link is not in an answer


class InvitationRequest(StrictSerializer):
    """Whom to invite, and to what part; `owner` hands the portfolio over."""

    email = serializers.EmailField(max_length=254)
    role = serializers.ChoiceField(ROLES)
    can_trade = serializers.BooleanField(default=False)
    message = serializers.CharField(
        max_length=MAX_MESSAGE, required=False, default="", allow_blank=True
    )


class AcceptRequest(StrictSerializer):
    """The text at the end of the link, where your account is younger than the invitation."""

    token = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)


def document(row: Invitation) -> dict[str, Any]:
    """An invitation as its portfolio's owner sees it, without its link."""
    return {
        "id": str(row.pk),
        "url": f"/api/v1/portfolios/{row.portfolio_id}/invitations/{row.pk}",
        "email": row.email,
        "role": row.role,
        "can_trade": row.can_trade,
        "message": row.message,
        "state": "expired" if read.is_expired(row) else row.state,
        "sent_at": moment(row.sent_at),
        "expires_at": moment(row.expires_at),
        "version": row.version,
        "created_at": moment(row.created_at),
    }


class InvitationDocument(serializers.BaseSerializer):
    """One invitation of a list."""

    def to_representation(self, row: Invitation) -> dict[str, Any]:
        """As the owner sees it."""
        return document(row)


def offer(row: Invitation) -> dict[str, Any]:
    """An invitation as the one who is invited sees it."""
    return {
        "id": str(row.pk),
        "portfolio": str(row.portfolio_id),
        "portfolio_name": row.portfolio.name,
        "invited_by": row.invited_by.email,
        "role": row.role,
        "can_trade": row.can_trade,
        "message": row.message,
        "sent_at": moment(row.sent_at),
        "expires_at": moment(row.expires_at),
    }


class OfferDocument(serializers.BaseSerializer):
    """One invitation to oneself."""

    def to_representation(self, row: Invitation) -> dict[str, Any]:
        """As the one who is invited sees it."""
        return offer(row)


class Sending(ApiView):
    """What sending and sending again share: the link is in one answer, and in no kept one."""

    def sent(self, request: Any, act: Any, status: int) -> Response:
        """The invitation; `link` where no mail goes out, once."""
        made: list[tuple[Invitation, str]] = []

        def effect() -> Response:
            made.append(act())
            hidden = {"link": None, "reasons": {"link": SHOWN_ONCE}}
            return Response(document(made[-1][0]) | hidden, status)

        answer = once(request, effect)
        if made and REPLAYED not in answer:
            row, text = made[-1]
            link = request.build_absolute_uri(reverse("invitation_open", args=[text]))
            mailed = invitation_mail.send(row=row, link=link, sender=self.actor.label)
            told = {"link": None, "reasons": {"link": SENT}} if mailed else {"link": link}
            answer.data = answer.data | {"reasons": {}} | told
        return answer


@operation(
    get=Op("portfolio:view_audit", summary="Invitations to the portfolio", lists=True),
    post=Op("portfolio:share", summary="Invite an address, at most 20 times a day"),
)
class PortfolioInvitations(Sending):
    """GET, POST /api/v1/portfolios/{portfolio_id}/invitations."""

    serializer_class = InvitationDocument
    queryset = Invitation.objects.none()
    pagination_class = Pages
    filterset_fields = ("role",)

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID) -> Response | HttpResponse:
        """Newest first, answered ones too."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.VIEW_AUDIT)
        return self.listing(read.of_portfolio(portfolio_id=portfolio.pk), InvitationDocument)

    @extend_schema(request=InvitationRequest, responses={201: dict})
    def post(self, request: Any, portfolio_id: UUID) -> Response:
        """The invitation, the same whether or not the address has an account.

        Where no mail goes out `link` is there once, to be passed on; sent again under its
        Idempotency-Key it is null. Without an account it waits until there is one.
        """
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        asked = self.checked(InvitationRequest)
        return self.sent(
            request, lambda: write.invite(portfolio_id=portfolio.pk, by=self.actor, **asked), 201
        )


@operation(
    get=Op("portfolio:view_audit", summary="One invitation", versions=TAGGED),
    delete=Op("portfolio:share", summary="Withdraw an invitation", versions=CHECKED),
)
class PortfolioInvitation(ApiView):
    """GET, DELETE /api/v1/portfolios/{portfolio_id}/invitations/{invitation_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, portfolio_id: UUID, invitation_id: UUID) -> Response:
        """The invitation."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.VIEW_AUDIT)
        row = read.find(portfolio_id=portfolio.pk, invitation_id=invitation_id)
        return versions.tagged(Response(document(row)), row)

    @extend_schema(responses={204: None})
    def delete(self, request: Any, portfolio_id: UUID, invitation_id: UUID) -> Response:
        """Its link ends. 409 when it was answered already."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        row = read.find(portfolio_id=portfolio.pk, invitation_id=invitation_id)
        version = versions.check(request, row)
        write.withdraw(
            portfolio_id=portfolio.pk,
            invitation_id=row.pk,
            if_match_version=version,
            by=self.actor,
        )
        return Response(status=204)


@operation(post=Op("portfolio:share", summary="Send an invitation again, with a new link"))
class SendAgain(Sending):
    """POST /api/v1/portfolios/{portfolio_id}/invitations/{invitation_id}/resend."""

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Any, portfolio_id: UUID, invitation_id: UUID) -> Response:
        """The invitation with seven more days; the link of before ends."""
        portfolio = access.portfolio_for(self.actor, portfolio_id, Action.SHARE)
        row = read.find(portfolio_id=portfolio.pk, invitation_id=invitation_id)

        def act() -> tuple[Invitation, str]:
            return write.send_again(portfolio_id=portfolio.pk, invitation_id=row.pk, by=self.actor)

        return self.sent(request, act, 200)


@operation(get=Op("signed_in", summary="Invitations to your address", lists=True))
class Invitations(ApiView):
    """GET /api/v1/invitations."""

    serializer_class = OfferDocument
    queryset = Invitation.objects.none()
    pagination_class = Pages
    filterset_fields = ("role",)

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response | HttpResponse:
        """Those you can still answer, newest first."""
        return self.listing(read.to_me(self.actor), OfferDocument)


@operation(post=Op("signed_in:trade", summary="Accept an invitation"))
class Accept(ApiView):
    """POST /api/v1/invitations/{invitation_id}/accept."""

    @extend_schema(request=AcceptRequest, responses={200: dict})
    def post(self, request: Any, invitation_id: UUID) -> Response:
        """Your part. 409 when it was answered, withdrawn or has expired."""
        asked = self.checked(AcceptRequest)

        def effect() -> Response:
            part = write.accept(invitation_id=invitation_id, by=self.actor, **asked)
            return Response(members.document(part))

        return once(request, effect)


@operation(post=Op("signed_in:trade", summary="Decline an invitation"))
class Decline(ApiView):
    """POST /api/v1/invitations/{invitation_id}/decline."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Any, invitation_id: UUID) -> Response:
        """Nobody gets the part. 409 when it was answered, withdrawn or has expired."""

        def effect() -> Response:
            write.decline(invitation_id=invitation_id, by=self.actor)
            return Response(status=204)

        return once(request, effect)
