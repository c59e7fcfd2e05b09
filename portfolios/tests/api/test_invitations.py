"""Invitations: sent, sent again, withdrawn, accepted, declined, and what they tell nobody."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.idempotency import IdempotencyKey
from etftrader.core.records import AuditEvent
from marketdata.models import Instrument
from portfolios.models import Invitation, Membership, Portfolio, User
from portfolios.selectors import access
from portfolios.services import invitations, memberships, signing
from portfolios.services import portfolios as books
from portfolios.tests.factories import MONDAY, make_portfolio, make_user, opening

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.api.urls")]
VIEW = {"email": "friend@example.com", "role": "viewer"}
DAY = timedelta(days=1)


@pytest.fixture
def portfolio(settings: Any) -> Portfolio:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    return make_portfolio(name="Core")


def ask(user: User, method: str, path: str, body: Any = None, **more: str) -> Any:
    client = Client()
    client.force_login(user)
    sent = {} if body is None else body
    given = {} if method == "get" else {"data": sent, "content_type": "application/json"}
    return getattr(client, method)(f"/api/v1/{path}", **given, **more)


def invite(portfolio: Portfolio, body: dict[str, Any] = VIEW, **more: str) -> Any:
    return ask(make_user(), "post", f"portfolios/{portfolio.pk}/invitations", body, **more)


def offer(portfolio: Portfolio, **fields: Any) -> Invitation:
    said = {"email": "friend@example.com", "role": "viewer", **fields}
    by = Actor.of_user(make_user())
    return invitations.invite(portfolio_id=portfolio.pk, by=by, **said)[0]


def later(monkeypatch: Any, span: timedelta) -> None:
    moment = clock.now() + span
    monkeypatch.setattr(clock, "now", lambda: moment)


def test_who_is_invited_sees_it_accepts_and_has_the_part(portfolio: Portfolio) -> None:
    friend = make_user("friend@example.com")
    sent = invite(portfolio, {"email": "Friend@Example.com", "role": "editor", "can_trade": True})
    assert (sent.status_code, sent.json()["state"]) == (201, "open")
    assert not access.may(Actor.of_user(friend), portfolio, "view")

    [found] = ask(friend, "get", "invitations").json()["results"]
    assert (found["portfolio_name"], found["invited_by"]) == ("Core", "owner@example.com")
    taken = ask(friend, "post", f"invitations/{found['id']}/accept")

    assert (taken.status_code, taken.json()["role"]) == (200, "editor")
    assert access.may(Actor.of_user(friend), portfolio, "trade")
    assert ask(friend, "get", "invitations").json()["results"] == []
    again = ask(friend, "post", f"invitations/{found['id']}/accept")
    assert (again.status_code, again.json()["state"]) == (409, "accepted")
    lines = AuditEvent.objects.filter(chain=str(portfolio.pk), action__contains="i")
    assert [line.action for line in lines.order_by("seq")][-2:] == [
        "invitation.sent",
        "membership.accepted",
    ]
    assert audit.verify() == []


def test_the_link_is_told_once_and_kept_nowhere(portfolio: Portfolio) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "one-invitation"}
    first, again = invite(portfolio, **key), invite(portfolio, **key)
    link = first.json()["link"]
    token = link.rstrip("/").rpartition("/")[2]
    row = Invitation.objects.get()

    assert row.hash == signing.hashed(token)
    assert (again.json()["link"], again.json()["reasons"]) == (None, {"link": "shown_once"})
    kept = str(list(Invitation.objects.values())) + str(list(IdempotencyKey.objects.values()))
    assert token not in kept + str(list(AuditEvent.objects.values()))
    listed = ask(make_user(), "get", f"portfolios/{portfolio.pk}/invitations").json()["results"]
    assert "link" not in listed[0]


def test_it_goes_out_by_mail_where_there_is_a_server(portfolio: Portfolio, settings: Any) -> None:
    settings.EMAIL_URL = "smtp://mail.example.com"
    told = invite(portfolio, VIEW | {"message": "Have a look."}).json()
    [letter] = mail.outbox
    assert (told["link"], told["reasons"]) == (None, {"link": "sent_by_mail"})
    assert letter.to == ["friend@example.com"]
    assert "Have a look." in letter.body
    token = letter.body.split("/invitations/open/")[1].split("/")[0]
    assert Invitation.objects.get().hash == signing.hashed(token)


def test_an_address_with_an_account_and_one_without_are_answered_alike(
    portfolio: Portfolio,
) -> None:
    make_user("known1@example.com")
    invite(portfolio, VIEW)  # what a process keeps is warm
    told = []
    for address in ("known1@example.com", "absent@example.com"):
        with CaptureQueriesContext(connection) as queries:
            answer = invite(portfolio, {"email": address, "role": "viewer"})
        differs = ("id", "url", "email", "link", "sent_at", "expires_at", "created_at")
        rest = {name: value for name, value in answer.json().items() if name not in differs}
        told.append((answer.status_code, rest, len(queries)))
    assert told[0] == told[1]


def test_it_waits_for_an_address_nobody_has_yet(portfolio: Portfolio) -> None:
    offer(portfolio, email="later@example.com")
    newcomer = make_user("later@example.com")
    [found] = ask(newcomer, "get", "invitations").json()["results"]
    assert ask(newcomer, "post", f"invitations/{found['id']}/accept").status_code == 200


def test_where_anybody_may_register_a_younger_account_needs_the_link(
    portfolio: Portfolio, settings: Any
) -> None:
    settings.REGISTRATION_OPEN = True
    by = Actor.of_user(make_user())
    row, token = invitations.invite(
        portfolio_id=portfolio.pk, email="later@example.com", role="viewer", by=by
    )
    newcomer = make_user("later@example.com")
    path = f"invitations/{row.pk}/accept"
    assert ask(newcomer, "post", path).status_code == 403
    assert ask(newcomer, "post", path, {"token": "x" * 40}).status_code == 403
    assert ask(newcomer, "post", path, {"token": token}).status_code == 200


@pytest.mark.parametrize("act", ["accept", "decline"])
def test_nobody_answers_what_is_offered_to_another(portfolio: Portfolio, act: str) -> None:
    row = offer(portfolio)
    for who in ("owner@example.com", "stranger@example.com"):
        assert ask(make_user(who), "post", f"invitations/{row.pk}/{act}").status_code == 404
    row.refresh_from_db()
    assert row.state == "open"


def test_what_is_declined_or_withdrawn_is_over(portfolio: Portfolio) -> None:
    friend = make_user("friend@example.com")
    row = offer(portfolio)
    assert ask(friend, "post", f"invitations/{row.pk}/decline").status_code == 204
    row = offer(portfolio)
    path = f"portfolios/{portfolio.pk}/invitations/{row.pk}"
    assert ask(make_user(), "delete", path, HTTP_IF_MATCH='"v7"').status_code == 412
    assert ask(make_user(), "delete", path, HTTP_IF_MATCH='"v1"').status_code == 204
    assert ask(make_user(), "delete", path).status_code == 409
    refused = ask(friend, "post", f"invitations/{row.pk}/accept")
    assert (refused.status_code, refused.json()["state"]) == (409, "withdrawn")
    assert not access.may(Actor.of_user(friend), portfolio, "view")


def test_after_seven_days_it_has_expired_and_can_be_sent_again(
    portfolio: Portfolio, monkeypatch: Any
) -> None:
    friend, row = make_user("friend@example.com"), offer(portfolio)
    before = row.hash
    later(monkeypatch, timedelta(days=7, seconds=1))
    assert ask(friend, "get", "invitations").json()["results"] == []
    refused = ask(friend, "post", f"invitations/{row.pk}/accept")
    assert (refused.status_code, refused.json()["code"]) == (409, "invitation_expired")

    path = f"portfolios/{portfolio.pk}/invitations/{row.pk}/resend"
    again = ask(make_user(), "post", path)

    assert (again.status_code, again.json()["state"]) == (200, "open")
    row.refresh_from_db()
    assert row.hash != before
    assert ask(friend, "post", f"invitations/{row.pk}/accept").status_code == 200


def test_an_address_has_one_open_invitation_and_no_second_part(
    portfolio: Portfolio, monkeypatch: Any
) -> None:
    row = offer(portfolio)
    assert invite(portfolio).status_code == 409
    assert invite(portfolio, {"email": "OWNER@example.com", "role": "viewer"}).status_code == 409
    later(monkeypatch, timedelta(days=8))
    assert invite(portfolio).status_code == 201
    row.refresh_from_db()
    assert row.state == "withdrawn"


def test_twenty_go_out_in_a_day_sent_again_or_not(portfolio: Portfolio, monkeypatch: Any) -> None:
    row = offer(portfolio)
    by = Actor.of_user(make_user())
    for _ in range(4):
        invitations.send_again(portfolio_id=portfolio.pk, invitation_id=row.pk, by=by)
    second = make_portfolio(name="Second")
    for number in range(15):
        offer(second, email=f"p{number}@example.com")
    full = invite(portfolio, {"email": "more@example.com", "role": "viewer"})
    assert (full.status_code, full.json()["code"]) == (429, "throttled")
    assert 86_000 < int(full["Retry-After"]) <= 86_400
    path = f"portfolios/{portfolio.pk}/invitations/{row.pk}/resend"
    assert ask(make_user(), "post", path).status_code == 429
    later(monkeypatch, DAY + timedelta(seconds=1))
    assert invite(portfolio, {"email": "more@example.com", "role": "viewer"}).status_code == 201


def test_ownership_changes_when_it_is_accepted_and_not_before(portfolio: Portfolio) -> None:
    giver, taker = make_user(), make_user("friend@example.com")
    row = offer(portfolio, role="owner")
    assert access.may(Actor.of_user(giver), portfolio, "share")
    Membership.objects.create(portfolio=portfolio, user=taker, role="viewer")

    assert ask(taker, "post", f"invitations/{row.pk}/accept").json()["role"] == "owner"

    parts = {each.user_id: each for each in memberships.of_portfolio(portfolio_id=portfolio.pk)}
    assert (parts[taker.pk].role, parts[giver.pk].role) == ("owner", "editor")
    assert parts[giver.pk].can_trade
    portfolio.refresh_from_db()
    assert portfolio.account.customer.user == taker
    assert not access.may(Actor.of_user(giver), portfolio, "share")
    line = AuditEvent.objects.get(action="portfolio.handed_over")
    assert (line.before["user"], line.after["user"]) == (str(giver.pk), str(taker.pk))


def test_what_cannot_be_owned_is_not_taken(portfolio: Portfolio) -> None:
    taker = make_user("friend@example.com")
    row = offer(portfolio, role="owner")
    accept = f"invitations/{row.pk}/accept"
    make_portfolio(owner=taker, name="core")
    assert "Rename" in ask(taker, "post", accept).json()["detail"]
    Portfolio.objects.filter(name="core").update(name="Mine")
    taker.groups.set(Group.objects.filter(name="Viewer"))
    assert "only read" in ask(taker, "post", accept).json()["detail"]
    taker.groups.set(Group.objects.filter(name="Trader"))
    private = Instrument.objects.create(
        symbol="PRIV", name="Private", kind="private_fund", owner_id=make_user().pk
    )
    opening(portfolio, private, 1, 10, session_date=MONDAY)
    assert "values" in ask(taker, "post", accept).json()["detail"]
    portfolio.refresh_from_db()
    assert portfolio.account.customer.user == make_user()
    row.refresh_from_db()
    assert row.state == "open"


def test_nobody_hands_over_what_they_own_no_more(portfolio: Portfolio) -> None:
    first, second = make_user("friend@example.com"), make_user("second@example.com")
    row = offer(portfolio, role="owner")
    other = offer(portfolio, role="owner", email=second.email)
    assert ask(first, "post", f"invitations/{row.pk}/accept").status_code == 200
    refused = ask(second, "post", f"invitations/{other.pk}/accept")
    assert (refused.status_code, refused.json()["state"]) == (409, "withdrawn")
    owners = Membership.objects.filter(portfolio=portfolio, role="owner", revoked_at=None)
    assert [each.user for each in owners] == [first]


def test_a_closed_portfolio_is_shared_with_nobody_new(portfolio: Portfolio) -> None:
    row = offer(portfolio)
    books.close(portfolio_id=portfolio.pk, by=Actor.of_user(make_user()))
    assert invite(portfolio, {"email": "x@example.com", "role": "viewer"}).status_code == 409
    friend = make_user("friend@example.com")
    with pytest.raises(Conflict):
        invitations.accept(invitation_id=row.pk, by=Actor.of_user(friend))


@pytest.mark.parametrize(
    ("body", "attr"),
    [
        ({"email": "no address", "role": "viewer"}, "email"),
        ({"email": "a@example.com", "role": "admin"}, "role"),
        ({"email": "a@example.com", "role": "viewer", "can_trade": True}, "can_trade"),
        ({"email": "a@example.com", "role": "viewer", "message": "x" * 501}, "message"),
        *(
            ({"email": "a@example.com", "role": "viewer", name: "open"}, name)
            for name in ("state", "hash", "portfolio", "invited_by", "expires_at", "version")
        ),
    ],
)
def test_a_bad_invitation_names_its_field(
    portfolio: Portfolio, body: dict[str, Any], attr: str
) -> None:
    answer = invite(portfolio, body)
    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, attr)
    assert not Invitation.objects.exists()
