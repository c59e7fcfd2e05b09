"""A change of what somebody deleted meanwhile: 404, and no fault of ours."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from django.http import Http404
from django.test import Client
from django.urls import include, path
from rest_framework.response import Response

from etftrader.core.actor import Actor, system
from etftrader.core.api import versions
from etftrader.core.api.registry import operation
from etftrader.core.api.routes import route
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotFound, VersionMismatch
from portfolios.models import Tag, User
from portfolios.services import accounts, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]
GONE: dict[str, Callable[[], Exception]] = {
    "ours": lambda: NotFound("There is no such tag."),
    "framework": lambda: Http404("No tag matches."),
}


@operation(get="signed_in", patch="signed_in:trade")
class Contested(ApiView):
    """A tag that its second editor finds changed, or gone."""

    def get(self, request: Any, tag_id: UUID, how: str) -> Response:
        """Read it."""
        tag = Tag.objects.filter(pk=tag_id).first()
        if tag is None:
            raise GONE[how]()
        return versions.tagged(Response({"name": tag.name}), tag)

    def patch(self, request: Any, tag_id: UUID, how: str) -> Response:
        """Somebody was faster: a name tells what they did."""
        Tag.objects.filter(pk=tag_id, name="deleted").delete()
        raise VersionMismatch("It was changed since you read it.")


urlpatterns = [
    path(
        "api/v1/",
        include(route("contested/<uuid:tag_id>/<str:how>", Contested, "api-contested")),
    )
]


@pytest.fixture
def user(settings: Any) -> User:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    return accounts.create_user(email="a@example.com", password="x" * 12, by=system("tests"))


def change(user: User, name: str, how: str) -> Any:
    by = Actor.of_user(user)
    _, text = tokens.create_personal(user=user, name="t", scopes=["read", "trade"], by=by)
    tag = Tag.objects.create(user=user, name=name)
    return Client().patch(
        f"/api/v1/contested/{tag.pk}/{how}", "{}", "application/json",
        HTTP_AUTHORIZATION=f"Token {text}",
    )  # fmt: skip


@pytest.mark.parametrize("how", GONE)
def test_a_row_that_was_deleted_meanwhile_is_not_found(user: User, how: str) -> None:
    answer = change(user, "deleted", how)

    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert "object" not in answer.json()


def test_a_row_that_was_changed_meanwhile_is_told(user: User) -> None:
    answer = change(user, "changed", "ours")

    assert (answer.status_code, answer.json()["object"]) == (412, {"name": "changed"})
