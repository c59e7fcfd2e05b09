"""REST of quotes: the newest by symbol with its age and class, and the minutes behind one."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.contrib.auth import get_user_model
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from marketdata import live
from marketdata.choices import Source
from marketdata.models import DailyBar, Instrument, MinuteBar, Quote, ReplayClock
from marketdata.providers.base import Bar
from marketdata.selectors import quotes as selector
from marketdata.services import quotes

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
WEDNESDAY, THURSDAY = date(2016, 6, 22), date(2016, 6, 23)
OPENS = datetime(2016, 6, 23, 13, 30, tzinfo=UTC)
NOW = OPENS + timedelta(minutes=30)
KEYS = {
    "symbol",
    "price",
    "change",
    "changeRate",
    "timestamp",
    "volume",
    "bid",
    "ask",
    "previous_close",
    "session_date",
    "source",
    "age_seconds",
    "quality",
    "reason",
}


@pytest.fixture
def fund():
    made = Instrument.objects.create(symbol="AAA", name="Fund", kind="etf", price_basis="close")
    DailyBar.objects.create(
        instrument=made,
        session_date=WEDNESDAY,
        source="bundled",
        close=Decimal(100),
        price_basis="close",
    )
    return made


@pytest.fixture
def client(settings, fund):
    """A reader half an hour into Thursday's session."""
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    ReplayClock.objects.create(
        pk=1,
        start=WEDNESDAY,
        session_date=WEDNESDAY,
        playing=THURSDAY,
        bar=30,
        as_of=NOW,
        moved_at=NOW,
    )
    user = get_user_model().objects.create_user(email="reader@example.com", password="x" * 12)
    client = APIClient()
    client.force_authenticate(user)
    return client


def quoted(fund, age_s=0, **fields):
    given = {
        "price": Decimal("101.5"),
        "previous_close": Decimal(100),
        "session_date": THURSDAY,
        "as_of": NOW - timedelta(seconds=age_s),
        "source": "csv",
    } | fields
    return Quote.objects.create(instrument=fund, **given)


def minute(fund, number, price, *, source="csv", volume=10, high=None, low=None, open_=None):
    MinuteBar.objects.create(
        instrument=fund,
        ts=OPENS + timedelta(minutes=number),
        source=source,
        open=open_ or price,
        high=high or price,
        low=low or price,
        close=price,
        volume=volume,
    )


def asked(client, query):
    return client.get(f"{V1}/quotes/history?{query}")


def bars(answer):
    assert answer.status_code == 200, answer.content
    return [
        (each["ts"][11:16], each["open"], each["high"], each["low"], each["close"], each["volume"])
        for each in answer.json()["bars"]
    ]


def test_a_quote_has_its_keys_figures_and_spread(client, fund):
    quoted(fund, 20, bid=Decimal("101.4"), ask=Decimal("101.6"), volume=900)

    told = client.get(f"{V1}/quotes?symbols=AAA").json()["AAA"]

    assert set(told) == KEYS
    assert told == told | {
        "price": "101.50",
        "change": "1.50",
        "changeRate": pytest.approx(0.015),
        "timestamp": "2016-06-23T13:59:40.000Z",
        "volume": 900,
        "bid": "101.40",
        "ask": "101.60",
        "source": "csv",
        "age_seconds": 20,
        "quality": "live",
        "reason": None,
    }


@pytest.mark.parametrize(
    ("age_s", "quality"),
    [(0, "live"), (60, "live"), (61, "delayed"), (900, "delayed"), (901, "stale")],
)
def test_the_class_follows_the_age_on_the_market_clock(client, fund, age_s, quality):
    quoted(fund, age_s)

    told = client.get(f"{V1}/quotes?symbols=AAA").json()["AAA"]

    assert (told["quality"], told["age_seconds"]) == (quality, age_s)


def test_without_a_quote_there_is_the_close_and_a_stranger_is_null_with_a_reason(client, fund):
    told = client.get(f"{V1}/quotes?symbols=AAA,NOPE").json()

    # while Thursday is played, Wednesday's close is an answer of its own class
    assert (told["AAA"]["price"], told["AAA"]["quality"]) == ("100.00", "eod")
    assert set(told["NOPE"]) == KEYS
    assert told["NOPE"]["reason"] == "unknown_symbol"
    assert {name for name, value in told["NOPE"].items() if value is not None} == {
        "symbol",
        "reason",
    }


def test_many_symbols_cost_no_more_queries_than_one(client, fund):
    for number in range(60):
        each = Instrument.objects.create(
            symbol=f"M{number}", name="many", kind="etf", price_basis="close"
        )
        quoted(each)
    quoted(fund)
    with CaptureQueriesContext(connection) as one:
        client.get(f"{V1}/quotes?symbols=AAA")
    names = ",".join(f"M{number}" for number in range(60))
    with CaptureQueriesContext(connection) as many:
        assert len(client.get(f"{V1}/quotes?symbols={names}").json()) == 60

    assert len(many) <= len(one)


def test_what_sockets_are_told_has_the_keys_of_the_endpoint(client, fund):
    told = live.quote(live.Quoted(symbol="AAA"), now=NOW)

    assert set(told) == KEYS


# --- history ------------------------------------------------------------------------------------


def test_five_minutes_without_being_asked_and_none_after_the_clock(client, fund):
    for number in range(20, 36):
        minute(fund, number, Decimal(100 + number))

    told = bars(asked(client, "symbol=aaa"))

    assert [row[0] for row in told] == ["13:56", "13:57", "13:58", "13:59", "14:00"]
    assert told[-1] == ("14:00", "130.00", "130.00", "130.00", "130.00", 10)


def test_five_minute_bars_are_made_of_minutes_on_the_clock(client, fund):
    for number, price in ((19, 5), (21, 10), (22, 14), (25, 12), (26, 20), (30, 21)):
        minute(fund, number, Decimal(price), high=Decimal(price + 1), low=Decimal(price - 1))

    told = bars(asked(client, "symbol=AAA&minutes=10&interval=5"))

    assert told == [
        ("13:55", "10.00", "15.00", "9.00", "12.00", 30),
        ("14:00", "20.00", "22.00", "19.00", "21.00", 20),
    ]


def test_the_minute_that_is_running_is_part_of_the_history(client, fund):
    ReplayClock.objects.update(as_of=NOW + timedelta(seconds=20))
    minute(fund, 31, Decimal(101))
    minute(fund, 32, Decimal(102))

    assert [row[0] for row in bars(asked(client, "symbol=AAA"))] == ["14:01"]


def test_a_simulated_path_is_never_mixed_with_real_prices(client, fund):
    minute(fund, 28, Decimal(90), source="SIM")
    minute(fund, 29, Decimal(100), source="csv")
    minute(fund, 30, Decimal(91), source="SIM")

    answer = asked(client, "symbol=AAA")

    assert answer.json()["source"] == "SIM"
    assert [row[4] for row in bars(answer)] == ["90.00", "91.00"]


def test_unknown_volumes_stay_unknown(client, fund):
    minute(fund, 29, Decimal(100), volume=None)
    minute(fund, 30, Decimal(100), volume=None)

    assert [row[5] for row in bars(asked(client, "symbol=AAA&interval=5"))] == [None]


def test_without_minutes_the_list_is_empty_and_says_why(client, fund):
    body = asked(client, "symbol=AAA").json()

    assert (body["bars"], body["reason"], body["source"]) == ([], "no_minutes", None)


@pytest.mark.parametrize(
    ("query", "attr"),
    [
        ("", "symbol"),
        ("symbol=NOPE", "symbol"),
        ("symbol=AAA&minutes=0", "minutes"),
        ("symbol=AAA&minutes=61", "minutes"),
        ("symbol=AAA&minutes=-5", "minutes"),
        ("symbol=AAA&minutes=five", "minutes"),
        ("symbol=AAA&minutes=5.0", "minutes"),
        ("symbol=AAA&interval=2", "interval"),
    ],
)
def test_a_bad_question_names_its_field(client, query, attr):
    answer = asked(client, query)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr


def test_privately_valued_things_of_others_are_not_known(client):
    Instrument.objects.create(
        symbol="HOUSE",
        name="House",
        kind="private_fund",
        pricing="manual",
        price_basis="manual",
        owner_id="00000000-0000-0000-0000-000000000001",
    )

    assert asked(client, "symbol=HOUSE").status_code == 400
    assert client.get(f"{V1}/quotes?symbols=HOUSE").json()["HOUSE"]["reason"] == "unknown_symbol"


# --- a session being played ---------------------------------------------------------------------


def test_a_played_minute_is_kept_with_one_statement_and_forgets_another_spread(client, fund):
    quoted(fund, 3600, bid=Decimal(99), ask=Decimal(101), volume=5)
    bar = Bar(NOW, THURSDAY, 29, 390, ("AAA", "GONE"), np.array([102.25, 5.0]), Source.SIM.value)

    with CaptureQueriesContext(connection) as seen:
        assert quotes.store(bar=bar, previous_close={"AAA": 100.0}) == 1

    written = [each["sql"] for each in seen if each["sql"].startswith("INSERT")]
    assert len(written) == 2
    assert sum("minutebar" in sql for sql in written) == 1
    told = client.get(f"{V1}/quotes?symbols=AAA").json()["AAA"]
    assert (told["price"], told["source"]) == ("102.25", "SIM")
    assert (told["bid"], told["ask"], told["volume"]) == (None, None, None)
    assert bars(asked(client, "symbol=AAA")) == [("14:00", *["102.25"] * 4, None)]


def test_a_minute_played_again_is_the_same_row(client, fund):
    for price in (102.25, 103.5):
        bar = Bar(NOW, THURSDAY, 29, 390, ("AAA",), np.array([price]), Source.SIM.value)
        quotes.store(bar=bar, previous_close={})

    assert [row.close for row in MinuteBar.objects.all()] == [Decimal("103.5")]
    assert selector.all_prices().prices.tolist() == [103.5]
