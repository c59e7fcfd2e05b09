"""The session for a source whose library brings its own HTTP client (curl_cffi).

The library gets this one class instead of its own: same list, pins, caps, times and manners, and
redirects inside the list only. Failures leave as that client's exceptions, which the library
knows; ours is their cause.
"""

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, cast
from urllib.parse import urljoin

from etftrader.core.outbound import addresses
from etftrader.core.outbound.answers import Limits, configured, judge_status
from etftrader.core.outbound.errors import (
    NotReached,
    OutboundFailed,
    OutboundRefused,
    TimedOut,
    TooLarge,
    Unreadable,
)
from etftrader.core.outbound.line import TRIES, Line
from etftrader.core.outbound.rules import Route, Rules

MOST_REDIRECTS = 5
REDIRECTS = {301, 302, 303, 307, 308}
PASSED_ON = {
    "params",
    "data",
    "json",
    "headers",
}  # every other wish of the library is ours to decide
TIMED_OUT = 28  # curl's number for it

Judge = Callable[[Route, Any], None]


def guarded_session(
    rules: Rules,
    line: Line,
    *,
    judge: Judge,
    errands: frozenset[str] = frozenset(),
    limits: Limits | None = None,
    lookup: addresses.Lookup | None = None,
) -> Any:
    """Return a curl_cffi session bound to one source.

    `judge` sees every whole answer and raises OutboundFailed for what is not the data asked for.
    Hosts in `errands` (cookies, consent) are tried once and do not count for the breaker.
    """
    made = _session_class()(impersonate="chrome", trust_env=False, allow_redirects=False)
    made.bind(rules, line, judge, errands, limits or configured(), lookup)
    return made


def cause_of(error: BaseException) -> OutboundFailed | OutboundRefused | None:
    """Return our own failure behind an exception the library let through."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OutboundFailed | OutboundRefused):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


@lru_cache(maxsize=1)
def _session_class() -> type:
    """The class is made at first use: the library behind it never loads in the web process."""
    from curl_cffi import CurlError, CurlOpt
    from curl_cffi.curl import CURL_WRITEFUNC_ERROR
    from curl_cffi.requests import Session
    from curl_cffi.requests.exceptions import RequestException

    class GuardedSession(Session):  # type: ignore[misc]
        def bind(
            self,
            rules: Rules,
            line: Line,
            judge: Judge,
            errands: frozenset[str],
            limits: Limits,
            lookup: addresses.Lookup | None,
        ) -> None:
            self._rules, self._line, self._judge = rules, line, judge
            self._errands, self._limits, self._lookup = errands, limits, lookup

        @property
        def curl_options(self) -> dict[Any, Any]:
            """Pins differ by request, requests by thread."""
            return getattr(self._pinned, "options", {})

        @curl_options.setter
        def curl_options(self, options: dict[Any, Any]) -> None:
            self._pinned = threading.local()

        def request(  # type: ignore[override]
            self, method: str, url: str, **wishes: Any
        ) -> Any:
            given = {name: value for name, value in wishes.items() if name in PASSED_ON}
            try:
                return self._followed(method, url, given)
            except (OutboundFailed, OutboundRefused) as failure:
                raise RequestException(failure.detail) from failure

        def ws_connect(self, url: str, *given: Any, **wishes: Any) -> Any:
            raise OutboundRefused("a stream is opened by its own client", attr="url")

        def _followed(self, method: str, url: str, given: dict[str, Any]) -> Any:
            for _ in range(MOST_REDIRECTS + 1):
                route = self._rules.route(url)
                response = self._carried(method, route, given)
                target = response.headers.get("location")
                if response.status_code not in REDIRECTS or not target:
                    return response
                # against the address asked for: the operator's base address stands in for it
                url = urljoin(url, target)
                if response.status_code not in (307, 308):
                    method, given = "GET", {}
            raise Unreadable(f"{route.said}: more than {MOST_REDIRECTS} redirects")

        def _carried(self, method: str, route: Route, given: dict[str, Any]) -> Any:
            errand = route.asked_host in self._errands
            return self._line.carry(
                lambda: self._once(method, route, given),
                tries=1 if errand else TRIES,
                counts=not errand,
            )

        def _once(self, method: str, route: Route, given: dict[str, Any]) -> Any:
            pins = addresses.pins(route, self._lookup)
            self._pinned.options = _options(CurlOpt, route, pins)
            headers = dict(given.get("headers") or {})
            if route.asked_host != route.host:
                headers["X-Forwarded-Host"] = route.asked_host
            body, limit = bytearray(), self._limits.max_bytes

            def take(piece: bytes) -> int:
                if len(body) + len(piece) > limit:
                    return CURL_WRITEFUNC_ERROR
                body.extend(piece)
                return len(piece)

            try:
                response = self._request_once(
                    cast(Any, method),
                    route.url,
                    **{**given, "headers": headers},
                    timeout=(self._limits.connect_s, self._limits.read_s),
                    allow_redirects=False,
                    verify=True,
                    content_callback=take,
                )
            except CurlError as failure:
                raise _meaning(failure, route, cut=len(body) > 0) from failure
            response.content = bytes(body)
            self._refuse(route, response)
            return response

        def _refuse(self, route: Route, response: Any) -> None:
            small = {name.lower(): value for name, value in response.headers.items()}
            if response.status_code == 429 or response.status_code >= 500:
                judge_status(response.status_code, small, route.said)
            self._judge(route, response)

    return GuardedSession


def _options(options: Any, route: Route, pins: tuple[str, ...]) -> dict[Any, Any]:
    found = {options.PROXY: "", options.NOPROXY: "*", options.FOLLOWLOCATION: 0}
    if route.host.strip("[]") not in pins:
        written = ",".join(f"[{pin}]" if ":" in pin else pin for pin in pins)
        found[options.RESOLVE] = [f"{route.host}:{route.port}:{written}"]
    return found


def _meaning(failure: Any, route: Route, *, cut: bool) -> OutboundFailed:
    words: Mapping[int, OutboundFailed] = {
        23: TooLarge(f"{route.said}: the answer is larger than we take"),
        TIMED_OUT: TimedOut(f"{route.said}: no whole answer in time"),
        60: NotReached(f"{route.said}: its certificate cannot be trusted"),
        61: Unreadable(f"{route.said}: the answer cannot be unpacked"),
    }
    if failure.code in words:
        return words[failure.code]
    broke = "broke off" if cut else "failed"
    return NotReached(f"{route.said}: the connection {broke}")
