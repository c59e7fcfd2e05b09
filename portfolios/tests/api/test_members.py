"""Parts in a portfolio: given, changed, ended by the owner, by staff, by oneself."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader.core.actor import Actor, system
from etftrader.core.errors import NotFound
from etftrader.core.records import AuditEvent
from portfolios.constants import PERMISSIONS
from portfolios.models import Account, Membership, Portfolio, User
from portfolios.selectors import access
from portfolios.services import accounts, memberships, tokens

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
def friend(portfolio: Portfolio) -> User:
    """Somebody who had a part before: the owner may give another without an invitation."""
    known = person("friend")
    moment = datetime(2020, 1, 1, tzinfo=UTC)
    Membership.objects.create(portfolio=portfolio, user=known, role="viewer", revoked_at=moment)
    return known


@pytest.fixture
def ask(owner: User) -> Any:
    scopes = ["read", "trade", "admin"]
    made = tokens.create_personal(user=owner, name="t", scopes=scopes, by=Actor.of_user(owner))

    def send(method: str, path: str, body: Any = None, **more: str) -> Any:
        call = getattr(Client(), method)
        more["HTTP_AUTHORIZATION"] = f"Token {made[1]}"
        sent = {} if body is None else body
        return call(f"/api/v1/portfolios/{path}", sent, "application/json", **more)

    return send


def test_a_share_shows_the_portfolio_and_a_revoke_hides_it(
    portfolio: Portfolio, friend: User, ask: Any
) -> None:
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
    portfolio: Portfolio, friend: User, ask: Any, body: dict[str, Any], attr: str
) -> None:
    answer = ask("post", f"{portfolio.pk}/members", body)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, attr)
    assert not Membership.objects.filter(user=friend, revoked_at=None).exists()


def test_an_address_nobody_has_and_a_stranger_s_are_refused_alike(
    portfolio: Portfolio, ask: Any
) -> None:
    person("stranger")
    ask("get", f"{portfolio.pk}/permissions")  # notes the first use of the token
    told = []
    for address in ("stranger@example.com", "absent99@example.com"):
        with CaptureQueriesContext(connection) as queries:
            answer = ask("post", f"{portfolio.pk}/members", {"email": address, "role": "viewer"})
        said = answer.json() | {"request_id": ""}
        told.append((answer.status_code, said, len(queries)))
    assert told[0] == told[1]
    assert told[0][0] == 400


def test_a_member_leaves_and_the_owner_stays(portfolio: Portfolio, owner: User, ask: Any) -> None:
    friend = person("other")
    Membership.objects.create(portfolio=portfolio, user=friend, role="viewer")
    assert ask("post", f"{portfolio.pk}/leave").status_code == 409
    memberships.leave(portfolio_id=portfolio.pk, by=Actor.of_user(friend))
    assert not access.may(Actor.of_user(friend), portfolio, "view")
    assert access.may(Actor.of_user(owner), portfolio, "share")
    assert AuditEvent.objects.get(action="membership.left").actor_id == friend.pk
    with pytest.raises(NotFound):
        memberships.leave(portfolio_id=portfolio.pk, by=Actor.of_user(friend))


def test_staff_of_the_admins_end_a_part_with_a_reason_and_give_none(
    portfolio: Portfolio, owner: User
) -> None:
    member = Membership.objects.create(portfolio=portfolio, user=person("m"), role="viewer")
    admin = accounts.create_user(
        email="admin@example.com",
        password="x" * 12,
        groups=("Admin",),
        is_staff=True,
        by=system("tests"),
    )
    _, text = tokens.create_personal(
        user=admin, name="t", scopes=["read", "trade", "admin"], by=Actor.of_user(admin)
    )
    known = {"HTTP_AUTHORIZATION": f"Token {text}"}
    path = f"/api/v1/portfolios/{portfolio.pk}/members"

    def end(body: dict[str, str]) -> Any:
        return Client().delete(f"{path}/{member.pk}", body, "application/json", **known)

    without = end({})
    assert (without.status_code, without.json()["errors"][0]["attr"]) == (400, "reason")
    body = {"email": "m@example.com", "role": "editor"}
    assert Client().post(path, body, "application/json", **known).status_code == 403
    assert end({"reason": "left the firm"}).status_code == 204
    line = AuditEvent.objects.get(action="membership.revoked")
    assert (line.reason, line.actor_id) == ("left the firm", admin.pk)


@pytest.mark.parametrize("name", ["user", "portfolio", "revoked_at", "version", "id", "created_at"])
def test_no_other_field_of_a_part_is_written(
    portfolio: Portfolio, friend: User, ask: Any, name: str
) -> None:
    part = Membership.objects.create(portfolio=portfolio, user=friend, role="viewer")
    before = Membership.objects.filter(pk=part.pk).values().get()
    body = {"role": "editor", name: str(portfolio.pk)}
    assert ask("patch", f"{portfolio.pk}/members/{part.pk}", body).status_code == 400
    assert ask("delete", f"{portfolio.pk}/members/{part.pk}", {name: "x"}).status_code == 400
    assert Membership.objects.filter(pk=part.pk).values().get() == before


def test_everybody_reads_what_their_role_can_do(portfolio: Portfolio, ask: Any) -> None:
    told = ask("get", f"{portfolio.pk}/permissions").json()
    assert told["role"] == "owner"
    assert set(told["actions"]) == set(PERMISSIONS)
    [trade] = [each for each in told["results"] if each["action"] == "trade"]
    assert (trade["editor"], trade["viewer"], trade["staff"]) == ("if allowed to trade", "no", "no")


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
