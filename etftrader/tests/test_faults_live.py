"""The live store dies, hangs or forgets: pages and trades go on, sockets say so and recover."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from django.conf import settings as current
from django.test import Client
from websockets.sync.client import connect

from etftrader.core import livestate, push
from etftrader.deploy.programs import commands
from etftrader.testing import services
from portfolios.tests import factories
from risk.models import Alert
from risk.services import alerts

pytestmark = pytest.mark.django_db(transaction=True)

PAGE_S = 2.0  # promised while the store is away
KNOWN_S = 5.0  # until an open page says so
BACK_S = 10.0  # until live values are there again


@dataclass
class Web:
    """A real web process, one signed-in person of it."""

    port: int
    cookie: str

    def open(self):
        headers = {"Cookie": f"{current.SESSION_COOKIE_NAME}={self.cookie}"}
        address = f"127.0.0.1:{self.port}"
        return connect(
            f"ws://{address}/ws/stream", origin=f"http://{address}", additional_headers=headers
        )

    def get(self, path: str) -> tuple[int, float]:
        """Status and seconds of a page."""
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        began = time.monotonic()
        try:
            line.request(
                "GET", path, headers={"Cookie": f"{current.SESSION_COOKIE_NAME}={self.cookie}"}
            )
            answer = line.getresponse()
            answer.read()
            return answer.status, time.monotonic() - began
        finally:
            line.close()


@pytest.fixture
def store(own_redis, settings):
    """A live store of the test's own; what this process publishes goes there too."""
    settings.LIVE_URL = own_redis.url
    livestate.client.cache_clear()
    livestate.script.cache_clear()
    yield own_redis
    if own_redis.process is not None:
        own_redis.process.send_signal(signal.SIGCONT)
    livestate.client.cache_clear()
    livestate.script.cache_clear()


@pytest.fixture
def owner():
    return factories.make_user()


@pytest.fixture
def web(store, owner):
    client = Client()
    client.force_login(owner, backend="django.contrib.auth.backends.ModelBackend")
    cookie = client.cookies[current.SESSION_COOKIE_NAME].value
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, *commands("127.0.0.1", port)["web"]],
        env=services.child_environment(**store.urls),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_listens(port, process)
        yield Web(port, cookie)
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


def until(ws, wanted, within):
    """The first message for which `wanted` holds, and after how long it came."""
    began, seen = time.monotonic(), []
    while (left := began + within - time.monotonic()) > 0:
        with contextlib.suppress(TimeoutError):
            message = json.loads(ws.recv(timeout=left))
            seen.append(message)
            if wanted(message):
                return message
    raise AssertionError(f"not heard within {within} s; heard {seen}")


def subscribe(ws, *channels):
    ws.send(json.dumps({"type": "subscribe", "id": "1", "channels": list(channels)}))
    until(ws, lambda m: m["type"] == "subscribed", 8)
    return [until(ws, lambda m: m["type"] == "snapshot", 8) for _ in channels]


def is_away(message):
    return message["type"] == "heartbeat" and message.get("live") == "away"


def is_back(message):
    return message["type"] == "heartbeat" and "live" not in message


def say(channel, **data):
    return push.send_now(channel, "risk.updated", data)


def hang(store):
    store.process.send_signal(signal.SIGSTOP)


def wake(store):
    store.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    ("breaks", "mends"),
    [
        pytest.param(services.RedisServer.kill, services.RedisServer.start, id="killed"),
        pytest.param(hang, wake, id="hung"),
    ],
)
def test_pages_go_on_without_the_store_and_the_socket_says_so_and_recovers(
    web, store, owner, breaks, mends
):
    channel = f"portfolio.{factories.make_portfolio(owner=owner, cash=1000).pk}.risk"
    factories.make_clock()
    assert web.get("/")[0] == 200  # the first one loads what pages need
    with web.open() as ws:
        subscribe(ws, channel)
        say(channel, var="1.00")
        until(ws, lambda m: m["type"] == "update", 5)

        breaks(store)
        until(ws, is_away, KNOWN_S)
        answers = [web.get(path) for path in ("/", "/", "/alerts/", "/api/v1/portfolios")]
        mends(store)
        returned = time.monotonic()
        until(ws, is_back, BACK_S)
        while not say(channel, var="2.00"):
            assert time.monotonic() - returned < BACK_S
            time.sleep(0.1)
        update = until(ws, lambda m: m["type"] == "update" and m["data"] == {"var": "2.00"}, 5)

    assert time.monotonic() - returned < BACK_S
    assert update["channel"] == channel
    assert [status for status, _ in answers] == [200] * 4
    assert max(seconds for _, seconds in answers) <= PAGE_S, answers


def test_a_socket_opens_while_the_store_is_away(web, store, owner):
    channel = f"portfolio.{factories.make_portfolio(owner=owner).pk}.risk"
    store.kill()
    with web.open() as ws:
        (snapshot,) = subscribe(ws, channel)
        until(ws, is_away, 2 * KNOWN_S)
        store.start()
        until(ws, is_back, BACK_S)
        say(channel, var="3.00")
        update = until(ws, lambda m: m["type"] == "update", BACK_S)

    assert snapshot["data"] is None
    assert update["data"] == {"var": "3.00"}


def test_an_emptied_store_counts_anew_and_nothing_is_taken_for_old(web, store, owner):
    channel = f"portfolio.{factories.make_portfolio(owner=owner).pk}.risk"
    for number in range(20):
        say(channel, var=str(number))
    with web.open() as ws:
        (snapshot,) = subscribe(ws, channel)
        store.flush()
        # so close together that the first of the new count is conflated away
        for number in (100, 101, 102):
            say(channel, var=str(number))
        update = until(ws, lambda m: m["type"] == "update" and m["data"]["var"] == "102", BACK_S)
        ws.send(json.dumps({"type": "resync", "id": "2", "channel": channel}))
        whole = until(ws, lambda m: m["type"] in ("snapshot", "error"), 5)

    assert snapshot["seq"] == 20
    assert update["seq"] == 3
    assert update["epoch"] != snapshot["epoch"]
    assert (whole["type"], whole["seq"], whole["data"]) == ("snapshot", 3, {"var": "102"})


def test_a_lost_hint_costs_a_few_seconds(web, store, owner):
    channel = f"portfolio.{factories.make_portfolio(owner=owner).pk}.risk"
    with web.open() as ws:
        subscribe(ws, channel)
        say(channel, var="1.00")
        until(ws, lambda m: m["type"] == "update", 5)
        # stored, but told to nobody
        client = livestate.client()
        text = client.hget(push.channel_key(channel), "text").decode()
        newer = json.dumps(json.loads(text) | {"seq": 2, "data": {"var": "2.00"}})
        client.hset(push.channel_key(channel), mapping={"seq": 2, "text": newer})

        update = until(ws, lambda m: m["type"] == "update", BACK_S)

    assert (update["seq"], update["data"]) == (2, {"var": "2.00"})


def test_a_second_listener_takes_no_event_from_the_first(web, store, owner):
    book = factories.make_portfolio(owner=owner)
    channel = f"portfolio.{book.pk}.alerts"
    with web.open() as first, web.open() as second:
        subscribe(first, channel)
        store.kill()  # nobody is told: only the row is there
        _alert(book)
        subscribe(second, channel)

        heard = until(first, lambda m: m["type"] == "update", BACK_S)

    assert heard["data"]["title"] == "VaR above its limit"
    assert Alert.objects.count() == 1


def _alert(book):
    alerts.raise_once(
        portfolio_id=book.pk,
        kind="limit",
        key="var",
        severity="breach",
        title="VaR above its limit",
        detail="",
        as_of=factories.make_clock().as_of,
        session_date=factories.WEDNESDAY,
    )


def test_an_absent_store_costs_a_process_one_time_out_not_one_a_call(store):
    assert say("market", state="open")
    os.kill(store.process.pid, signal.SIGSTOP)
    began = time.monotonic()

    answers = [push.newest("market"), push.is_watched("market"), say("market", state="open")]
    seconds = time.monotonic() - began

    assert answers == [None, False, False]
    assert seconds < 1.5 * livestate.ANSWER_S
    os.kill(store.process.pid, signal.SIGCONT)
    time.sleep(livestate.REST_S)
    assert say("market", state="open")


def test_an_emptied_store_is_noticed_once(store):
    assert not push.is_kept()
    assert push.is_kept()
    store.flush()
    assert not push.is_kept()
    assert push.is_kept()
    store.kill()
    assert push.is_kept()


HUNG_BROKER = """
import sys, time, django
django.setup()
import etftrader.celery
from etftrader.core import jobs
for _ in range(3):
    began = time.monotonic()
    try:
        jobs.send("etftrader.heartbeat")
        word = "sent"
    except (jobs.BrokerAway, OSError):
        word = "away"
    print(word, round(time.monotonic() - began, 2), flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("breaks", [services.RedisServer.kill, hang])
def test_an_absent_broker_costs_a_process_one_time_out_not_one_a_request(own_redis, breaks):
    with subprocess.Popen(
        [sys.executable, "-c", HUNG_BROKER],
        env=services.child_environment(**own_redis.urls),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            assert child.stdout.readline().startswith("sent")
            breaks(own_redis)
            child.stdin.write("\n")
            child.stdin.flush()
            assert child.stdout.readline().startswith("away")
            child.stdin.write("\n")
            child.stdin.flush()
            word, seconds = child.stdout.readline().split()
        finally:
            child.kill()
            if own_redis.process is not None:
                wake(own_redis)

    assert (word, float(seconds) < 0.1) == ("away", True)
