"""T-03: the same request many times at once is one effect and one answer, by API and by form.

Real web processes, 64 connections that stay open and send the same bytes at the same moment.
Seeded fault it must catch: the key is looked up but not inserted before the effect runs.
"""

import json
import time
import urllib.parse
import uuid
from collections import Counter

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client

from etftrader.core.actor import system
from etftrader.core.records import IdempotencyKey
from etftrader.testing import matrix
from etftrader.tests import crowd, test_t41_audit
from portfolios.models import Portfolio
from portfolios.services import accounts, tokens, verification
from trading.models import Order, Trade
from trading.tests import world
from trading.tests.storm import say

stage = test_t41_audit.stage
PROCESSES, CROWD = 3, 64
KEYS = 50  # by API, and as many by form: 100 effects and 6,400 answers in all
BUY = {"symbol": "AAA", "side": "buy", "quantity": "1"}
CSRF = "c" * 32


def ready() -> Portfolio:
    world.make_market()
    portfolio = world.make_portfolio(cash="1000000")
    world.lift_var_limit(portfolio)
    return portfolio


def personal_token(portfolio: Portfolio) -> str:
    user = portfolio.account.customer.user
    by = world.actor(user)
    _, text = tokens.create_personal(user=user, name="t03", scopes=["read", "trade"], by=by)
    return text


def by_api(portfolio: Portfolio, token: str, key: str | None, **change: object) -> bytes:
    """An order as a program sends it."""
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
    if key is not None:
        headers["Idempotency_Key"] = key
    body = json.dumps(BUY | change).encode()
    return crowd.request(f"/api/v1/portfolios/{portfolio.pk}/orders", body, **headers)


def by_form(portfolio: Portfolio, session: str, key: str) -> bytes:
    """A press on Place, as a browser sends it."""
    typed = BUY | {"note": "", "idempotency_key": key, "place": "", "csrfmiddlewaretoken": CSRF}
    cookies = {settings.SESSION_COOKIE_NAME: session, settings.CSRF_COOKIE_NAME: CSRF}
    return crowd.request(
        f"/portfolios/{portfolio.pk}/trade/",
        urllib.parse.urlencode(typed).encode(),
        Content_Type="application/x-www-form-urlencoded",
        Cookie="; ".join(f"{name}={value}" for name, value in cookies.items()),
    )


def sign_in(portfolio: Portfolio) -> str:
    client = Client()
    client.force_login(portfolio.account.customer.user)
    return client.session.session_key or ""


def tell(kind: str, begun: float, answers: list[list[crowd.Answer]]) -> None:
    statuses = Counter(each.status for one in answers for each in one)
    say(
        f"T-03 {kind} {connection.vendor}: {len(answers)} keys x {CROWD} posts in "
        f"{time.monotonic() - begun:.1f} s, {Trade.objects.count()} effects (goal {KEYS}), "
        f"{sum(statuses.values())} answers {dict(statuses)} (goal equal bodies)"
    )


def check_effects(portfolio: Portfolio, keys: list[str]) -> None:
    assert sorted(Order.objects.values_list("client_order_id", flat=True)) == sorted(keys)
    assert Trade.objects.count() == len(keys)
    assert IdempotencyKey.objects.filter(status=201).count() == len(keys)
    assert IdempotencyKey.objects.count() == len(keys)
    assert verification.verify(portfolio_id=portfolio.pk) == []


@pytest.mark.django_db(transaction=True)
def test_fifty_keys_posted_by_sixty_four_at_once_are_fifty_orders():
    portfolio = ready()
    token = personal_token(portfolio)
    keys = [uuid.uuid4().hex for _ in range(KEYS)]

    with crowd.web(PROCESSES) as ports:
        begun = time.monotonic()
        answers = crowd.ask(ports, [by_api(portfolio, token, key) for key in keys], CROWD)
        tell("API", begun, answers)
        check_effects(portfolio, keys)
        [altered, malformed, unnamed] = crowd.ask(
            ports,
            [
                by_api(portfolio, token, keys[0], quantity="2"),
                by_api(portfolio, token, "with a blank in it"),
                by_api(portfolio, token, None, quantity="3"),
            ],
            CROWD,
        )

    # as documents: an engine may keep the members of one in another order
    bodies = [
        {json.dumps(json.loads(each.body), sort_keys=True) for each in one} for one in answers
    ]
    assert {each.status for one in answers for each in one} == {201}
    assert [len(each) for each in bodies] == [1] * KEYS
    assert len(set.union(*bodies)) == KEYS
    fresh = [sum("idempotent-replayed" not in each.headers for each in one) for one in answers]
    assert fresh == [1] * KEYS
    assert told(altered) == {(422, "idempotency_key_reused"): CROWD}
    assert told(malformed) == {(400, "validation_error"): CROWD}
    assert told(unnamed) == {(201, None): 1, (409, "duplicate_suspected"): CROWD - 1}
    assert Trade.objects.count() == KEYS + 1


def told(answers: list[crowd.Answer]) -> Counter:
    """How often each status and code was given."""
    return Counter((each.status, json.loads(each.body).get("code")) for each in answers)


@pytest.mark.django_db(transaction=True)
def test_fifty_forms_pressed_by_sixty_four_at_once_are_fifty_orders():
    portfolio = ready()
    session = sign_in(portfolio)
    keys = [uuid.uuid4().hex for _ in range(KEYS)]

    with crowd.web(PROCESSES) as ports:
        begun = time.monotonic()
        answers = crowd.ask(ports, [by_form(portfolio, session, key) for key in keys], CROWD)
        tell("form", begun, answers)

    led_to = [{(each.status, each.headers.get("location")) for each in one} for one in answers]
    assert [len(each) for each in led_to] == [1] * KEYS
    assert {status for each in led_to for status, _ in each} == {303}
    assert len(set.union(*led_to)) == KEYS
    check_effects(portfolio, keys)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("key", "change", "status", "code"),
    [
        ("a-good-key-1", {"quantity": "2"}, 422, "idempotency_key_reused"),
        ("short", {}, 400, "validation_error"),
        ("with a blank in it", {}, 400, "validation_error"),
        ("auto-of-our-own-making", {}, 400, "validation_error"),
        ("x" * 65, {}, 400, "validation_error"),
    ],
)
def test_an_altered_body_and_a_malformed_key_do_nothing(key, change, status, code):
    post = poster(ready())
    post("a-good-key-1")

    answer = post(key, **change)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Trade.objects.count() == 1


@pytest.mark.django_db
def test_without_a_key_a_twin_is_suspicious_until_it_is_confirmed():
    post = poster(ready())
    statuses = [
        post(None).status_code,
        post(None).status_code,
        post(None, quantity="2").status_code,
        post(None, confirm_duplicate=True).status_code,
        post(None, confirm_duplicate=True).status_code,
    ]

    assert statuses == [201, 409, 201, 201, 201]
    assert Trade.objects.count() == 4


@pytest.mark.django_db
def test_a_key_that_is_confirmed_too_is_a_replay_all_the_same():
    post = poster(ready())

    answers = [post("a-good-key-1", confirm_duplicate=True) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert answers[1]["Idempotent-Replayed"] == "true"
    assert Trade.objects.count() == 1


@pytest.mark.django_db
def test_every_post_gives_its_first_answer_again_under_its_key(stage):
    accounts.create_user(
        email="third@example.com", password=test_t41_audit.PASSWORD, by=system("tests")
    )
    free = {name: how for name, (_, how) in test_t41_audit.FREE.items()}
    wrong, seen, versioned = [], 0, set()
    for name, (body, extra, prepare) in (test_t41_audit.AUDITED | free).items():
        operation = test_t41_audit.CHANGING[name]
        if operation.method != "post":
            continue
        with matrix.undone():
            path = operation.path(stage.ids | (prepare(stage) if prepare else {}))
            sent = body(stage) if callable(body) else body
            headers = stage.headers | extra | {"HTTP_IDEMPOTENCY_KEY": "one-key-for-all"}
            if operation.op.versions:
                # the row moves on with the first answer, so that its tag is stale for the second
                row = Client().get(path.rpartition("/")[0], **stage.headers)
                headers |= {"HTTP_IF_MATCH": row["ETag"]}
                versioned.add(name)
            first, again = (
                Client().post(path, sent, "application/json", **headers) for _ in range(2)
            )
        replayed = again.get("Idempotent-Replayed") == "true"
        if replayed != operation.op.keyed or (replayed and again.status_code != first.status_code):
            wrong.append(f"{name}: {first.status_code}, {again.status_code}, {replayed}")
        seen += 1
    assert wrong == []
    assert seen >= 50
    assert len(versioned) >= 4


def poster(portfolio: Portfolio):
    """Posts the order under a key or without one."""
    client = Client(HTTP_AUTHORIZATION=f"Token {personal_token(portfolio)}")

    def post(key: str | None, **change: object):
        headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
        address = f"/api/v1/portfolios/{portfolio.pk}/orders"
        return client.post(address, BUY | change, content_type="application/json", **headers)

    return post
