"""T-03: the same request many times at once is one effect and one answer, by API and by form.

Seeded fault it must catch: the key is looked up but not inserted before the effect runs.
"""

import time
import uuid
from collections import Counter

import pytest
from django.db import connection
from django.test import Client

from etftrader.core.records import IdempotencyKey
from etftrader.testing import services
from portfolios.models import Portfolio
from portfolios.services import tokens, verification
from trading.models import Order, Trade
from trading.tests import world
from trading.tests.storm import say

PROCESSES, THREADS = 2, 8
KEYS, FORM_KEYS = 100, 20
BUY = {"symbol": "AAA", "side": "buy", "quantity": "1"}


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


@pytest.mark.django_db(transaction=True)
def test_a_hundred_keys_posted_by_sixteen_at_once_are_a_hundred_orders():
    portfolio = ready()
    keys = [uuid.uuid4().hex for _ in range(KEYS)]
    begun = time.monotonic()

    outcomes = services.storm(
        "trading.tests.storm:post_the_same",
        processes=PROCESSES,
        threads=THREADS,
        arguments={
            "portfolio": str(portfolio.pk),
            "token": personal_token(portfolio),
            "keys": keys,
            "crowd": PROCESSES * THREADS,
        },
        environment=services.child_environment(ETF_PROCESS="worker"),
    )

    assert [each["error"] for each in outcomes if "error" in each] == []
    answers = [each["value"] for each in outcomes]
    different = [len({tuple(one[place]) for one in answers}) for place in range(KEYS)]
    statuses = Counter(status for one in answers for status, _ in one)
    say(
        f"T-03 {connection.vendor}: {KEYS} keys x {len(answers)} posts in "
        f"{time.monotonic() - begun:.1f} s, {Trade.objects.count()} effects (goal {KEYS}), "
        f"{sum(statuses.values())} answers {dict(statuses)} (goal equal bodies)"
    )
    assert statuses == {201: KEYS * len(answers)}
    assert different == [1] * KEYS
    assert sorted(Order.objects.values_list("client_order_id", flat=True)) == sorted(keys)
    assert Trade.objects.count() == KEYS
    assert IdempotencyKey.objects.filter(status=201).count() == KEYS
    assert verification.verify(portfolio_id=portfolio.pk) == []


@pytest.mark.django_db(transaction=True)
def test_a_form_pressed_by_sixteen_at_once_is_one_order_everybody_is_led_to():
    portfolio = ready()
    keys = [uuid.uuid4().hex for _ in range(FORM_KEYS)]
    client = Client()
    client.force_login(portfolio.account.customer.user)

    outcomes = services.storm(
        "trading.tests.storm:submit_the_same_form",
        processes=PROCESSES,
        threads=THREADS,
        arguments={
            "portfolio": str(portfolio.pk),
            "session": client.session.session_key,
            "keys": keys,
            "crowd": PROCESSES * THREADS,
        },
        environment=services.child_environment(ETF_PROCESS="worker"),
    )

    assert [each["error"] for each in outcomes if "error" in each] == []
    answers = [each["value"] for each in outcomes]
    led_to = [{tuple(one[place]) for one in answers} for place in range(FORM_KEYS)]
    assert [len(each) for each in led_to] == [1] * FORM_KEYS
    assert {status for each in led_to for status, _ in each} == {303}
    assert Trade.objects.count() == FORM_KEYS


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
    portfolio = ready()
    address = f"/api/v1/portfolios/{portfolio.pk}/orders"
    header = {"HTTP_AUTHORIZATION": f"Token {personal_token(portfolio)}"}
    client = Client()
    client.post(
        address,
        BUY,
        content_type="application/json",
        HTTP_IDEMPOTENCY_KEY="a-good-key-1",
        **header,
    )

    answer = client.post(
        address,
        BUY | change,
        content_type="application/json",
        HTTP_IDEMPOTENCY_KEY=key,
        **header,
    )

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Trade.objects.count() == 1
