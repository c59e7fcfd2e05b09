"""Signing in by browser, and the pages of a person's own settings."""

import copy
import time
from typing import Any

import pytest
from django.test import Client

from etftrader.core.actor import Actor, system
from portfolios.models import ApiToken, TokenFamily, User, UserPreference
from portfolios.services import accounts, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.api.urls")]
PASSWORD = "correct-horse-battery"


@pytest.fixture(autouse=True)
def _roomy(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    # the frame around a page reads the market; these pages stand without it
    templates = copy.deepcopy(settings.TEMPLATES)
    around = templates[0]["OPTIONS"]["context_processors"]
    templates[0]["OPTIONS"]["context_processors"] = [n for n in around if "shell" not in n]
    settings.TEMPLATES = templates


@pytest.fixture
def user() -> User:
    return accounts.create_user(email="ann@example.com", password=PASSWORD, by=system("tests"))


def sign_in(password: str = PASSWORD, **extra: str) -> tuple[Client, Any]:
    browser = Client()
    answer = browser.post("/login/", {"username": "Ann@Example.com", "password": password, **extra})
    return browser, answer


def is_in(browser: Client) -> bool:
    return browser.get("/").content == b"ann@example.com"


def test_a_sign_in_leads_to_the_page_that_was_asked_for(user: User) -> None:
    browser, answer = sign_in(next="/settings/")
    assert (answer.status_code, answer["Location"]) == (302, "/settings/")
    assert is_in(browser)


@pytest.mark.parametrize(
    "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)"]
)
def test_a_sign_in_never_leads_away(user: User, wanted: str) -> None:
    assert sign_in(next=wanted)[1]["Location"] == "/"


def test_unknown_people_and_wrong_passwords_read_the_same_sentence(user: User) -> None:
    pages = []
    for name in ("ann@example.com", "bob@example.com"):
        answer = Client().post("/login/", {"username": name, "password": "wrong"})
        assert answer.status_code == 422
        pages.append(
            answer.content.decode().replace(name, "").count("Address or password is wrong.")
        )
    assert pages == [1, 1]


def test_passwords_of_the_demo_show_only_where_the_launcher_says_so(
    user: User, settings: Any
) -> None:
    User.objects.update(is_demo=True)
    settings.DEMO_URL_NOTE, settings.DEMO_PASSWORD = False, "the-demo-password"
    assert b"the-demo-password" not in Client().get("/login/").content
    settings.DEMO_URL_NOTE = True
    assert b"the-demo-password" in Client().get("/login/").content


def test_signing_out_takes_a_post_and_ends_the_sign_in(user: User) -> None:
    browser, _ = sign_in()
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/").status_code == 302
    assert not is_in(browser)
    assert TokenFamily.objects.get().revoked_at is not None


def test_a_password_change_ends_other_browsers_and_keeps_this_one(user: User) -> None:
    here, there = sign_in()[0], sign_in()[0]
    answer = here.post(
        "/password_change/",
        {"old_password": PASSWORD, "new_password": "another-long-one", "again": "another-long-one"},
    )
    assert answer.status_code == 303
    assert (is_in(here), is_in(there)) == (True, False)


def test_two_different_new_passwords_change_nothing(user: User) -> None:
    browser, _ = sign_in()
    body = {
        "old_password": PASSWORD,
        "new_password": "another-long-one",
        "again": "a-typing-error-1",
    }
    answer = browser.post("/password_change/", body)
    assert answer.status_code == 422
    assert b"differ" in answer.content
    assert User.objects.get().check_password(PASSWORD)


def test_a_session_ends_when_its_sign_in_is_ended_elsewhere(user: User) -> None:
    here, there = sign_in()[0], sign_in()[0]
    newest = tokens.sign_ins(user_id=user.pk)[0]
    assert here.post(f"/settings/sessions/{newest.pk}/end/").status_code == 303
    assert (is_in(here), is_in(there)) == (True, False)


def test_signing_out_everywhere_ends_this_browser_too(user: User) -> None:
    here, there = sign_in()[0], sign_in()[0]
    assert here.post("/settings/sessions/").status_code == 303
    assert (is_in(here), is_in(there)) == (False, False)


def test_a_session_ends_twelve_hours_after_its_sign_in(user: User) -> None:
    browser, _ = sign_in()
    session = browser.session
    session["began"] = time.time() - 12 * 3600 - 1
    session.save()
    assert not is_in(browser)


def test_a_session_made_elsewhere_is_marked_and_then_follows_the_rules(user: User) -> None:
    browser = Client()
    browser.force_login(user)
    assert is_in(browser)
    accounts.end_everywhere(user_id=user.pk, by=system("tests"))
    assert not is_in(browser)


def test_a_stranger_is_sent_to_the_sign_in() -> None:
    for page in ("/settings/", "/settings/tokens/", "/settings/sessions/", "/password_change/"):
        answer = Client().get(page)
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next={page}")


def test_the_profile_is_kept(user: User) -> None:
    browser, _ = sign_in()
    assert browser.get("/settings/").status_code == 200
    assert browser.post("/settings/", {"name": "Ann Lee"}).status_code == 303
    assert User.objects.get().name == "Ann Lee"
    assert UserPreference.objects.get().notifications_enabled is False


def test_a_token_is_shown_once_with_a_call_to_paste(user: User) -> None:
    browser, _ = sign_in()
    made = browser.post("/settings/tokens/", {"name": "nb", "scopes": ["read"], "life": "90"})
    # a page that answers the POST would make a second token when it is reloaded
    assert (made.status_code, made["Location"]) == (303, "/settings/tokens/")
    page = browser.get("/settings/tokens/").content.decode()
    row = ApiToken.objects.get()
    text = page.split("Authorization: Token ")[1].split("&quot;")[0]
    assert text.startswith(row.prefix)
    assert tokens.user_of_token(token=text)
    assert text not in browser.get("/settings/tokens/").content.decode()
    assert text not in str(dict(browser.session))


def test_a_token_nobody_came_for_is_not_shown_later(user: User) -> None:
    browser, _ = sign_in()
    browser.post("/settings/tokens/", {"name": "nb", "scopes": ["read"], "life": "90"})
    session = browser.session
    session["made_token"] |= {"at": session["made_token"]["at"] - 121}
    session.save()

    page = browser.get("/settings/tokens/")

    assert "created" not in page.context
    assert "made_token" not in browser.session


def test_a_token_is_revoked_by_its_owner_only(user: User) -> None:
    row, _ = tokens.create_personal(user=user, name="nb", scopes=["read"], by=Actor.of_user(user))
    bob = accounts.create_user(email="bob@example.com", password=PASSWORD, by=system("tests"))
    other = Client()
    other.force_login(bob)
    assert other.post(f"/settings/tokens/{row.pk}/revoke/").status_code == 404
    browser, _ = sign_in()
    assert browser.post(f"/settings/tokens/{row.pk}/revoke/").status_code == 303
    assert ApiToken.objects.get().revoked_at is not None


def test_forms_without_their_csrf_token_are_refused(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    body = {"username": "ann@example.com", "password": PASSWORD}
    assert browser.post("/login/", body).status_code == 403
