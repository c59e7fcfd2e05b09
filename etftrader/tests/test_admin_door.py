"""The admin's door: no sign-in of its own, so that its tries are counted like any other."""

from typing import Any

import pytest
from django.test import Client

from etftrader.core.actor import system
from etftrader.core.records import AuditEvent
from portfolios.models import TokenFamily, User
from portfolios.services import accounts, tokens

pytestmark = pytest.mark.django_db
PASSWORD = "correct-horse-battery"


@pytest.fixture
def staff() -> User:
    return accounts.create_user(
        email="s@example.com", password=PASSWORD, by=system("tests"), groups=(), is_staff=True
    )


def sign_in(browser: Client, email: str, next_page: str, password: str = PASSWORD) -> Any:
    return browser.post("/login/", {"username": email, "password": password, "next": next_page})


@pytest.mark.parametrize("wanted", ["/admin/", "/admin/portfolios/user/?q=a&o=1"])
def test_the_admin_sends_to_the_sign_in_page_and_that_leads_back(staff: User, wanted: str) -> None:
    browser = Client()

    page = browser.get(wanted, follow=True)

    assert [status for _, status in page.redirect_chain] == [302, 302]
    assert page.redirect_chain[-1][0].startswith("/login/?next=")
    assert page.context["next"] == wanted
    assert sign_in(browser, staff.email, page.context["next"])["Location"] == wanted
    assert browser.get("/admin/login/")["Location"] == "/admin/"


def test_a_password_shown_to_the_admin_s_address_is_not_looked_at(staff: User) -> None:
    browser = Client()

    answer = browser.post("/admin/login/", {"username": staff.email, "password": PASSWORD})

    assert (answer.status_code, answer["Location"]) == (302, "/login/?next=%2Fadmin%2F")
    assert "_auth_user_id" not in browser.session


def test_guessing_by_the_admin_s_way_in_is_counted(staff: User, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": (2, 60)}

    answers = []
    for _ in range(3):
        page = Client().get("/admin/", follow=True)
        next_page = page.context["next"]
        answers.append(sign_in(Client(), staff.email, next_page, "wrong-password-here"))

    assert [each.status_code for each in answers] == [422, 422, 429]
    assert "Retry-After" in answers[-1]


def test_a_sign_in_leads_away_to_no_other_site(staff: User) -> None:
    browser = Client()
    page = browser.get("/admin/login/?next=//evil.example/", follow=True)

    assert sign_in(browser, staff.email, page.context["next"])["Location"] == "/"


def test_people_without_the_right_are_told_and_not_sent_round(staff: User) -> None:
    person = accounts.create_user(email="p@example.com", password=PASSWORD, by=system("tests"))
    browser = Client()
    browser.force_login(person)

    page = browser.get("/admin/", follow=True)

    assert page.status_code == 403
    assert "Go to the dashboard" in page.content.decode()


def test_signing_out_of_the_admin_takes_the_sign_in_off_the_list(staff: User) -> None:
    browser = Client()
    sign_in(browser, staff.email, "/admin/")
    assert browser.get("/admin/").status_code == 200

    answer = browser.post("/admin/logout/")

    assert answer.status_code == 302
    assert TokenFamily.objects.get().revoked_at is not None
    assert browser.get("/admin/").status_code == 302


def test_a_password_is_changed_on_the_page_that_ends_other_sign_ins(staff: User) -> None:
    browser = Client()
    browser.force_login(staff)

    assert browser.get("/admin/password_change/")["Location"] == "/password_change/"


@pytest.fixture
def root(staff: User) -> Client:
    User.objects.filter(pk=staff.pk).update(is_superuser=True)
    browser = Client()
    browser.force_login(User.objects.get(pk=staff.pk))
    return browser


def test_a_password_set_by_the_admin_ends_programs_and_browsers(root: Client) -> None:
    person = accounts.create_user(email="p@example.com", password=PASSWORD, by=system("tests"))
    pair = tokens.issue(user=person)
    new = "quite-another-secret-7"

    answer = root.post(
        f"/admin/portfolios/user/{person.pk}/password/",
        {"password1": new, "password2": new, "usable_password": "true"},
    )

    assert answer.status_code == 302
    assert tokens.user_of_token(token=pair.access) is None
    assert User.objects.get(pk=person.pk).check_password(new)
    assert AuditEvent.objects.filter(action="sessions.ended", object_id=person.pk).count() == 1


def test_who_was_inactive_for_a_while_has_to_sign_in_again(root: Client) -> None:
    person = accounts.create_user(email="p@example.com", password=PASSWORD, by=system("tests"))
    pair = tokens.issue(user=person)
    page = f"/admin/portfolios/user/{person.pk}/change/"
    fields = {"email": person.email, "name": "", "groups": []}

    off = root.post(page, fields)
    on = root.post(page, fields | {"is_active": "on"})

    assert (off.status_code, on.status_code) == (302, 302)
    assert User.objects.get(pk=person.pk).is_active
    assert tokens.user_of_token(token=pair.access) is None
