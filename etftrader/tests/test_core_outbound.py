"""Manners and caps of the outbound client: rate, back-off, breaker, pages, size and time."""

import gzip
import socket
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from etftrader.core.errors import BadInput
from etftrader.core.outbound import line as lines
from etftrader.core.outbound.answers import Limits, Unpacker, retry_after
from etftrader.core.outbound.client import Client
from etftrader.core.outbound.errors import (
    NotKnown,
    NotReached,
    OutboundFailed,
    OutboundRefused,
    Paused,
    RateLimited,
    ServerFailed,
    Throttled,
    TimedOut,
    TooLarge,
    TurnedDown,
    Unreadable,
)
from etftrader.core.outbound.line import Breaker, Line, TokenBucket
from etftrader.core.outbound.rules import Rules
from etftrader.testing.yahoo_server import ReplayServer, Reply, endless, trickle

HOST = "data.example.com"
URL = f"https://{HOST}/x"
LIMITS = Limits(connect_s=0.3, read_s=0.7, max_bytes=1_000_000)


class Clock:
    """Time that passes only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def a_line(clock: Clock, **named: Any) -> Line:
    given = {"per_minute": 10_000, "spacing_s": 0.0, "jitter": lambda low, high: high} | named
    return Line("tests", clock=clock, sleep=clock.sleep, **given)


@pytest.fixture
def server() -> Iterator[ReplayServer]:
    with ReplayServer() as running:
        yield running


Make = Callable[..., Client]


@pytest.fixture
def client(server: ReplayServer, clock: Clock) -> Make:
    def made(line: Line | None = None) -> Client:
        rules = Rules("tests", frozenset({HOST}), base_url=server.url)
        return Client(rules, line or a_line(clock), limits=LIMITS)

    return made


# --- rate -------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_minute", lines.PLANS)
def test_no_minute_holds_more_calls_than_the_plan(clock: Clock, per_minute: int) -> None:
    bucket = TokenBucket(per_minute, spacing_s=0.0, clock=clock)
    starts = []
    for _ in range(min(3 * per_minute, 3_000) + 20):
        clock.now += bucket.reserve(longest_s=1_000)
        starts.append(clock.now)

    # a minute is half open: a call at its very end belongs to the next one
    rounding = 1e-6
    for first, moment in enumerate(starts):
        within = sum(moment <= each < moment + 60 - rounding for each in starts[first:])
        assert within <= per_minute
    assert starts[-1] <= 60 * (len(starts) / (0.8 * per_minute)) + 1


def test_calls_keep_their_distance(clock: Clock) -> None:
    bucket = TokenBucket(10_000, spacing_s=0.2, clock=clock)

    waits = []
    for _ in range(4):
        waits.append(bucket.reserve())
        clock.now += waits[-1]

    assert waits == pytest.approx([0.0, 0.2, 0.2, 0.2])


def test_a_plan_nobody_sells_is_refused(clock: Clock) -> None:
    with pytest.raises(BadInput, match="5, 100, 1000, 10000"):
        TokenBucket(50, spacing_s=0.0, clock=clock)


def test_a_wait_too_long_is_said_at_once_and_takes_no_place(clock: Clock) -> None:
    bucket = TokenBucket(5, spacing_s=0.0, clock=clock)
    bucket.reserve()

    for _ in range(3):
        with pytest.raises(Throttled, match="used up"):
            bucket.reserve(longest_s=1.0)
    clock.now += 12.0
    assert bucket.reserve(longest_s=1.0) == 0.0


def test_threads_share_one_rate() -> None:
    frozen = Clock()
    bucket = TokenBucket(100, spacing_s=0.0, clock=frozen)
    waits: list[float] = []

    def ask() -> None:
        for _ in range(5):
            waits.append(bucket.reserve(longest_s=1_000))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sum(wait == 0 for wait in waits) == 10
    assert len(set(waits)) == 31


# --- further tries ----------------------------------------------------------------------------


def failing(*failures: OutboundFailed) -> tuple[Callable[[], str], list[int]]:
    tries: list[int] = []

    def send() -> str:
        tries.append(1)
        if len(tries) <= len(failures):
            raise failures[len(tries) - 1]
        return "answer"

    return send, tries


def test_pauses_double_and_are_drawn_from_the_whole_range(clock: Clock) -> None:
    drawn = []

    def jitter(low: float, high: float) -> float:
        drawn.append((low, high))
        return high / 2

    send, _ = failing(*[ServerFailed("down")] * 4)

    assert a_line(clock, jitter=jitter).carry(send) == "answer"
    assert drawn == [(0.0, 1.0), (0.0, 2.0), (0.0, 4.0), (0.0, 8.0)]
    assert clock.naps == [0.5, 1.0, 2.0, 4.0]


@pytest.mark.parametrize(
    "failure", [RateLimited("429"), ServerFailed("5xx"), NotReached(""), TimedOut("")]
)
def test_five_tries_are_all(clock: Clock, failure: OutboundFailed) -> None:
    send, tries = failing(*[failure] * 9)

    with pytest.raises(type(failure)):
        a_line(clock).carry(send)
    assert len(tries) == 5


@pytest.mark.parametrize("failure", [TooLarge(""), Unreadable(""), NotKnown(""), TurnedDown("")])
def test_what_will_not_change_is_not_asked_again(clock: Clock, failure: OutboundFailed) -> None:
    send, tries = failing(failure)

    with pytest.raises(type(failure)):
        a_line(clock).carry(send)
    assert len(tries) == 1


def test_a_pause_the_source_names_is_kept(clock: Clock) -> None:
    send, _ = failing(RateLimited("", retry_after_s=30), RateLimited("", retry_after_s=0))

    a_line(clock).carry(send)

    assert clock.naps == [30.0, 2.0]


def test_a_pause_of_hours_is_not_waited_out(clock: Clock) -> None:
    send, tries = failing(RateLimited("", retry_after_s=3600))

    with pytest.raises(RateLimited) as failure:
        a_line(clock).carry(send)
    assert (len(tries), clock.naps, failure.value.retry_after_s) == (1, [], 3600)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("Sat, 21 Nov 2026 08:00:30 GMT", 30.0),
        ("Sat, 21 Nov 2026 07:00:00 GMT", 0.0),
        ("-5", None),
        ("soon", None),
        ("", None),
        (None, None),
        ("1" * 50, None),
        ("Sat, 21 Nov 2026 08:00:30", None),
    ],
)
def test_reading_retry_after(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, datetime(2026, 11, 21, 8, 0, tzinfo=UTC)) == seconds


# --- breaker ----------------------------------------------------------------------------------


def test_three_failures_open_the_breaker_for_a_minute(clock: Clock) -> None:
    line = a_line(clock)
    send, tries = failing(*[Unreadable("")] * 9)
    for _ in range(3):
        with pytest.raises(Unreadable):
            line.carry(send)
    with pytest.raises(Paused, match="failed 3 times; next try in 60 s"):
        line.carry(send)
    clock.now += 59.9
    with pytest.raises(Paused):
        line.carry(send)
    assert len(tries) == 3

    clock.now += 0.2
    with pytest.raises(Unreadable):
        line.carry(send)
    with pytest.raises(Paused):
        line.carry(send)
    assert len(tries) == 4


def test_one_call_tries_whether_the_source_is_back(clock: Clock) -> None:
    breaker = Breaker("tests", clock=clock)
    for _ in range(3):
        breaker.failed()
    clock.now += 60.0

    breaker.admit()
    with pytest.raises(Paused):
        breaker.admit()
    breaker.worked()
    breaker.admit()
    assert not breaker.is_open


def test_a_success_between_forgets_the_failures(clock: Clock) -> None:
    line = a_line(clock)
    for _ in range(4):
        for _ in range(2):
            with pytest.raises(Unreadable):
                line.carry(failing(Unreadable(""))[0])
        line.carry(failing()[0])


@pytest.mark.parametrize("failure", [NotKnown(""), TurnedDown("")])
def test_a_source_that_says_no_is_well(clock: Clock, failure: OutboundFailed) -> None:
    line = a_line(clock)
    for _ in range(5):
        with pytest.raises(type(failure)):
            line.carry(failing(failure)[0])


def test_an_errand_leaves_the_breaker_alone(clock: Clock) -> None:
    line = a_line(clock)
    for _ in range(5):
        with pytest.raises(ServerFailed):
            line.carry(failing(ServerFailed(""))[0], tries=1, counts=False)
    line.carry(failing()[0])


def test_a_process_has_one_line_to_a_source() -> None:
    assert lines.shared("one", per_minute=5, spacing_s=0.1) is lines.shared(
        "one", per_minute=5, spacing_s=0.1
    )
    assert lines.shared("one", per_minute=5, spacing_s=0.1) is not lines.shared(
        "two", per_minute=5, spacing_s=0.1
    )


def test_one_slow_call_does_not_hold_up_another(clock: Clock) -> None:
    line, inside, done = a_line(clock), threading.Event(), threading.Event()

    def slow() -> str:
        inside.set()
        assert done.wait(5)
        return "slow"

    thread = threading.Thread(target=line.carry, args=(slow,))
    thread.start()
    assert inside.wait(5)
    assert line.carry(lambda: "quick") == "quick"
    done.set()
    thread.join()


# --- answers ----------------------------------------------------------------------------------


def test_json_comes_back_and_the_question_is_plain(client: Make, server: ReplayServer) -> None:
    server.say("/x", Reply.json({"a": 1}))

    assert client().json(URL, {"q": "1 2"}) == {"a": 1}
    assert server.asked[0].query == {"q": ["1 2"]}
    assert server.asked[0].headers["User-Agent"] == "ETFTrader"


@pytest.mark.parametrize("packed", [gzip.compress, zlib.compress])
def test_a_packed_answer_is_unpacked(client: Make, server: ReplayServer, packed: Any) -> None:
    server.say("/x", Reply(200, packed(b'{"a": 1}'), {"Content-Encoding": "gzip"}))

    assert client().json(URL) == {"a": 1}


def test_429_then_an_answer(client: Make, server: ReplayServer, clock: Clock) -> None:
    server.say("/x", Reply(429, b"", {"Retry-After": "12"}), Reply.json([]))

    assert client().json(URL) == []
    assert clock.naps == [12.0]


@pytest.mark.parametrize(
    ("reply", "failure"),
    [
        (Reply(429), RateLimited),
        (Reply(500), ServerFailed),
        (Reply(503), ServerFailed),
        (Reply(404), NotKnown),
        (Reply(410), NotKnown),
        (Reply(401), TurnedDown),
        (Reply(400), TurnedDown),
        (Reply(301, headers={"Location": "https://data.example.com/y"}), Unreadable),
        (Reply(304), Unreadable),
        (Reply(200, b"<html>"), Unreadable),
        (Reply(200, b""), Unreadable),
        (Reply(200, b"[" * 100_000), Unreadable),
        (Reply(200, b"\xff"), Unreadable),
        (Reply(200, b"{}", claims=900), NotReached),
        (Reply(200, gzip.compress(b"{}")[:-9], {"Content-Encoding": "gzip"}), Unreadable),
        (Reply(200, b"no gzip", {"Content-Encoding": "gzip"}), Unreadable),
        (Reply(200, b"{}", {"Content-Encoding": "br"}), Unreadable),
        (Reply(200, b"{}", {"Content-Encoding": "gzip, gzip"}), Unreadable),
        (Reply(200, b" " * 1_000_001), TooLarge),
        (Reply(200, pieces=endless(b" " * 65_536, 100_000_000)), TooLarge),
        (Reply(200, gzip.compress(b" " * 50_000_000), {"Content-Encoding": "gzip"}), TooLarge),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_an_answer_of_no_use_is_named(
    client: Make, server: ReplayServer, reply: Reply, failure: type
) -> None:
    server.say("/x", reply)

    with pytest.raises(failure) as told:
        client().json(URL)
    assert f"{HOST}/x" in told.value.detail
    assert server.sent_bytes < 30_000_000


def test_a_bomb_is_never_unpacked_whole() -> None:
    packed = gzip.compress(b" " * 50_000_000)
    tracemalloc.start()

    with pytest.raises(TooLarge):
        Unpacker(encoding="gzip", max_bytes=1_000_000, said="tests").take(packed)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


def test_an_answer_at_the_cap_is_taken(client: Make, server: ReplayServer) -> None:
    server.say("/x", Reply(200, b"1" + b" " * 999_999))

    assert client().json(URL) == 1


def timed(call: Callable[[], object]) -> float:
    began = time.monotonic()
    with pytest.raises(TimedOut):
        call()
    return time.monotonic() - began


def test_a_trickling_body_ends_by_the_clock(server: ReplayServer, clock: Clock) -> None:
    server.say("/x", Reply(200, pieces=trickle(b" ", every_s=0.05, times=100)))
    rules = Rules("tests", frozenset({HOST}), base_url=server.url)
    asked = Client(rules, a_line(clock), limits=Limits(connect_s=0.1, read_s=0.2))

    assert timed(lambda: asked.text(URL)) < 5 * 0.3 + 1
    assert len(server.asked) == 5


def test_a_silent_source_and_trickling_headers_end_by_the_clock(clock: Clock) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                    line.sendall(b"HTTP/1.1 200 OK\r\n")
                    for _ in range(40):
                        line.sendall(b"X-A: b\r\n")
                        time.sleep(0.1)
                except OSError:
                    continue

        threading.Thread(target=drip, daemon=True).start()
        base = f"http://127.0.0.1:{listener.getsockname()[1]}"
        rules = Rules("tests", frozenset({HOST}), base_url=base)
        hooks = Client(rules, a_line(clock), limits=LIMITS)

        assert timed(lambda: hooks.deliver(URL, b"{}")) < 2.0


# --- pages ------------------------------------------------------------------------------------


def following(page: Any) -> str | None:
    return page.get("next")


def test_pages_are_walked_by_their_next_link_till_the_end(
    client: Make, server: ReplayServer
) -> None:
    """A chain of 8,748 contracts in pages of 250."""
    pages = [list(range(start, min(start + 250, 8748))) for start in range(0, 8748, 250)]
    for number, page in enumerate(pages):
        target = f"https://{HOST}/page/{number + 1:03d}?cursor={number}"
        more = {"next": target} if number + 1 < len(pages) else {}
        server.say(f"/page/{number:03d}", Reply.json({"rows": page, **more}))

    walked = list(client().pages(f"https://{HOST}/page/000", {"limit": 250}, following))

    assert [row for page in walked for row in page["rows"]] == list(range(8748))
    assert len(server.asked) == 35
    assert server.asked[1].query == {"cursor": ["0"]}


@pytest.mark.parametrize(
    "target", ["https://evil.example/2", "http://169.254.169.254/", "file:///etc/passwd", "../../x"]
)
def test_a_next_link_outside_the_list_ends_the_walk(
    client: Make, server: ReplayServer, target: str
) -> None:
    server.say("/x", Reply.json({"next": target}))
    walk = client().pages(URL, None, following)

    next(walk)
    with pytest.raises(OutboundRefused):
        next(walk)
    assert len(server.asked) == 1


def test_pages_in_a_circle_end(client: Make, server: ReplayServer) -> None:
    server.say("/x", Reply.json({"next": URL}))

    with pytest.raises(Unreadable, match="already read"):
        list(client().pages(URL, None, following))
    assert len(server.asked) == 1


# --- addresses --------------------------------------------------------------------------------


def test_a_base_address_with_a_path_keeps_it(server: ReplayServer, clock: Clock) -> None:
    server.say("/mirror/x", Reply.json([1]))
    rules = Rules("tests", frozenset({HOST}), base_url=f"{server.url}/mirror/")

    assert Client(rules, a_line(clock), limits=LIMITS).json(URL) == [1]


def test_the_next_pinned_address_is_tried_when_one_does_not_answer(
    server: ReplayServer, clock: Clock
) -> None:
    server.say("/x", Reply.json([1]))
    port = server.url.rsplit(":", 1)[1]

    def lookup(host: str, port: int, **named: Any) -> list[Any]:
        return [(2, 1, 6, "", (each, port)) for each in ("127.0.0.9", "127.0.0.1")]

    rules = Rules("tests", frozenset({HOST}), base_url=f"http://localhost:{port}")
    asked = Client(rules, a_line(clock), limits=LIMITS, lookup=lookup)

    assert asked.json(URL) == [1]
    assert server.asked[0].headers["Host"] == f"localhost:{port}"


def test_a_name_nobody_knows_is_tried_again_and_said(clock: Clock) -> None:
    def lookup(*question: Any, **named: Any) -> list[Any]:
        raise socket.gaierror("no such name")

    asked = Client(Rules("tests", frozenset({HOST})), a_line(clock), limits=LIMITS, lookup=lookup)

    with pytest.raises(NotReached, match="cannot be resolved"):
        asked.json(URL)
    assert len(clock.naps) == 4
