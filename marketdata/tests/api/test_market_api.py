"""REST of market data: instruments, bars, quotes, yields, calendar; nothing after the clock."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from rest_framework.test import APIClient

from marketdata.models import DailyBar, Instrument, Quote, ReplayClock, TreasuryYield

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
TUESDAY, WEDNESDAY, THURSDAY = date(2016, 6, 21), date(2016, 6, 22), date(2016, 6, 23)


def make_instrument(symbol: str, **fields) -> Instrument:
    given = {"name": f"Fund {symbol}", "kind": "etf", "price_basis": "close"} | fields
    return Instrument.objects.create(symbol=symbol, **given)


def make_bar(instrument: Instrument, day: date, close: str) -> None:
    DailyBar.objects.create(
        instrument=instrument,
        session_date=day,
        source="bundled",
        close=Decimal(close),
        price_basis="close",
    )


@pytest.fixture
def user(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    return get_user_model().objects.create_user(email="reader@example.com", password="x" * 12)


@pytest.fixture
def client(user) -> APIClient:
    """A reader on Wednesday's close; the tables know Thursday already."""
    ReplayClock.objects.create(
        pk=1,
        start=WEDNESDAY,
        session_date=WEDNESDAY,
        as_of=datetime(2016, 6, 22, 20, 0, tzinfo=UTC),
        moved_at=datetime(2016, 6, 22, 20, 0, tzinfo=UTC),
    )
    fund, vix = make_instrument("AAA", sector="Tech"), make_instrument("^VIX", kind="index")
    for day, close, level in (
        (TUESDAY, "100", "18.48"),
        (WEDNESDAY, "110", "21.17"),
        (THURSDAY, "99", "17.25"),
    ):
        make_bar(fund, day, close)
        make_bar(vix, day, level)
        TreasuryYield.objects.create(
            session_date=day, tenor="10Y", percent=float(level) / 10, source="bundled"
        )
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.mark.parametrize(
    "path",
    [
        "instruments",
        "instruments/AAA",
        "prices",
        "market-data",
        "market/prices/AAA",
        "market/current-prices?symbols=AAA",
        "quotes?symbols=AAA",
        "rates",
        "calendar",
        "calendar/is-trading-day",
        "market/vix",
        "market/vix/history",
    ],
)
def test_readers_get_an_answer_and_the_unknown_a_401(client, path):
    assert client.get(f"{V1}/{path}").status_code == 200
    assert APIClient().get(f"{V1}/{path}").status_code == 401


@pytest.mark.parametrize(
    ("path", "attr"),
    [
        ("prices?start=yesterday", "start"),
        ("prices?start=2016-06-22&end=2016-06-21", "start"),
        ("prices?symbol=NOPE", "symbol"),
        ("prices?colour=red", "colour"),
        ("prices?limit=0", "limit"),
        ("quotes", "symbols"),
        ("quotes?symbols=" + ",".join(f"S{n}" for n in range(201)), "symbols"),
        ("market/current-prices?symbols=" + "X" * 33, "symbols"),
        ("rates?as_of=2016-06-23", "as_of"),
        ("market/vix?as_of=1990-01-01", "as_of"),
        ("market/vix/history?limit=1001", "limit"),
        ("calendar?start=2016-01-01&end=2026-01-01", "end"),
        ("calendar/is-trading-day?date=2016-06-31", "date"),
        ("instruments?kind=spaceship", "kind"),
    ],
)
def test_a_bad_value_is_named(client, path, attr):
    answer = client.get(f"{V1}/{path}")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"] == attr


@pytest.mark.parametrize(
    "path", ["prices?symbol=AAA", "market/prices/aaa", "market-data?symbol=AAA"]
)
def test_bars_end_at_the_market_clock_even_when_more_is_asked(client, path):
    joint = "&" if "?" in path else "?"

    for tail in ("", f"{joint}end=2016-12-31"):
        results = client.get(f"{V1}/{path}{tail}").json()["results"]
        found = [(each["session_date"], Decimal(each["close"])) for each in results]
        assert found == [("2016-06-22", 110), ("2016-06-21", 100)]


def test_every_other_answer_ends_at_the_market_clock_too(client):
    history = client.get(f"{V1}/market/vix/history").json()["results"]

    assert [each["session_date"] for each in history] == ["2016-06-22", "2016-06-21"]
    assert client.get(f"{V1}/market/vix").json()["level"] == 21.17
    assert client.get(f"{V1}/rates").json()["session_date"] == "2016-06-22"
    assert {each["session_date"] for each in client.get(f"{V1}/prices").json()["results"]} == {
        "2016-06-22",
        "2016-06-21",
    }


def test_quotes_are_keyed_by_symbol_and_unknown_ones_are_null_with_a_reason(client):
    body = client.get(f"{V1}/quotes?symbols=aaa,NOPE").json()

    assert set(body) == {"AAA", "NOPE"}
    known = body["AAA"]
    assert (Decimal(known["price"]), Decimal(known["change"])) == (110, 10)
    assert known["changeRate"] == pytest.approx(0.1)
    assert known["timestamp"] == "2016-06-22T20:00:00.000Z"
    assert (known["quality"], known["age_seconds"], known["bid"]) == ("eod", 0, None)
    assert (body["NOPE"]["price"], body["NOPE"]["reason"]) == (None, "unknown_symbol")


def test_a_quote_of_the_session_being_played_wins_and_later_ones_stay_hidden(client):
    now = datetime(2016, 6, 23, 14, 0, tzinfo=UTC)
    ReplayClock.objects.update(playing=THURSDAY, bar=30, as_of=now)
    late = make_instrument("LATE")
    make_bar(late, WEDNESDAY, "50")
    for symbol, price, as_of in (("AAA", "111.5", now), ("LATE", "51", now.replace(hour=15))):
        Quote.objects.create(
            instrument=Instrument.objects.get(symbol=symbol),
            price=Decimal(price),
            bid=Decimal(price) - 1,
            ask=Decimal(price) + 1,
            previous_close=Decimal(110),
            session_date=THURSDAY,
            as_of=as_of,
            source="SIM",
        )

    body = client.get(f"{V1}/quotes?symbols=AAA,LATE").json()

    assert [Decimal(body["AAA"][name]) for name in ("price", "bid", "ask")] == [
        Decimal("111.5"),
        Decimal("110.5"),
        Decimal("112.5"),
    ]
    assert (body["AAA"]["source"], body["AAA"]["quality"]) == ("SIM", "live")
    assert (Decimal(body["LATE"]["price"]), body["LATE"]["bid"]) == (50, None)


def test_instruments_are_searched_and_filtered(client):
    def symbols(query):
        return [
            each["symbol"] for each in client.get(f"{V1}/instruments?{query}").json()["results"]
        ]

    assert symbols("search=aa") == ["AAA"]
    assert symbols("kind=index") == ["^VIX"]
    assert symbols("sector=Tech") == ["AAA"]
    assert symbols("ordering=-symbol") == ["^VIX", "AAA"]


def test_an_unknown_instrument_is_a_404_with_suggestions(client):
    answer = client.get(f"{V1}/instruments/AAAB")

    assert answer.status_code == 404
    assert answer.json()["suggestions"] == ["AAA"]


def test_a_private_thing_and_its_values_are_its_owners_alone(client, user):
    other = get_user_model().objects.create_user(email="other@example.com", password="x" * 12)
    fund = make_instrument("PRIV", kind="private_fund", pricing="manual", owner_id=other.pk)
    make_bar(fund, WEDNESDAY, "7")

    assert client.get(f"{V1}/instruments/PRIV").status_code == 404
    assert client.get(f"{V1}/market/prices/PRIV").status_code == 404
    assert client.get(f"{V1}/quotes?symbols=PRIV").json()["PRIV"]["price"] is None
    seen = client.get(f"{V1}/prices").json()["results"]
    assert "PRIV" not in {each["symbol"] for each in seen}
    client.force_authenticate(other)
    assert Decimal(client.get(f"{V1}/quotes?symbols=PRIV").json()["PRIV"]["price"]) == 7


def test_the_calendar_knows_holidays_and_short_days(client):
    july = client.get(f"{V1}/calendar?start=2016-07-01&end=2016-07-05").json()["results"]
    friday = client.get(f"{V1}/calendar/is-trading-day?date=2016-11-25").json()
    fourth = client.get(f"{V1}/calendar/is-trading-day?date=2016-07-04").json()

    assert [each["session_date"] for each in july] == ["2016-07-01", "2016-07-05"]
    assert july[0]["open"] == "2016-07-01T13:30:00.000Z"
    assert (friday["is_trading_day"], friday["early_close"]) == (True, True)
    assert (fourth["is_trading_day"], fourth["previous"]) == (False, "2016-07-01")
