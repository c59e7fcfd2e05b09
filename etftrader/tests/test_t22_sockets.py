"""T-22: sockets of a real server: who may enter, what they hear, and when they lose it.

Seeded faults it must catch: no origin check, group joined without check, no re-check while open.
"""

import contextlib
import json
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from django.conf import settings
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from etftrader.core import clock, push
from etftrader.core.actor import Actor
from etftrader.deploy.programs import commands
from etftrader.testing import services
from portfolios.models import Membership
from portfolios.services import accounts, tokens
from portfolios.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass
class Server:
    """A real web process on a free port."""

    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self, *, origin: str | None, cookie: str = "", path: str = "/ws/stream"):
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", origin=origin, additional_headers=headers
        )


@pytest.fixture
def server(fresh_redis):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *commands("127.0.0.1", port)["web"]],
        env=services.child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_listens(port, process)
        yield Server(port)
    finally:
        process.kill()
        process.wait()


def _until_it_listens(port, process):
    for _ in range(300):
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise AssertionError("the web process never listened")


def signed_in(user) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def until(ws, wanted, within=8.0):
    """The first message for which `wanted` holds."""
    deadline = time.monotonic() + within
    seen = []
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            message = json.loads(ws.recv(timeout=max(0.05, deadline - time.monotonic())))
            seen.append(message)
            if wanted(message):
                return message
    raise AssertionError(f"not heard; heard {seen}")


def subscribe(ws, *channels):
    ws.send(json.dumps({"type": "subscribe", "id": "1", "channels": list(channels)}))
    return until(ws, lambda m: m["type"] == "subscribed")


def say(channel, **data):
    assert push.send_now(channel, "risk.updated", data)


def test_a_page_of_ours_hears_its_portfolio_and_not_a_stranger_s(server):
    owner, stranger = factories.make_user(), factories.make_user("stranger@example.com")
    mine, foreign = factories.make_portfolio(owner=owner), factories.make_portfolio(owner=stranger)
    with server.open(origin=server.origin, cookie=signed_in(owner)) as ws:
        channels = [f"portfolio.{mine.pk}.risk", f"portfolio.{foreign.pk}.risk"]
        answer = subscribe(ws, *channels, "portfolio.nonsense.risk")

        say(channels[1], var="1.00")
        say(channels[0], var="2.00")
        update = until(ws, lambda m: m["type"] == "update")

    assert answer["channels"] == [channels[0]]
    assert [each["code"] for each in answer["rejected"]] == ["not_found", "not_found"]
    assert update["channel"] == channels[0]
    assert update["data"] == {"var": "2.00"}


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_a_foreign_origin_is_turned_away_even_with_a_session(server, origin):
    cookie = signed_in(factories.make_user())

    with pytest.raises(InvalidStatus) as refusal, server.open(origin=origin, cookie=cookie):
        pass

    assert refusal.value.response.status_code == 403


def test_without_an_origin_cookies_do_not_count_and_a_token_does(server):
    user = factories.make_user()
    token = tokens.create_personal(
        user=user, name="t", scopes=["read"], by=Actor.of_user(user)
    )[1]
    with server.open(origin=None, cookie=signed_in(user)) as ws:
        ws.send(json.dumps({"type": "subscribe", "id": "1", "channels": ["market"]}))
        with pytest.raises(ConnectionClosed) as closed:
            until(ws, lambda m: m["type"] == "subscribed")
    assert closed.value.rcvd.code == 4401

    with server.open(origin=None) as ws:
        ws.send(json.dumps({"type": "auth", "token": token}))
        until(ws, lambda m: m["type"] == "authenticated")
        assert subscribe(ws, "market")["channels"] == ["market"]


def test_a_socket_that_never_says_who_it_is_is_closed(server):
    with server.open(origin=None) as ws, pytest.raises(ConnectionClosed) as closed:
        until(ws, lambda m: m["type"] == "never", within=9)

    assert closed.value.rcvd.code == 4408


def test_a_revoked_member_hears_nothing_within_five_seconds(server):
    owner, friend = factories.make_user(), factories.make_user("friend@example.com")
    portfolio = factories.make_portfolio(owner=owner)
    part = Membership.objects.create(portfolio=portfolio, user=friend, role="viewer")
    channel = f"portfolio.{portfolio.pk}.risk"
    with server.open(origin=server.origin, cookie=signed_in(friend)) as ws:
        subscribe(ws, channel)
        until(ws, lambda m: m["type"] == "snapshot")

        part.revoked_at = clock.now()
        part.save()
        error = until(ws, lambda m: m["type"] == "error", within=6)
        say(channel, var="3.00")

        with pytest.raises(AssertionError):
            until(ws, lambda m: m["type"] == "update", within=2)
    assert (error["code"], error["channel"]) == ("revoked", channel)


def test_signing_out_everywhere_closes_the_socket_within_five_seconds(server):
    user = factories.make_user()
    with server.open(origin=server.origin, cookie=signed_in(user)) as ws:
        subscribe(ws, "market")

        accounts.end_everywhere(user_id=user.pk, by=Actor.of_user(user))
        with pytest.raises(ConnectionClosed) as closed:
            until(ws, lambda m: m["type"] == "never", within=6)

    assert closed.value.rcvd.code == 4401


def test_a_socket_idle_for_twelve_seconds_still_hears(server):
    user = factories.make_user()
    with server.open(origin=server.origin, cookie=signed_in(user)) as ws:
        subscribe(ws, "market")
        time.sleep(12)

        push.send_now("market", "market.updated", {"state": "open"})
        update = until(ws, lambda m: m["type"] == "update" and m["channel"] == "market")

    assert update["data"]["state"] == "open"


def flood(ws):
    for _ in range(60):
        ws.send('{"type":"ping"}')
    until(ws, lambda m: m["type"] == "never", within=5)


def test_a_flood_of_messages_closes_the_socket(server):
    user = factories.make_user()
    with server.open(origin=server.origin, cookie=signed_in(user)) as ws:
        with pytest.raises(ConnectionClosed) as closed:
            flood(ws)

    assert closed.value.rcvd.code == 4429
