"""The one HTTP client of the house: judged address, pinned connection, capped and timed answer."""

import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ReadTimeoutError
from urllib3.util.connection import create_connection

from etftrader.core.outbound import addresses
from etftrader.core.outbound.answers import Answer, Limits, Unpacker, configured, judge_status
from etftrader.core.outbound.errors import (
    NotReached,
    OutboundRefused,
    TimedOut,
    Unreadable,
)
from etftrader.core.outbound.line import Line
from etftrader.core.outbound.rules import Route, Rules

PIECE = 64 * 1024
MOST_PAGES = 10_000
HEADERS = {"User-Agent": "ETFTrader", "Accept-Encoding": "gzip", "Connection": "close"}

Read = TypeVar("Read")


class Client:
    """Asks one source under its rules. Every method raises OutboundFailed or OutboundRefused."""

    def __init__(
        self,
        rules: Rules,
        line: Line,
        *,
        limits: Limits | None = None,
        lookup: addresses.Lookup | None = None,
    ) -> None:
        self._rules, self._line = rules, line
        self._limits = limits or configured()
        self._lookup = lookup

    def json(self, url: str, params: Mapping[str, object] | None = None) -> object:
        """Return one JSON answer."""
        return self._carried(url, params, Answer.json)

    def text(self, url: str, params: Mapping[str, object] | None = None) -> str:
        """Return one answer of plain text, such as CSV."""
        return self._carried(url, params, Answer.text)

    def pages(
        self,
        url: str,
        params: Mapping[str, object] | None,
        following: Callable[[Any], str | None],
    ) -> Iterator[Any]:
        """Yield JSON pages; `following` finds the next page's address in a page, or None.

        The next address is judged like the first, and one that was asked already ends the walk.
        """
        seen: set[str] = set()
        while url not in seen:
            if len(seen) >= MOST_PAGES:
                raise Unreadable(f"{self._rules.name}: more than {MOST_PAGES:,} pages")
            seen.add(url)
            page = self.json(url, params)
            yield page
            following_url = following(page)
            if following_url is None:
                return
            url, params = following_url, None
        raise Unreadable(f"{self._rules.name}: the pages lead back to one already read")

    def deliver(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> int:
        """Post a message and return the status; of the answer nothing else is read."""
        route = self._route(url, None)

        def send() -> int:
            return self._once(route, "POST", body=body, headers=headers, keep=False).status

        return self._line.carry(send, tries=1)

    def _carried(
        self, url: str, params: Mapping[str, object] | None, read: Callable[[Answer], Read]
    ) -> Read:
        route = self._route(url, params)
        return self._line.carry(lambda: read(self._once(route, "GET")))

    def _route(self, url: str, params: Mapping[str, object] | None) -> Route:
        route = self._rules.route(url, params)
        if route.scheme not in ("https", "http"):
            raise OutboundRefused("only https addresses are asked", attr="url")
        return route

    def _once(
        self,
        route: Route,
        method: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        keep: bool = True,
    ) -> Answer:
        adapter = _PinnedAdapter(addresses.pins(route, self._lookup))
        limits = self._limits
        with requests.Session() as session, _deadline(adapter, limits) as watch:
            session.trust_env = False  # no proxy, no .netrc: the way out is ours alone
            session.verify = _authorities()
            session.mount(f"{route.scheme}://", adapter)
            asked = requests.Request(
                method, route.url, data=body, headers={**HEADERS, **(headers or {})}
            )
            try:
                with session.send(
                    session.prepare_request(asked),
                    stream=True,
                    allow_redirects=False,
                    timeout=(limits.connect_s, limits.read_s),
                ) as response:
                    answer = self._read(response, route, keep=keep)
            # the library's own words hold the whole address, and with it a key
            except (requests.Timeout, ReadTimeoutError):
                raise TimedOut(f"{route.said}: no whole answer in time") from None
            except requests.exceptions.SSLError:
                raise NotReached(f"{route.said}: its certificate cannot be trusted") from None
            except (requests.RequestException, HTTPError, OSError):
                if watch.fired:
                    raise TimedOut(f"{route.said}: no whole answer in time") from None
                raise NotReached(f"{route.said}: the connection failed") from None
            if watch.fired:
                # an exchange that was cut looks like one that ended
                raise TimedOut(f"{route.said}: no whole answer in time")
            return answer

    def _read(self, response: requests.Response, route: Route, *, keep: bool) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        judge_status(response.status_code, headers, route.said)
        if not keep:
            return Answer(response.status_code, headers, b"", route.said)
        unpacker = Unpacker(
            encoding=headers.get("content-encoding", "").strip().lower(),
            max_bytes=self._limits.max_bytes,
            said=route.said,
        )
        # read1 hands over what has come; a plain read would wait for more than the deadline
        while piece := response.raw.read1(PIECE, decode_content=False):
            unpacker.take(piece)
        return Answer(response.status_code, headers, unpacker.whole(), route.said)


class _PinnedAdapter(HTTPAdapter):
    """Connects to the addresses that were judged; the name serves TLS and the Host header only."""

    def __init__(self, pins: tuple[str, ...]) -> None:
        self._pins = pins
        self.opened: list[socket.socket] = []
        super().__init__(max_retries=0)

    def init_poolmanager(self, *args: Any, **named: Any) -> None:
        super().init_poolmanager(*args, **named)
        pins, opened = self._pins, self.opened

        class Plain(_pinned(HTTPConnection, pins, opened)):  # type: ignore[misc]
            pass

        class Secure(_pinned(HTTPSConnection, pins, opened)):  # type: ignore[misc]
            pass

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def cut(self) -> None:
        """End the exchange from outside: a read that waits returns at once."""
        for line in self.opened:
            with suppress(OSError):
                # past TLS, which would begin to talk
                socket.socket.shutdown(line, socket.SHUT_RDWR)


def _authorities() -> str | bool:
    """The operator's own certificate authorities, by the names both HTTP clients know."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True


def _pinned(kind: type, pins: tuple[str, ...], opened: list[socket.socket]) -> type:
    class Pinned(kind):  # type: ignore[misc]
        def connect(self) -> None:
            super().connect()
            opened.append(self.sock)

        def _new_conn(self) -> Any:
            failure: OSError | None = None
            for pin in pins:
                try:
                    line = create_connection(
                        (pin, self.port), self.timeout, socket_options=self.socket_options
                    )
                    opened.append(line)
                    return line
                except OSError as one:
                    failure = one
            if isinstance(failure, TimeoutError):
                raise ConnectTimeoutError(self, "timed out") from failure
            raise NewConnectionError(self, "no pinned address answers") from failure

    return Pinned


class _deadline:
    """One clock over headers and body: a trickle of bytes does not extend it."""

    def __init__(self, adapter: _PinnedAdapter, limits: Limits) -> None:
        self.fired = False
        self._adapter = adapter
        self._timer = threading.Timer(limits.connect_s + limits.read_s, self._fire)
        self._timer.daemon = True

    def __enter__(self) -> "_deadline":
        self._timer.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._timer.cancel()

    def _fire(self) -> None:
        self.fired = True
        self._adapter.cut()
