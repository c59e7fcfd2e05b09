"""Signing in and out: /auth/login, refresh, logout, change-password, sessions, /ws-tickets."""

from typing import Any
from uuid import UUID

from django.contrib.auth import authenticate, logout
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotAuthenticated
from portfolios.services import accounts, tokens

MAX_TOKEN = 4096


class LoginRequest(StrictSerializer):
    """An address and a password."""

    email = serializers.CharField(max_length=254)
    password = serializers.CharField(max_length=accounts.MAX_PASSWORD, trim_whitespace=False)


class RefreshRequest(StrictSerializer):
    """A refresh token."""

    refresh = serializers.CharField(max_length=MAX_TOKEN)


class LogoutRequest(StrictSerializer):
    """Which sign-in ends: the one of this token, of that refresh token, or all."""

    refresh = serializers.CharField(max_length=MAX_TOKEN, required=False)
    everywhere = serializers.BooleanField(default=False)


class PasswordRequest(StrictSerializer):
    """The old password and the new one."""

    old_password = serializers.CharField(max_length=accounts.MAX_PASSWORD, trim_whitespace=False)
    new_password = serializers.CharField(max_length=1000, trim_whitespace=False)


class PairDocument(serializers.Serializer):
    """Two tokens."""

    access = serializers.CharField()
    refresh = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField(help_text="Seconds until the access token ends.")


def pair_document(pair: tokens.Pair) -> dict[str, Any]:
    """A pair on the wire."""
    return {
        "access": pair.access,
        "refresh": pair.refresh,
        "token_type": "Bearer",
        "expires_in": pair.expires_in,
    }


def device(request: Any) -> str:
    """A word for the list of sign-ins."""
    return str(request.META.get("HTTP_USER_AGENT", "program"))[:200]


@operation(
    post=Op(
        "public",
        summary="Sign in with address and password",
        limit="login",
        keyed=False,
        refuses=(401,),
    )
)
class Login(ApiView):
    """POST /api/v1/auth/login: one answer for unknown users and wrong passwords."""

    authentication_classes = ()

    @extend_schema(request=LoginRequest, responses=PairDocument)
    def post(self, request: Any) -> Response:
        """A pair of tokens.

        No Idempotency-Key: the answer is a secret and is not kept; sent again it is one more
        sign-in, which can be ended.
        """
        asked = self.checked(LoginRequest)
        user = authenticate(
            request=request._request,
            username=asked["email"].strip().lower(),
            password=asked["password"],
        )
        if user is None:
            raise NotAuthenticated("Address or password is wrong.", code="invalid_credentials")
        return Response(pair_document(tokens.issue(user=user, label=device(request))))


@operation(
    post=Op("public", summary="Trade a refresh token for a new pair", keyed=False, refuses=(401,))
)
class Refresh(ApiView):
    """POST /api/v1/auth/refresh: each refresh token works once."""

    authentication_classes = ()

    @extend_schema(request=RefreshRequest, responses=PairDocument)
    def post(self, request: Any) -> Response:
        """A new pair.

        No Idempotency-Key: the answer is a secret and is not kept, and a token that comes twice
        ends its sign-in. Whoever lost the answer signs in again.
        """
        return Response(
            pair_document(tokens.refresh(token=self.checked(RefreshRequest)["refresh"]))
        )


@operation(post=Op("signed_in", summary="Sign out here or everywhere", keyed=False))
class Logout(ApiView):
    """POST /api/v1/auth/logout."""

    @extend_schema(request=LogoutRequest, responses={204: None})
    def post(self, request: Any) -> Response:
        """Nothing; what was signed in is not any more.

        No Idempotency-Key: who has signed out is nobody who could be answered again.
        """
        asked = self.checked(LogoutRequest)
        actor = self.actor
        assert actor.user_id is not None
        if asked["everywhere"]:
            accounts.end_everywhere(user_id=actor.user_id, by=actor)
        if "refresh" in asked:
            tokens.end_by_refresh(token=asked["refresh"])
        family_id = getattr(request.auth, "family_id", None)
        if family_id is not None:
            tokens.end_sign_in(user_id=actor.user_id, family_id=family_id)
        elif request.auth is None:
            logout(request._request)
        return Response(status=204)


@operation(post=Op("signed_in:admin", summary="Change the password", limit="login", keyed=False))
class ChangePassword(ApiView):
    """POST /api/v1/auth/change-password: ends every other sign-in, answers with a new pair."""

    @extend_schema(request=PasswordRequest, responses=PairDocument)
    def post(self, request: Any) -> Response:
        """A pair under the new password.

        No Idempotency-Key: the answer is a secret and is not kept; sent again it changes nothing,
        for the old password is wrong by then.
        """
        asked = self.checked(PasswordRequest)
        user = accounts.change_password(
            user=request.user, old=asked["old_password"], new=asked["new_password"], by=self.actor
        )
        return Response(pair_document(tokens.issue(user=user, label=device(request))))


@operation(
    get=Op("signed_in", summary="What is signed in now"),
    delete=Op("signed_in:admin", summary="Sign out everywhere"),
)
class Sessions(ApiView):
    """GET, DELETE /api/v1/auth/sessions: browsers and programs."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The sign-ins, newest first."""
        rows = [
            {
                "id": str(each.pk),
                "label": each.label,
                "created_at": moment(each.created_at),
                "expires_at": moment(each.expires_at),
            }
            for each in tokens.sign_ins(user_id=request.user.pk)
        ]
        return Response({"results": rows})

    @extend_schema(responses={204: None})
    def delete(self, request: Any) -> Response:
        """End them all, this one too."""
        accounts.end_everywhere(user_id=request.user.pk, by=self.actor)
        return Response(status=204)


@operation(delete=Op("signed_in:admin", summary="End one sign-in"))
class Session(ApiView):
    """DELETE /api/v1/auth/sessions/{sign_in_id}."""

    @extend_schema(responses={204: None})
    def delete(self, request: Any, sign_in_id: UUID) -> Response:
        """That browser or program is signed out at its next request."""
        tokens.end_sign_in(user_id=request.user.pk, family_id=sign_in_id)
        return Response(status=204)


@operation(
    post=Op("signed_in", summary="A ticket that opens one socket within 30 seconds", keyed=False)
)
class Tickets(ApiView):
    """POST /api/v1/ws-tickets: for clients that cannot send a first message."""

    @extend_schema(request=None, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The ticket, shown once.

        No Idempotency-Key: the answer is a secret and is not kept; a ticket that was lost ends by
        itself.
        """
        ticket = tokens.make_ticket(user_id=request.user.pk)
        return Response({"ticket": ticket, "expires_in": tokens.TICKET_S}, 201)
