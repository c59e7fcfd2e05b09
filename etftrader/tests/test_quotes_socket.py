"""/ws/quotes of a real server: whose symbols, the snapshot's shape, what follows, what is missing."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from etftrader import gate
from etftrader.core import push
from etftrader.tests.test_t22_sockets import Server, server, tell, token_of, until
from marketdata.models import DailyBar, Instrument, ReplayClock
from portfolios.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
WEDNESDAY = date(2016, 6, 22)
CLOSE = datetime(2016, 6, 22, 20, 0, tzinfo=UTC)
assert server  # the fixture of the sockets' own tests: one real web process


@pytest.fixture
def ws(server: Server, settings):
    """An open /ws/quotes; Wednesday has closed and the live store knows nothing."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    ReplayClock.objects.create(
        pk=1, start=WEDNESDAY, session_date=WEDNESDAY, as_of=CLOSE, moved_at=CLOSE
    )
    for symbol in ("AAA", "BBB"):
        DailyBar.objects.create(
            instrument=Instrument.objects.create(
                symbol=symbol, name=symbol, kind="etf", price_basis="close"
            ),
            session_date=WEDNESDAY,
            source="bundled",
            close=Decimal(100),
            price_basis="close",
        )
    user = factories.make_user()
    with server.open(path="/ws/quotes") as line:
        tell(line, type="auth", token=token_of(user)[1])
        line.user = user
        # the path subscribes by itself, to everything there is
        first = until(line, lambda m: m["type"] == "snapshot")
        assert (first["channel"], first["quotes"]) == ("quotes", {})
        yield line


def snapshot(ws, **message):
    tell(ws, **message)
    return until(ws, lambda m: m["type"] == "snapshot")


def say(**prices):
    told = {symbol: {"symbol": symbol, "price": price} for symbol, price in prices.items()}
    assert push.send_now("quotes", "quotes.updated", told)


def test_a_snapshot_is_what_the_endpoint_answers_even_when_nothing_is_played(ws):
    told = snapshot(ws, type="subscribe", symbols=["aaa", "NOPE"])

    client = APIClient()
    client.force_authenticate(ws.user)
    assert told["quotes"] == client.get("/api/v1/quotes?symbols=AAA,NOPE").json()
    assert told["quotes"] == told["data"]
    assert (told["quotes"]["AAA"]["price"], told["quotes"]["AAA"]["quality"]) == ("100.00", "eod")
    assert told["quotes"]["NOPE"]["reason"] == "unknown_symbol"
    assert told["seq"] == 0


def test_subscribing_adds_and_updating_replaces_and_others_are_not_heard(ws):
    snapshot(ws, type="subscribe", symbols=["AAA"])
    assert set(snapshot(ws, type="subscribe", symbols=["BBB"])["quotes"]) == {"AAA", "BBB"}
    assert set(snapshot(ws, type="update", symbols=["BBB"])["quotes"]) == {"BBB"}

    say(AAA="1.00", BBB="2.00")
    heard = until(ws, lambda m: m["type"] == "update")

    assert heard["quotes"] == heard["data"] == {"BBB": {"symbol": "BBB", "price": "2.00"}}
    assert (heard["event"], heard["seq"]) == ("quotes.updated", 1)


def test_without_a_choice_everything_is_heard(ws):
    say(AAA="1.00", BBB="2.00")

    assert set(until(ws, lambda m: m["type"] == "update")["data"]) == {"AAA", "BBB"}


def test_too_many_symbols_are_refused_and_the_choice_stays(ws):
    snapshot(ws, type="subscribe", symbols=["AAA"])
    tell(ws, type="update", symbols=[f"S{number}" for number in range(201)])
    assert until(ws, lambda m: m["type"] == "error")["code"] == "too_many_symbols"

    say(AAA="1.00", BBB="2.00")
    assert set(until(ws, lambda m: m["type"] == "update")["data"]) == {"AAA"}


def test_the_short_paths_of_books_subscribe_by_themselves(server: Server, settings):
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    user = factories.make_user()
    book = factories.make_portfolio(owner=user)
    other = factories.make_portfolio(owner=factories.make_user("other@example.com"))
    for path, channels in (
        ("/ws/alerts", {f"portfolio.{book.pk}.alerts"}),
        (f"/ws/portfolios/{book.pk}", {f"portfolio.{book.pk}.{kind}" for kind in gate.KINDS}),
        (f"/ws/portfolios/{other.pk}", set()),
    ):
        with server.open(path=path) as line:
            tell(line, type="auth", token=token_of(user)[1])
            assert set(until(line, lambda m: m["type"] == "subscribed")["channels"]) == channels
