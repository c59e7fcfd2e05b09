"""Sharing a portfolio and taking the share back."""

from typing import Any

import pytest
from django.test import Client

from etftrader.core.actor import Actor, system
from etftrader.core.records import AuditEvent
from portfolios.models import Account, Membership, Portfolio, User
from portfolios.selectors import access
from portfolios.services import accounts, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.api.urls")]


def person(name: str) -> User:
    return accounts.create_user(email=f"{name}@example.com", password="x" * 12, by=system("tests"))


@pytest.fixture
def owner(settings: Any) -> User:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    return person("owner")


@pytest.fixture
def portfolio(owner: User) -> Portfolio:
    made = Portfolio.objects.create(account=Account.objects.get(customer__user=owner), name="Core")
    Membership.objects.create(portfolio=made, user=owner, role="owner")
    return made


@pytest.fixture
def ask(owner: User) -> Any:
    scopes = ["read", "trade", "admin"]
    made = tokens.create_personal(user=owner, name="t", scopes=scopes, by=Actor.of_user(owner))

    def send(method: str, path: str, body: Any = None, **more: str) -> Any:
        call = getattr(Client(), method)
        more["HTTP_AUTHORIZATION"] = f"Token {made[1]}"
        return call(f"/api/v1/portfolios/{path}", body, "application/json", **more)

    return send


def test_a_share_shows_the_portfolio_and_a_revoke_hides_it(portfolio: Portfolio, ask: Any) -> None:
    friend = person("friend")
    actor = Actor.of_user(friend)
    body = {"email": "Friend@example.com", "role": "editor", "can_trade": True}
    made = ask("post", f"{portfolio.pk}/members", body)
    assert made.status_code == 201
    assert access.may(actor, portfolio, "trade")
    address = made.json()["url"].removeprefix("/api/v1/portfolios/")
    assert ask("patch", address, {"role": "viewer"}, HTTP_IF_MATCH='"v1"').status_code == 200
    assert access.may(actor, portfolio, "view")
    assert not access.may(actor, portfolio, "trade")
    assert ask("patch", address, {"role": "editor"}, HTTP_IF_MATCH='"v1"').status_code == 412
    assert ask("delete", address).status_code == 204
    assert not access.may(actor, portfolio, "view")
    lines = AuditEvent.objects.filter(chain=str(portfolio.pk)).order_by("seq")
    assert [line.action for line in lines] == [
        "membership.shared",
        "membership.changed",
        "membership.revoked",
    ]


def test_nobody_gets_a_second_part_and_the_owner_keeps_the_first(
    owner: User, portfolio: Portfolio, ask: Any
) -> None:
    twice = ask("post", f"{portfolio.pk}/members", {"email": owner.email, "role": "viewer"})
    assert twice.status_code == 409
    part = Membership.objects.get()
    assert ask("delete", f"{portfolio.pk}/members/{part.pk}").status_code == 409
    assert Membership.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"email": "nobody@example.com", "role": "viewer"}, "email"),
        ({"email": "friend@example.com", "role": "owner"}, "role"),
        ({"email": "friend@example.com", "role": "viewer", "can_trade": True}, "can_trade"),
        ({"email": "friend@example.com", "role": "viewer", "user": "x"}, "user"),
    ],
)
def test_a_part_that_does_not_exist_is_not_given(
    portfolio: Portfolio, ask: Any, body: dict[str, Any], attr: str
) -> None:
    person("friend")
    answer = ask("post", f"{portfolio.pk}/members", body)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, attr)
    assert Membership.objects.count() == 1


def test_a_member_of_another_portfolio_is_not_found_through_ones_own(
    portfolio: Portfolio, ask: Any
) -> None:
    other = person("other")
    theirs = Portfolio.objects.create(
        account=Account.objects.get(customer__user=other), name="Theirs"
    )
    part = Membership.objects.create(portfolio=theirs, user=other, role="viewer")
    assert ask("delete", f"{portfolio.pk}/members/{part.pk}").status_code == 404
    assert ask("delete", f"{theirs.pk}/members/{part.pk}").status_code == 404
    assert Membership.objects.get(pk=part.pk).revoked_at is None
