"""Stops that move are told on the alerts channel, as they stand, to who watches their book."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from django.db import transaction
from rest_framework.test import APIClient
from websockets.sync.client import ClientConnection

from etftrader import heads
from etftrader.tests.test_t22_sockets import Server, server, subscribe, tell, token_of, until
from marketdata.selectors import calendar
from portfolios.models import Portfolio
from portfolios.tests import factories
from risk.models import StopLossLevel
from risk.services import alerts, stop_loss

pytestmark = pytest.mark.django_db(transaction=True)
assert server  # the fixture of the sockets' own tests: one real web process
MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2016, 6, day) for day in (20, 21, 22, 23))
# 12 % below the highest close, as no VIX is known; on Thursday it falls through
CLOSES = {MONDAY: 100, TUESDAY: 110, WEDNESDAY: 109, THURSDAY: 90}


@pytest.fixture
def book(settings: Any) -> Portfolio:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    factories.make_clock(THURSDAY)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, CLOSES)
    factories.make_closes(factories.make_instrument("^VIX", kind="index"), {MONDAY: 20})
    made = factories.make_portfolio(cash=100_000)
    factories.fill(made, fund, 10, 100)
    return made


@pytest.fixture
def ws(server: Server, book: Portfolio) -> Iterator[ClientConnection]:
    """An open socket of the owner that follows the book's alerts."""
    with server.open() as line:
        tell(line, type="auth", token=token_of(factories.make_user())[1])
        until(line, lambda m: m["type"] == "authenticated")
        assert subscribe(line, channel(book))["rejected"] == []
        until(line, lambda m: m["type"] == "snapshot")
        yield line


def channel(book: Portfolio) -> str:
    return f"portfolio.{book.pk}.alerts"


def close(book: Portfolio, day: date) -> None:
    stop_loss.evaluate(portfolio_ids=[book.pk], session_date=day)


def heard(ws: ClientConnection, event: str = "stop.updated") -> Any:
    return until(ws, lambda m: m["type"] == "update" and m["event"] == event)


def warned(book: Portfolio, key: str = "var") -> None:
    alerts.raise_once(
        portfolio_id=book.pk, kind="limit", key=f"limit:{key}", severity="warning",
        title="VaR is close to its limit", detail="", as_of=calendar.close_time(THURSDAY),
        session_date=THURSDAY,
    )  # fmt: skip


def events(book: Portfolio, since: int) -> list[tuple[int, str]]:
    return [(each["seq"], each["event"]) for each in heads.events_after(channel(book), since)]


def numbers(book: Portfolio) -> int:
    book.refresh_from_db()
    return book.alert_events


def test_a_stop_that_moves_is_heard_as_the_endpoint_tells_it(
    ws: ClientConnection, book: Portfolio
) -> None:
    close(book, MONDAY)
    first = heard(ws)

    [stop] = first["data"]["stops"]
    assert (first["channel"], first["seq"]) == (channel(book), 1)
    assert (stop["symbol"], stop["stop_price"], stop["state"]) == ("AAA", "88.00", "armed")
    client = APIClient()
    client.force_authenticate(factories.make_user())
    told = client.get(f"/api/v1/portfolios/{book.pk}/stop-loss").json()
    assert first["data"]["stops"] == told["results"]

    close(book, MONDAY)
    assert numbers(book) == 1  # the same close again moves nothing, and nothing is said
    close(book, TUESDAY)
    moved = heard(ws)
    assert (moved["seq"], moved["data"]["stops"][0]["stop_price"]) == (2, "96.80")


def test_who_comes_back_is_told_the_alerts_and_then_where_the_stops_stand(
    ws: ClientConnection, book: Portfolio
) -> None:
    for day in CLOSES:
        close(book, day)
    until(ws, lambda m: m.get("event") == "stop.updated" and m["seq"] == numbers(book))

    tell(ws, type="resync", id="r", channel=channel(book), since=0)
    fired = heard(ws, "alert.opened")
    after = heard(ws)

    assert fired["data"]["key"] == "stop:AAA"
    assert after["seq"] == numbers(book) > fired["seq"]
    assert after["data"]["stops"][0]["state"] == "triggered"
    assert after["ts"] == calendar.close_time(THURSDAY).isoformat().replace("+00:00", "Z")


def test_who_comes_back_is_told_of_stops_an_alert_came_after(
    ws: ClientConnection, book: Portfolio
) -> None:
    close(book, MONDAY)
    warned(book)
    until(ws, lambda m: m.get("event") == "alert.opened")

    tell(ws, type="resync", id="r", channel=channel(book), since=0)

    moved, fired = heard(ws), heard(ws, "alert.opened")
    assert (moved["seq"], fired["seq"]) == (1, 2)
    assert moved["data"]["stops"][0]["stop_price"] == "88.00"


def test_who_listens_hears_both_although_one_look_finds_them(
    ws: ClientConnection, book: Portfolio
) -> None:
    with transaction.atomic():
        close(book, MONDAY)
        warned(book)

    moved, fired = heard(ws), heard(ws, "alert.opened")

    assert (moved["seq"], fired["seq"]) == (1, 2)


def test_what_alerts_bear_is_no_word_of_the_stops(book: Portfolio) -> None:
    close(book, MONDAY)
    warned(book)

    assert events(book, 0) == [(1, "stop.updated"), (2, "alert.opened")]
    assert events(book, 1) == [(2, "alert.opened")]
    assert events(book, 2) == []


def test_the_number_an_alert_left_behind_is_heard_as_the_stops(book: Portfolio) -> None:
    for day in CLOSES:
        close(book, day)
    alerts.resolve(portfolio_id=book.pk, key="stop:AAA", as_of=calendar.close_time(THURSDAY))
    warned(book)
    warned(book)  # it bears 7 now, nobody bears 6

    assert events(book, 0) == [(5, "alert.resolved"), (6, "stop.updated"), (7, "alert.opened")]
    assert events(book, 6) == [(7, "alert.opened")]


def test_what_one_answer_cannot_hold_is_in_the_next(
    book: Portfolio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "REPLAY_LIMIT", 2)
    for key in ("var", "gross", "loss"):
        warned(book, key)
    close(book, MONDAY)

    assert events(book, 0) == [(1, "alert.opened"), (2, "alert.opened")]
    assert events(book, 2) == [(3, "alert.opened"), (4, "stop.updated")]


def test_a_stop_that_goes_with_its_position_is_told_too(book: Portfolio) -> None:
    close(book, MONDAY)
    factories.fill(book, factories.make_instrument("AAA"), -10, 100, session_date=TUESDAY)

    close(book, TUESDAY)

    assert not StopLossLevel.objects.exists()
    [told] = heads.events_after(channel(book), 1)
    assert (told["event"], told["data"]["stops"]) == ("stop.updated", [])
