"""Personal tokens of the caller: /auth/tokens."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api.fields import MomentField, StrictSerializer, moment
from etftrader.core.api.idempotent import REPLAYED, once
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound
from portfolios.models import ApiToken
from portfolios.services import tokens

ADDRESS = "/api/v1/auth/tokens"
SHOWN_ONCE = "shown_once"  # why a token's text is not in an answer


class TokenRequest(StrictSerializer):
    """What the token is for and what it may."""

    name = serializers.CharField(max_length=80)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(["read", "trade", "admin"]), default=["read"], max_length=3
    )
    expires_at = MomentField(required=False, allow_null=True, default=None)


def document(row: ApiToken) -> dict[str, Any]:
    """A token without its text."""
    return {
        "id": str(row.pk),
        "url": f"{ADDRESS}/{row.pk}",
        "name": row.name,
        "prefix": row.prefix,
        "scopes": row.scopes,
        "created_at": moment(row.created_at),
        "expires_at": moment(row.expires_at) if row.expires_at else None,
        "last_used_at": moment(row.last_used_at) if row.last_used_at else None,
    }


@operation(
    get=Op("signed_in", summary="The caller's personal tokens"),
    post=Op("signed_in:admin", summary="Make a personal token; its text is shown once"),
)
class Tokens(ApiView):
    """GET, POST /api/v1/auth/tokens."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """All that are not revoked."""
        return Response(
            {"results": [document(each) for each in tokens.personal(user_id=request.user.pk)]}
        )

    @extend_schema(request=TokenRequest, responses={201: dict})
    def post(self, request: Any) -> Response:
        """The token; keep it, we keep only a hash.

        Sent again under its Idempotency-Key it makes no second one, and `token` is null: the text
        is in no kept answer. Whoever lost it revokes the token and makes another.
        """
        asked = self.checked(TokenRequest)
        texts: list[str] = []

        def effect() -> Response:
            row, text = tokens.create_personal(user=request.user, by=self.actor, **asked)
            texts.append(text)
            hidden = {"token": None, "reasons": {"token": SHOWN_ONCE}}
            return Response(document(row) | hidden, 201)

        answer = once(request, effect)
        if texts and REPLAYED not in answer:
            # only now: what the effect answers is kept
            answer.data = answer.data | {"token": texts[-1], "reasons": {}}
        return answer


@operation(
    get=Op("signed_in", summary="One personal token"),
    delete=Op("signed_in:admin", summary="Revoke a personal token"),
)
class Token(ApiView):
    """GET, DELETE /api/v1/auth/tokens/{token_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, token_id: UUID) -> Response:
        """What it is for and when it was used."""
        row = ApiToken.objects.for_actor(self.actor).filter(pk=token_id, revoked_at=None).first()
        if row is None:
            raise NotFound("There is no such token.")
        return Response(document(row))

    @extend_schema(responses={204: None})
    def delete(self, request: Any, token_id: UUID) -> Response:
        """It ends at once."""
        tokens.revoke_personal(token_id=token_id, by=self.actor)
        return Response(status=204)
