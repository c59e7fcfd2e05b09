"""Signing in, staying in and being put out, as programs see it (T-25 by hand)."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.test import Client
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from etftrader.core import clock
from etftrader.core.actor import Actor, system
from etftrader.core.records import IdempotencyKey
from portfolios.models import ApiToken, TokenFamily, User
from portfolios.selectors import access
from portfolios.services import accounts, registration, tokens

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.api.urls")]
PASSWORD = "correct-horse-battery"
BY = system("tests")


@pytest.fixture(autouse=True)
def _roomy(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))


@pytest.fixture
def user() -> User:
    return accounts.create_user(email="Ann@Example.com", password=PASSWORD, name="Ann", by=BY)


def post(path: str, body: Any = None, token: str = "", **extra: Any) -> Any:
    headers = {"HTTP_AUTHORIZATION": token} if token else {}
    return Client().post(f"/api/v1{path}", body, "application/json", **headers, **extra)


def get(path: str, token: str = "") -> Any:
    return (
        Client().get(f"/api/v1{path}", HTTP_AUTHORIZATION=token)
        if token
        else Client().get(f"/api/v1{path}")
    )


def sign_in() -> dict[str, Any]:
    answer = post("/auth/login", {"email": "ann@example.com", "password": PASSWORD})
    assert answer.status_code == 200, answer.content
    return answer.json()


def me(access: str) -> int:
    return get("/auth/me", f"Bearer {access}").status_code


def test_a_sign_in_gives_a_pair_that_opens_the_api(user: User) -> None:
    pair = sign_in()
    answer = get("/auth/me", f"Bearer {pair['access']}")
    assert answer.status_code == 200
    assert answer.json()["email"] == "ann@example.com"
    assert answer.json()["groups"] == ["Trader"]
    assert 890 <= pair["expires_in"] <= 900


def test_unknown_users_and_wrong_passwords_get_the_same_answer(user: User) -> None:
    known = post("/auth/login", {"email": "ann@example.com", "password": "wrong-password"})
    unknown = post("/auth/login", {"email": "bob@example.com", "password": "wrong-password"})
    assert known.status_code == unknown.status_code == 401
    assert known["WWW-Authenticate"]
    assert known["Content-Type"] == "application/problem+json"
    left, right = known.json(), unknown.json()
    assert left.pop("request_id") != right.pop("request_id")
    assert left == right


def test_a_refresh_gives_a_new_pair_and_the_old_token_ends_the_family(user: User) -> None:
    first = sign_in()
    second = post("/auth/refresh", {"refresh": first["refresh"]})
    assert second.status_code == 200
    again = post("/auth/refresh", {"refresh": first["refresh"]})
    assert again.status_code == 401
    # reuse: somebody has a copy, so what the honest one received ends too
    after = post("/auth/refresh", {"refresh": second.json()["refresh"]})
    assert after.status_code == 401
    assert me(second.json()["access"]) == 401


def test_the_database_keeps_no_token(user: User) -> None:
    pair = sign_in()
    kept = OutstandingToken.objects.get()
    assert pair["refresh"] not in kept.token
    assert len(kept.token) == 64


def test_a_password_change_ends_access_and_refresh_tokens(user: User) -> None:
    old = sign_in()
    answer = post(
        "/auth/change-password",
        {"old_password": PASSWORD, "new_password": "another-long-password"},
        f"Bearer {old['access']}",
    )
    assert answer.status_code == 200
    assert me(old["access"]) == 401
    assert post("/auth/refresh", {"refresh": old["refresh"]}).status_code == 401
    assert me(answer.json()["access"]) == 200


def test_weak_and_wrong_passwords_are_refused_with_their_field(user: User) -> None:
    token = f"Bearer {sign_in()['access']}"
    short = post(
        "/auth/change-password", {"old_password": PASSWORD, "new_password": "short"}, token
    )
    assert (short.status_code, short.json()["errors"][0]["attr"]) == (400, "new_password")
    wrong = post(
        "/auth/change-password",
        {"old_password": "nope-nope-nope", "new_password": "another-long-password"},
        token,
    )
    assert (wrong.status_code, wrong.json()["errors"][0]["attr"]) == (400, "old_password")


def test_signing_out_ends_this_sign_in_and_no_other(user: User) -> None:
    here, there = sign_in(), sign_in()
    assert post("/auth/logout", {}, f"Bearer {here['access']}").status_code == 204
    assert me(here["access"]) == 401
    assert post("/auth/refresh", {"refresh": here["refresh"]}).status_code == 401
    assert me(there["access"]) == 200


def test_signing_out_everywhere_ends_all(user: User) -> None:
    here, there = sign_in(), sign_in()
    post("/auth/logout", {"everywhere": True}, f"Bearer {here['access']}")
    assert (me(here["access"]), me(there["access"])) == (401, 401)


def test_a_deactivated_user_is_out_at_the_next_request(user: User) -> None:
    pair = sign_in()
    accounts.deactivate(user_id=user.pk, reason="left", by=BY)
    assert me(pair["access"]) == 401
    assert post("/auth/refresh", {"refresh": pair["refresh"]}).status_code == 401
    assert (
        post("/auth/login", {"email": "ann@example.com", "password": PASSWORD}).status_code == 401
    )


def test_a_deleted_user_gets_401_and_never_a_fault() -> None:
    gone = User.objects.create_user("gone@example.com", PASSWORD)
    pair = tokens.issue(user=gone)
    gone.delete()
    assert me(pair.access) == 401
    assert post("/auth/refresh", {"refresh": pair.refresh}).status_code == 401


def _claims(user: User) -> dict[str, Any]:
    family = TokenFamily.objects.create(user=user, expires_at=clock.now() + timedelta(days=1))
    now = clock.now()
    return {
        "sub": str(user.pk),
        "fam": str(family.pk),
        "sv": user.session_version,
        "typ": "access",
        "aud": "etftrader-api",
        "iss": "etftrader",
        "jti": "a" * 32,
        "iat": now,
        "exp": now + timedelta(minutes=5),
    }


def _signed(
    claims: dict[str, Any], *, key: str = "", kid: str | None = "k1", algorithm: str = "HS256"
) -> str:
    headers = {"kid": kid} if kid else None
    return jwt.encode(claims, key or settings.JWT_SIGNING_KEYS["k1"], algorithm, headers=headers)


def test_the_forged_tokens_below_are_good_but_for_their_one_fault(user: User) -> None:
    assert me(_signed(_claims(user))) == 200


@pytest.mark.parametrize(
    "change",
    [
        {"typ": "refresh"},
        {"typ": None},
        {"aud": "elsewhere"},
        {"iss": "elsewhere"},
        {"sv": 99},
        {"fam": "not-a-uuid"},
        {"sub": "00000000-0000-4000-8000-000000000000"},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"jti": None},
    ],
    ids=str,
)
def test_a_token_with_one_wrong_claim_is_refused(user: User, change: dict[str, Any]) -> None:
    claims = {name: value for name, value in (_claims(user) | change).items() if value is not None}
    assert me(_signed(claims)) == 401


def test_wrong_keys_algorithms_and_unsigned_tokens_are_refused(user: User) -> None:
    claims = _claims(user)
    assert me(_signed(claims, key="x" * 64)) == 401
    assert me(_signed(claims, kid="other")) == 401
    assert me(_signed(claims, kid=None)) == 401
    assert me(_signed(claims, key="y" * 64, algorithm="HS512")) == 401
    assert me(_signed(claims, algorithm="HS512")) == 401
    assert me(jwt.encode(claims, None, "none", headers={"kid": "k1"})) == 401
    assert me("not.a.token") == 401


def test_keys_rotate_without_signing_anybody_out(user: User, settings: Any) -> None:
    old = sign_in()
    settings.JWT_SIGNING_KEYS = {"k2": "n" * 64, **settings.JWT_SIGNING_KEYS}
    new = sign_in()
    assert jwt.get_unverified_header(new["access"])["kid"] == "k2"
    assert (me(old["access"]), me(new["access"])) == (200, 200)
    settings.JWT_SIGNING_KEYS = {"k2": "n" * 64}
    assert (me(old["access"]), me(new["access"])) == (401, 200)


def test_a_personal_token_is_shown_once_and_kept_as_a_hash(user: User) -> None:
    made = post("/auth/tokens", {"name": "nb"}, f"Bearer {sign_in()['access']}")
    assert made.status_code == 201
    text = made.json()["token"]
    row = ApiToken.objects.get()
    assert text.startswith("etf_")
    assert text not in (row.hash, row.prefix)
    listed = get("/auth/tokens", f"Token {text}").json()["results"][0]
    assert "token" not in listed
    assert listed["prefix"] == text[:12]
    assert listed["last_used_at"] is not None


def test_a_personal_token_is_made_once_per_key_and_its_text_is_kept_nowhere(user: User) -> None:
    bearer = f"Bearer {sign_in()['access']}"
    first, again = (
        post("/auth/tokens", {"name": "nb"}, bearer, HTTP_IDEMPOTENCY_KEY="token-key-1")
        for _ in range(2)
    )

    made, told = first.json(), again.json()
    assert (first.status_code, again.status_code) == (201, 201)
    assert first["Location"] == again["Location"] == made["url"]
    assert (made["token"][:4], made["reasons"]) == ("etf_", {})
    assert (told["token"], told["reasons"]) == (None, {"token": "shown_once"})
    assert again["Idempotent-Replayed"] == "true"
    assert told | {"token": made["token"], "reasons": {}} == made
    assert ApiToken.objects.get().prefix == made["prefix"]
    assert made["token"] not in str(IdempotencyKey.objects.values_list("body", "key").get())
    assert get("/auth/me", f"Token {made['token']}").status_code == 200


UNKEPT = {
    "/auth/login": {"email": "ann@example.com", "password": PASSWORD},
    "/auth/refresh": {"refresh": "no token"},
    "/auth/register": {"email": "new@example.com", "password": PASSWORD},
    "/auth/logout": {},
    "/auth/change-password": {"old_password": PASSWORD, "new_password": "another-long-password"},
    "/ws-tickets": {},
}


@pytest.mark.parametrize("path", UNKEPT)
def test_a_malformed_key_is_refused_where_secrets_are_answered(
    user: User, settings: Any, path: str
) -> None:
    settings.REGISTRATION_OPEN = True
    bearer = f"Bearer {sign_in()['access']}"

    answer = post(path, UNKEPT[path], bearer, HTTP_IDEMPOTENCY_KEY="a b")

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "Idempotency-Key")
    assert me(bearer.removeprefix("Bearer ")) == 200  # nothing was done
    assert (User.objects.count(), TokenFamily.objects.count()) == (1, 1)


def test_scopes_narrow_what_the_owner_may(user: User) -> None:
    _, text = tokens.create_personal(user=user, name="r", scopes=["read"], by=Actor.of_user(user))
    refused = post("/auth/tokens", {"name": "more"}, f"Token {text}")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_revoked_and_expired_tokens_are_refused(user: User) -> None:
    by = Actor.of_user(user)
    row, text = tokens.create_personal(user=user, name="a", scopes=["read"], by=by)
    assert get("/auth/me", f"Token {text}").status_code == 200
    ApiToken.objects.update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    assert get("/auth/me", f"Token {text}").status_code == 401
    ApiToken.objects.update(expires_at=None)
    tokens.revoke_personal(token_id=row.pk, by=by)
    assert get("/auth/me", f"Token {text}").status_code == 401


def test_registration_is_closed_by_default() -> None:
    answer = post("/auth/register", {"email": "new@example.com", "password": PASSWORD})
    assert (answer.status_code, answer.json()["code"]) == (403, "registration_closed")
    assert not User.objects.exists()


def test_open_registration_makes_everything_needed_to_begin(settings: Any) -> None:
    settings.REGISTRATION_OPEN = True
    user = registration.register(
        email="new@example.com", password=PASSWORD, name="New", session_date=date(2016, 6, 22)
    )
    portfolio = access.default_portfolio(Actor.of_user(user))
    assert portfolio.account.customer.user == user
    assert portfolio.is_paper
    weak = post("/auth/register", {"email": "weak@example.com", "password": "password"})
    assert (weak.status_code, weak.json()["errors"][0]["attr"]) == (400, "password")
    assert User.objects.count() == 1


def test_a_ticket_opens_one_socket(user: User) -> None:
    ticket = post("/ws-tickets", None, f"Bearer {sign_in()['access']}").json()["ticket"]
    assert tokens.redeem_ticket(ticket=ticket) == user.pk
    assert tokens.redeem_ticket(ticket=ticket) is None


def test_activity_shows_only_the_callers_own_lines(user: User) -> None:
    other = accounts.create_user(email="bob@example.com", password=PASSWORD, by=BY)
    for person in (user, other):
        tokens.create_personal(user=person, name="x", scopes=["read"], by=Actor.of_user(person))
    body = get("/users/me/activity", f"Bearer {sign_in()['access']}").json()
    assert [row["action"] for row in body["results"]] == ["token.created"]
    assert set(body) == {"next", "previous", "results"}


def test_somebody_elses_sign_in_is_a_missing_one(user: User) -> None:
    other = accounts.create_user(email="bob@example.com", password=PASSWORD, by=BY)
    family = tokens.begin(user=other)
    answer = Client().delete(
        f"/api/v1/auth/sessions/{family.pk}", HTTP_AUTHORIZATION=f"Bearer {sign_in()['access']}"
    )
    assert answer.status_code == 404
    assert tokens.is_live(family_id=family.pk)


def test_a_browser_without_csrf_token_is_refused(user: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/auth/me").status_code == 200
    answer = browser.post("/api/v1/ws-tickets", content_type="application/json")
    assert answer.status_code == 403
    assert answer["Content-Type"] == "application/problem+json"
