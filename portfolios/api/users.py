"""The caller: /auth/me, /auth/register, /users/me/activity."""

from typing import Any

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.lists import CursorPages
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotAllowed
from etftrader.core.records import AuditEvent
from marketdata.selectors import sessions
from portfolios.api.auth import PairDocument, device, pair_document
from portfolios.models import User
from portfolios.selectors import people
from portfolios.services import accounts, registration, tokens


class RegisterRequest(StrictSerializer):
    """Who wants in."""

    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(max_length=1000, trim_whitespace=False)
    name = serializers.CharField(max_length=120, default="", allow_blank=True)


class ActivitySerializer(serializers.ModelSerializer):
    """One audit line of the caller."""

    recorded_at = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = ("id", "action", "object_type", "object_id", "reason", "request_id", "recorded_at")
        read_only_fields = fields

    def get_recorded_at(self, row: AuditEvent) -> str:
        """RFC 3339."""
        return moment(row.recorded_at)


def document(user: User, scopes: frozenset[str]) -> dict[str, Any]:
    """A person on the wire."""
    return {
        "id": str(user.pk),
        "email": user.email,
        "name": user.name,
        "is_staff": user.is_staff,
        "is_demo": user.is_demo,
        "groups": sorted(user.groups.values_list("name", flat=True)),
        "scopes": sorted(scopes),
        "created_at": moment(user.created_at),
    }


@operation(get=Op("signed_in", summary="Who the caller is and may be"))
class Me(ApiView):
    """GET /api/v1/auth/me."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The caller."""
        return Response(document(request.user, self.actor.scopes))


@operation(
    post=Op(
        "public",
        summary="Register, where the operator has opened it",
        limit="login",
        keyed=False,
        refuses=(403,),
    )
)
class Register(ApiView):
    """POST /api/v1/auth/register: makes customer, account and an empty paper portfolio."""

    authentication_classes = ()

    @extend_schema(request=RegisterRequest, responses={201: PairDocument})
    def post(self, request: Any) -> Response:
        """A first pair of tokens; 403 `registration_closed` by default.

        No Idempotency-Key: the answer is a secret and is not kept; sent again it finds the
        address in use. Whoever lost the answer signs in.
        """
        if not settings.REGISTRATION_OPEN:
            raise NotAllowed("Registration is closed.", code="registration_closed")
        asked = self.checked(RegisterRequest)
        person = User(email=asked["email"], name=asked["name"])
        accounts.check_password(asked["password"], person, attr="password")
        user = registration.register(
            **asked, session_date=sessions.latest(), request_id=request._request.request_id
        )
        return Response(pair_document(tokens.issue(user=user, label=device(request))), 201)


@operation(get=Op("signed_in", summary="What the caller did", lists=True))
class Activity(ApiView):
    """GET /api/v1/users/me/activity: the caller's own audit lines, newest first."""

    pagination_class = CursorPages
    cursor_ordering = ("-id",)

    @extend_schema(responses=ActivitySerializer(many=True))
    def get(self, request: Any) -> Response:
        """A page of audit lines."""
        own = people.acts_of(actor=self.actor)
        return self.listing(own, ActivitySerializer)
