"""The pages of sharing: for the owner, for a member, for whoever is invited."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core import mail
from django.test import Client

from etftrader.core.actor import Actor
from portfolios.models import Invitation, Membership, Portfolio, User
from portfolios.selectors import access
from portfolios.services import invitations
from portfolios.tests.factories import make_clock, make_portfolio, make_user

pytestmark = pytest.mark.django_db
KEY = {"idempotency_key": "a-key-of-the-form"}
WHO = "friend@example.com"


@pytest.fixture
def portfolio() -> Portfolio:
    make_clock()
    return make_portfolio(name="Core")


def browser(user: User | None = None) -> Client:
    client = Client()
    client.force_login(user or make_user())
    return client


def page(portfolio: Portfolio, tail: str = "") -> str:
    return f"/portfolios/{portfolio.pk}/sharing/{tail}"


def member(portfolio: Portfolio, role: str = "viewer", email: str = WHO) -> Membership:
    return Membership.objects.create(portfolio=portfolio, user=make_user(email), role=role)


def offer(portfolio: Portfolio, role: str = "viewer") -> tuple[Invitation, str]:
    by = Actor.of_user(make_user())
    return invitations.invite(portfolio_id=portfolio.pk, email=WHO, role=role, by=by)


def test_an_invitation_is_made_once_and_its_link_shown_once(portfolio: Portfolio) -> None:
    client = browser()
    body = {"email": WHO, "part": "trader", "message": "Look", **KEY}
    first = client.post(page(portfolio), body)
    assert (first.status_code, first["Location"]) == (303, page(portfolio))

    shown = client.get(page(portfolio)).content.decode()
    [link] = re.findall(r"http://testserver(/invitations/open/[^/]+/)", shown)
    assert link not in client.get(page(portfolio)).content.decode()
    assert client.post(page(portfolio), body).status_code == 303
    row = Invitation.objects.get()
    assert (row.role, row.can_trade) == ("editor", True)

    guest = browser(make_user(WHO))
    opened = guest.get(link)
    assert (opened.status_code, opened["Location"]) == (303, f"/invitations/{row.pk}/")
    told = guest.get(opened["Location"]).content.decode()
    assert "Editor, may trade" in told
    assert guest.post(opened["Location"], {"answer": "accept"}).status_code == 303
    assert access.may(Actor.of_user(make_user(WHO)), portfolio, "trade")


def test_with_a_mail_server_no_link_is_shown(portfolio: Portfolio, settings: Any) -> None:
    settings.EMAIL_URL = "smtp://mail.example.com"
    client = browser()
    client.post(page(portfolio), {"email": WHO, "part": "viewer", **KEY})
    shown = client.get(page(portfolio)).content.decode()
    assert len(mail.outbox) == 1
    assert "An invitation went to friend@example.com." in shown
    assert "/invitations/open/" not in shown


def test_a_link_tells_nobody_else_anything(portfolio: Portfolio) -> None:
    row, token = offer(portfolio)
    stranger = browser(make_user("stranger@example.com"))
    answers = [
        stranger.get(path)
        for path in (f"/invitations/open/{token}/", f"/invitations/open/{'x' * 43}/")
    ]
    assert [each.status_code for each in answers] == [404, 404]
    assert stranger.get(f"/invitations/{row.pk}/").status_code == 404
    assert "login" in Client().get(f"/invitations/open/{token}/")["Location"]


@pytest.mark.parametrize("path", ["/", "/portfolios/"])
def test_who_is_invited_finds_it_on_their_own_pages(portfolio: Portfolio, path: str) -> None:
    row, _ = offer(portfolio)
    assert f"/invitations/{row.pk}/" in browser(make_user(WHO)).get(path).content.decode()
    assert f"/invitations/{row.pk}/" not in browser().get(path).content.decode()


def test_declining_ends_it(portfolio: Portfolio) -> None:
    row, _ = offer(portfolio)
    client = browser(make_user(WHO))
    assert client.post(f"/invitations/{row.pk}/", {"answer": "decline"}).status_code == 303
    assert client.get(f"/invitations/{row.pk}/").status_code == 404


def test_where_anybody_may_register_the_page_asks_for_the_link(
    portfolio: Portfolio, settings: Any
) -> None:
    settings.REGISTRATION_OPEN = True
    row, token = offer(portfolio)
    client, path = browser(make_user(WHO)), f"/invitations/{row.pk}/"
    assert b'value="accept"' not in client.get(path).content
    client.get(f"/invitations/open/{token}/")
    assert b'value="accept"' in client.get(path).content
    assert client.post(path, {"answer": "accept"}).status_code == 303


def test_the_owner_changes_and_ends_a_part(portfolio: Portfolio) -> None:
    part, client = member(portfolio), browser()
    change = page(portfolio, f"members/{part.pk}/")
    assert client.post(change, {"part": "trader", "version": 1}).status_code == 303
    part.refresh_from_db()
    assert (part.role, part.can_trade) == ("editor", True)
    stale = client.post(change, {"part": "viewer", "version": 1})
    assert stale.status_code == 422
    assert "It was changed meanwhile." in stale.content.decode()
    assert client.post(f"{change}end/", {"version": 2}).status_code == 303
    assert not access.may(Actor.of_user(part.user), portfolio, "view")
    assert browser(part.user).get(page(portfolio)).status_code == 404


def test_the_owner_withdraws_and_sends_again(portfolio: Portfolio) -> None:
    row, token = offer(portfolio)
    client, tail = browser(), f"invitations/{row.pk}/"
    assert client.post(page(portfolio, f"{tail}send-again/")).status_code == 303
    assert "/invitations/open/" in client.get(page(portfolio)).content.decode()
    guest = browser(make_user(WHO))
    assert guest.get(f"/invitations/open/{token}/").status_code == 404
    assert client.post(page(portfolio, f"{tail}withdraw/"), {"version": 1}).status_code == 422
    assert client.post(page(portfolio, f"{tail}withdraw/"), {"version": 2}).status_code == 303
    assert guest.get(f"/invitations/{row.pk}/").status_code == 404


def test_handing_over_asks_for_the_name(portfolio: Portfolio) -> None:
    client, path = browser(), page(portfolio, "hand-over/")
    wrong = client.post(path, {"email": WHO, "confirm": "core", **KEY})
    assert wrong.status_code == 422
    assert "Type the name exactly" in wrong.content.decode()
    assert client.post(path, {"email": WHO, "confirm": "Core", **KEY}).status_code == 303
    taker = browser(make_user(WHO))
    row = Invitation.objects.get()
    assert b"Take it over" in taker.get(f"/invitations/{row.pk}/").content
    assert taker.post(f"/invitations/{row.pk}/", {"answer": "accept"}).status_code == 303
    owners = Membership.objects.filter(portfolio=portfolio, role="owner")
    assert [each.user.email for each in owners] == [WHO]


def test_a_viewer_reads_the_table_and_leaves(portfolio: Portfolio) -> None:
    part = member(portfolio)
    client = browser(part.user)
    shown = client.get(page(portfolio)).content.decode()
    assert "What each role can do" in shown
    assert "owner@example.com" not in shown
    for word in ("hand-over", "invitations/", "members/"):
        assert f"/sharing/{word}" not in shown
    left = client.post(page(portfolio, "leave/"))
    assert (left.status_code, left["Location"]) == (303, "/portfolios/")
    assert client.get(page(portfolio)).status_code == 404


def test_an_auditor_sees_members_and_no_control(portfolio: Portfolio) -> None:
    staff = make_user("auditor@example.com", is_staff=True)
    staff.groups.set(Group.objects.filter(name="Auditor"))
    member(portfolio)
    offer_row = invitations.invite(
        portfolio_id=portfolio.pk,
        email="x@example.com",
        role="viewer",
        by=Actor.of_user(make_user()),
    )[0]
    shown = browser(staff).get(page(portfolio)).content.decode()
    assert WHO in shown
    assert offer_row.email in shown
    assert f'action="{page(portfolio)}' not in shown


def test_any_number_of_members_takes_the_same_few_queries(
    portfolio: Portfolio, django_assert_max_num_queries: Any
) -> None:
    for number in range(8):
        member(portfolio, email=f"m{number}@example.com")
    offer(portfolio)
    client = browser()
    client.get(page(portfolio))
    with django_assert_max_num_queries(16):
        client.get(page(portfolio))
