"""T-26: limits hold exactly, for every process together, whatever a sender writes in headers."""

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client, RequestFactory

from etftrader.core import livestate
from etftrader.core.actor import Actor, system
from etftrader.core.api import limits
from etftrader.testing import services
from portfolios.services import accounts, tokens

PASSWORD = "correct-horse-battery"
URLS = pytest.mark.urls("portfolios.tests.api.urls")


def hammer(process: int, thread: int) -> int:
    """One thread of a crowd under one name: how many of thirty were let through."""
    return sum(limits.count("user:crowd", "default").allowed for _ in range(30))


@pytest.mark.django_db(transaction=True)
def test_three_processes_of_threads_are_let_through_exactly_to_the_limit() -> None:
    outcomes: list[dict[str, Any]] = services.storm(
        "etftrader.tests.test_t26_limits:hammer", processes=3, threads=32
    )
    assert sum(each["value"] for each in outcomes) == 100


@pytest.fixture
def user(db: None) -> Any:
    return accounts.create_user(email="a@example.com", password=PASSWORD, by=system("tests"))


def _token(user: Any) -> str:
    made = tokens.create_personal(user=user, name="t", scopes=["read"], by=Actor.of_user(user))
    return f"Token {made[1]}"


@URLS
def test_every_answer_tells_what_is_left_and_the_last_when_to_come_back(
    user: Any, settings: Any
) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"default": (3, 60)}
    client, token = Client(), _token(user)
    left = []
    for _ in range(3):
        answer = client.get("/api/v1/auth/me", HTTP_AUTHORIZATION=token)
        assert answer.status_code == 200
        left.append(answer["X-RateLimit-Remaining"])
    assert left == ["2", "1", "0"]
    refused = client.get("/api/v1/auth/me", HTTP_AUTHORIZATION=token)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert (refused["X-RateLimit-Limit"], refused["X-RateLimit-Scope"]) == ("3", "default")


@URLS
def test_wrong_tokens_are_counted_by_address(db: None, settings: Any) -> None:
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"default": (2, 60)}
    answers = [
        Client().get("/api/v1/auth/me", HTTP_AUTHORIZATION=f"Token etf_{each}").status_code
        for each in range(4)
    ]
    assert answers == [401, 401, 429, 429]


@URLS
@pytest.mark.parametrize("path", ["/api/v1/auth/login", "/login/"])
def test_five_sign_ins_a_minute_and_address_though_it_claims_to_be_many(
    user: Any, path: str
) -> None:
    allowed = 0
    for number in range(12):
        answer = Client().post(
            path,
            {"email": "a@example.com", "username": "a@example.com", "password": "wrong"}
            if path == "/login/"
            else {"email": "a@example.com", "password": "wrong"},
            **({} if path == "/login/" else {"content_type": "application/json"}),
            HTTP_X_FORWARDED_FOR=f"10.0.0.{number}",
        )
        allowed += answer.status_code != 429
    assert allowed == 5


def test_only_our_own_proxies_are_believed(settings: Any) -> None:
    request = RequestFactory().get(
        "/", REMOTE_ADDR="10.1.1.1", HTTP_X_FORWARDED_FOR="6.6.6.6, 203.0.113.9, 10.2.2.2"
    )
    seen = []
    for proxies in (0, 1, 2, 3, 4):
        settings.NUM_PROXIES = proxies
        seen.append(limits.client_address(request))
    assert seen == ["10.1.1.1", "10.2.2.2", "203.0.113.9", "6.6.6.6", "10.1.1.1"]


def test_nonsense_from_a_proxy_is_not_an_address(settings: Any) -> None:
    settings.NUM_PROXIES = 1
    request = RequestFactory().get("/", HTTP_X_FORWARDED_FOR="<script>")
    assert limits.client_address(request) == "127.0.0.1"


def test_without_the_live_store_sign_ins_are_counted_in_the_database(
    db: None, settings: Any
) -> None:
    _away(settings)
    standings = [limits.count("address:1.2.3.4", limits.LOGIN) for _ in range(8)]
    assert sum(each.allowed for each in standings) == 5
    assert limits.count("address:5.6.7.8", limits.LOGIN).allowed
    assert standings[-1].headers()["Retry-After"]


def test_without_the_live_store_the_rest_is_bounded_in_this_process(settings: Any) -> None:
    _away(settings)
    allowed = [limits.count("user:alone", "default").allowed for _ in range(150)]
    assert sum(allowed) == 100


def _away(settings: Any) -> None:
    settings.LIVE_URL = "redis://127.0.0.1:1/0"
    livestate.client.cache_clear()
    livestate.script.cache_clear()


@pytest.fixture(autouse=True)
def _own_client() -> Any:
    yield
    livestate.client.cache_clear()
    livestate.script.cache_clear()


@URLS
def test_guessing_locks_the_guesser_and_not_the_owner_elsewhere(user: Any, settings: Any) -> None:
    settings.AXES_ENABLED = True
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": (1000, 60)}

    def sign_in(address: str, password: str) -> int:
        body = {"username": "a@example.com", "password": password}
        return Client(REMOTE_ADDR=address).post("/login/", body).status_code

    tried = [sign_in("192.0.2.1", f"guess-{each}") for each in range(6)]
    assert tried == [422, 422, 422, 422, 429, 429]
    assert sign_in("192.0.2.1", PASSWORD) == 429
    assert sign_in("198.51.100.7", PASSWORD) == 302
    assert AccessAttempt.objects.filter(ip_address="192.0.2.1").exists()


@URLS
def test_a_thousand_addresses_guessing_do_not_lock_the_owner_out(user: Any, settings: Any) -> None:
    settings.AXES_ENABLED = True
    for number in range(60):
        Client(REMOTE_ADDR=f"192.0.{number}.9").post(
            "/login/", {"username": "a@example.com", "password": "guess"}
        )
    owner = Client(REMOTE_ADDR="198.51.100.7")
    answer = owner.post("/login/", {"username": "a@example.com", "password": PASSWORD})
    assert answer.status_code == 302


@URLS
def test_a_locked_program_gets_a_problem(user: Any, settings: Any) -> None:
    settings.AXES_ENABLED = True
    settings.RATE_LIMITS = settings.RATE_LIMITS | {"login": (1000, 60)}
    for _ in range(6):
        answer = Client().post(
            "/api/v1/auth/login",
            {"email": "a@example.com", "password": "guess"},
            content_type="application/json",
        )
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert int(answer["Retry-After"]) == 900
