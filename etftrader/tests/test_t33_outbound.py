"""T-33: nothing is reached that is not on the list, however the way there is spelled.

A canary listens on this machine: every hostile target leads to it, and it must stay silent. It
also hears the one client that connects below Python, where no guard of Python's sockets sees it.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from etftrader.core.errors import BadInput
from etftrader.core.outbound import addresses, browser
from etftrader.core.outbound import rules as outbound_rules
from etftrader.core.outbound.answers import Limits
from etftrader.core.outbound.client import Client
from etftrader.core.outbound.errors import NotReached, OutboundFailed, OutboundRefused
from etftrader.core.outbound.line import Line
from etftrader.core.outbound.rules import Rules, checked_symbol
from etftrader.core.outbound.sockets import streaming
from etftrader.testing.plugin import NetworkRefused
from etftrader.testing.yahoo_server import ReplayServer, Reply

HOST = "data.example.com"
LIMITS = Limits(connect_s=0.3, read_s=0.5)
PUBLIC = "93.184.216.34"


class Canary:
    """A listener on this machine that counts who comes."""

    def __init__(self) -> None:
        self.calls = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            self.calls += 1
            line.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    found = Canary()
    yield found
    found.close()


def leading_to(*found: str) -> Callable[..., list[Any]]:
    """A name server that answers every question with these addresses."""

    def lookup(host: str, port: int, **named: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in found]

    return lookup


def bend_ports(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> None:
    """The port of https is not ours to listen on: here it is the canary's."""
    monkeypatch.setitem(outbound_rules.PORTS, "https", canary.port)
    monkeypatch.setitem(outbound_rules.PORTS, "wss", canary.port)


def line() -> Line:
    return Line("tests", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)


def through_requests(rules: Rules, lookup: Any, url: str) -> None:
    Client(rules, line(), limits=LIMITS, lookup=lookup).text(url)


def through_curl(rules: Rules, lookup: Any, url: str) -> None:
    session = browser.guarded_session(
        rules, line(), judge=lambda *_: None, limits=LIMITS, lookup=lookup
    )
    try:
        session.get(url, allow_redirects=True, verify=False, proxies={"all": "http://127.0.0.1:1"})
    except OSError as failure:
        ours = browser.cause_of(failure)
        assert ours is not None
        raise ours from failure


def through_a_socket(rules: Rules, lookup: Any, url: str) -> None:
    with streaming(rules, url.replace("https:", "wss:", 1), limits=LIMITS, lookup=lookup):
        pass


def as_webhook(rules: Rules, lookup: Any, url: str) -> None:
    hooks = Rules("webhooks", any_public=True)
    Client(hooks, line(), limits=LIMITS, lookup=lookup).deliver(url, b"{}")


WAYS = [through_requests, through_curl, through_a_socket, as_webhook]

# {p} is the canary's port: each of these would be heard if it were followed
ADDRESSES = [
    "http://data.example.com/x",
    "ftp://data.example.com/x",
    "file:///etc/passwd",
    "gopher://127.0.0.1:{p}/x",
    "dict://127.0.0.1:{p}/x",
    "data:text/plain,x",
    "javascript:alert(1)",
    "//127.0.0.1:{p}/x",
    "127.0.0.1:{p}",
    "",
    "http://127.0.0.1:{p}/",
    "https://127.0.0.1:{p}/",
    "https://localhost:{p}/",
    "https://127.1:{p}/",
    "https://2130706433:{p}/",
    "https://0x7f000001:{p}/",
    "https://0177.0.0.1:{p}/",
    "https://0:{p}/",
    "https://0.0.0.0:{p}/",
    "https://[::1]:{p}/",
    "https://[::ffff:127.0.0.1]:{p}/",
    "https://[::ffff:7f00:1]:{p}/",
    "https://[64:ff9b::7f00:1]/",
    "https://[fe80::1%25lo]/",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://100.64.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://metadata.google.internal:{p}/",
    "https://127.0.0.1.nip.io:{p}/",
    "https://data.example.com:{p}/x",
    "https://data.example.com.:{p}/x",
    "https://data.example.com@127.0.0.1:{p}/",
    "https://user:pass@data.example.com/",
    "https://127.0.0.1:{p}#@data.example.com/",
    "https://127.0.0.1:{p}\\@data.example.com/",
    "https://127.0.0.1:{p}%23@data.example.com/",
    "https://data.example.com\t.evil.example/",
    "https://data.example.com\r\nHost: evil.example/",
    "https://ⓛocalhost:{p}/",
    "https://127。0。0。1:{p}/",
    "https://data.example.com/a/../../admin",
    "https://data.example.com/a/%2e%2e/admin",
    "https://data.example.com/a/%252e%252e/admin",
    "https://data.example.com/a%2f..%2fadmin",
    "https://data.example.com/a%5c..%5cadmin",
    "https://data.example.com/a%00b",
    "https://data.example.com:99999/",
    "https://data.example.com:0/",
    "https://[data.example.com/",
    "https:///x",
    "https://" + "a" * 5000,
]
# Names that are listed, or any name a user may give, and what the name server answers
ANSWERS = [
    ("127.0.0.1",),
    ("127.9.9.9",),
    ("0.0.0.0",),
    ("10.1.2.3",),
    ("172.31.0.1",),
    ("192.168.1.1",),
    ("100.64.0.1",),
    ("169.254.169.254",),
    ("192.0.0.8",),
    ("198.18.0.1",),
    ("224.0.0.1",),
    ("240.0.0.1",),
    ("255.255.255.255",),
    ("::1",),
    ("::",),
    ("fe80::1",),
    ("fc00::1",),
    ("fec0::1",),
    ("::ffff:127.0.0.1",),
    ("::127.0.0.1",),
    ("64:ff9b::7f00:1",),
    ("2002:7f00:1::",),
    ("2001:0:7f00:1::",),
    (PUBLIC, "127.0.0.1"),
    ("not an address",),
]


def test_there_are_enough_hostile_targets() -> None:
    assert len(ADDRESSES) + len(ANSWERS) >= 40


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_hostile_address_is_refused_before_a_name_is_looked_up(
    canary: Canary, way: Any, address: str
) -> None:
    asked = []

    def lookup(*question: Any, **named: Any) -> list[Any]:
        asked.append(question)
        return leading_to("127.0.0.1")(*question, **named)

    with pytest.raises(OutboundRefused):
        way(Rules("tests", frozenset({HOST})), lookup, address.format(p=canary.port))
    assert canary.calls == 0
    # a webhook may name any public host; then its address is what refuses it
    assert asked == [] or way is as_webhook


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("answers", ANSWERS, ids=str)
def test_a_listed_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, canary: Canary, way: Any, answers: tuple[str, ...]
) -> None:
    bend_ports(monkeypatch, canary)

    with pytest.raises(OutboundRefused, match="not a public one"):
        way(
            Rules("tests", frozenset({HOST})),
            leading_to(*answers),
            f"https://{HOST}:{canary.port}/x",
        )
    assert canary.calls == 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_the_canary_hears_who_reaches_it(
    monkeypatch: pytest.MonkeyPatch, canary: Canary, way: Any
) -> None:
    """Without the judgement of addresses every way does arrive: the silence above means something."""
    bend_ports(monkeypatch, canary)
    monkeypatch.setattr(addresses, "is_public", lambda text: True)

    with pytest.raises(NotReached):
        way(
            Rules("tests", frozenset({HOST})),
            leading_to("127.0.0.1"),
            f"https://{HOST}:{canary.port}/x",
        )
    assert canary.calls > 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_name_nobody_prepared_meets_the_guard_of_all_tests(way: Any) -> None:
    with pytest.raises(NetworkRefused):
        way(Rules("tests", frozenset({HOST})), None, f"https://{HOST}/x")


@pytest.mark.parametrize(
    "base",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "http://10.0.0.1/",
        "http://169.254.169.254/",
        "http://data.example.com/",
        "http://127.1/",
        "http://0x7f.1/",
        "http://0.0.0.0/",
        "http://user:pass@127.0.0.1/",
        "http://127.0.0.1@evil.example/",
        "http://localhost.evil.example/",
        "http://127.0.0.1/?x=1",
        "http://127.0.0.1/#x",
        "https://2130706433/",
        "https://evil example/",
        "127.0.0.1:8000",
    ],
)
def test_a_hostile_base_address_is_refused(base: str) -> None:
    with pytest.raises(OutboundRefused):
        Rules("tests", frozenset({HOST}), base_url=base)


@pytest.mark.parametrize("found", ["10.0.0.1", "169.254.169.254", PUBLIC])
def test_plain_http_stays_on_this_machine_whatever_localhost_resolves_to(found: str) -> None:
    rules = Rules("tests", frozenset({HOST}), base_url="http://localhost:8001")

    with pytest.raises(OutboundRefused):
        through_requests(rules, leading_to(found), f"https://{HOST}/x")


@pytest.mark.parametrize("found", ["169.254.169.254", "0.0.0.0", "224.0.0.1", "fe80::1"])
def test_an_operators_https_address_may_be_private_but_not_link_local(found: str) -> None:
    rules = Rules("tests", frozenset({HOST}), base_url="https://mirror.corp.example")

    with pytest.raises(OutboundRefused):
        through_requests(rules, leading_to(found), f"https://{HOST}/x")
    assert addresses.pins(rules.route(f"https://{HOST}/x"), leading_to("10.0.0.1")) == ("10.0.0.1",)


REDIRECTS = [
    "https://evil.example/",
    "http://169.254.169.254/latest/meta-data/",
    "https://169.254.169.254/",
    "http://127.0.0.1:{p}/",
    "https://127.0.0.1:{p}/",
    "https://localhost:{p}/",
    "//127.0.0.1:{p}/",
    "file:///etc/passwd",
    "https://data.example.com:{p}/",
    "https://data.example.com@127.0.0.1:{p}/",
    "https://data.example.com.evil.example/",
    "\\\\127.0.0.1\\x",
]


@pytest.mark.parametrize("target", REDIRECTS)
@pytest.mark.parametrize("way", [through_requests, through_curl], ids=lambda way: way.__name__)
def test_a_redirect_leads_nowhere_outside(canary: Canary, way: Any, target: str) -> None:
    with ReplayServer() as server:
        where = target.format(p=canary.port)
        server.say("/x", Reply(302, headers={"Location": where}))
        rules = Rules("tests", frozenset({HOST}), base_url=server.url)
        with pytest.raises((OutboundRefused, OutboundFailed)):
            way(rules, None, f"https://{HOST}/x")

    assert canary.calls == 0
    # an answer that a busy machine delays is asked for again
    assert {each.path for each in server.asked} == {"/x"}


@pytest.mark.parametrize(
    "symbol",
    [
        "..",
        "...",
        "../../admin",
        "..%2f",
        "SPY/../x",
        "SPY?x=1",
        "SPY#x",
        "SPY&symbols=QQQ",
        "SPY\r\nHost: evil",
        "SPY\n",
        "SPY\x00",
        "SPY ",
        " SPY",
        "spy",
        "S%50Y",
        "S\\PY",
        "@evil",
        "evil.example/",
        "\uff33\uff30\uff39",
        "",
        "^",
        "-",
        "A" * 25,
        None,
        7,
    ],
)
def test_a_symbol_is_no_path(symbol: object) -> None:
    with pytest.raises(BadInput, match="symbol"):
        checked_symbol(symbol)


@pytest.mark.parametrize("symbol", ["SPY", "BRK-B", "^VIX", "EURUSD=X", "0700.HK", "A" * 24])
def test_a_real_symbol_may_stand_in_an_address(symbol: str) -> None:
    assert checked_symbol(symbol) == symbol
    assert Rules("tests", frozenset({HOST})).route(f"https://{HOST}/chart/{symbol}")


def test_the_answer_of_a_webhook_is_not_read() -> None:
    with ReplayServer() as server:
        server.say("/hook", Reply(200, b"secret"))
        rules = Rules("webhooks", any_public=True, base_url=server.url)
        status = Client(rules, line(), limits=LIMITS).deliver(
            "https://user.example.com/hook", b"{}"
        )

    assert status == 200
    assert server.asked[0].method == "POST"


def test_no_proxy_of_the_environment_is_used(
    monkeypatch: pytest.MonkeyPatch, canary: Canary
) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")
    monkeypatch.setenv("no_proxy", "")
    monkeypatch.setenv("NO_PROXY", "")
    with ReplayServer() as server:
        server.say("/x", Reply(200, b"ok", {"Content-Type": "text/plain"}))
        rules = Rules("tests", frozenset({HOST}), base_url=server.url)
        through_requests(rules, None, f"https://{HOST}/x")
        through_curl(rules, None, f"https://{HOST}/x")

    assert len(server.asked) == 2
    assert canary.calls == 0
