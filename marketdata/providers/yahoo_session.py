"""Yahoo behind our rules: its hosts, the library's one session, and what its failures mean.

Everything goes through the yfinance package with our session. The library loads here at first
use, in workers only.
"""

import re
import warnings
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import settings

from etftrader.core.errors import BadInput, DomainError
from etftrader.core.outbound import browser
from etftrader.core.outbound.answers import read_json, refuse_html
from etftrader.core.outbound.errors import NotKnown
from etftrader.core.outbound.line import Line, shared
from etftrader.core.outbound.rules import Route, Rules, checked_symbol
from marketdata.providers.base import Failure, ProviderFailed

NAME = "yfinance"
DATA_HOSTS = frozenset({"query1.finance.yahoo.com", "query2.finance.yahoo.com"})
# cookie and consent: what the library asks on the side, and where that may lead
ERRAND_HOSTS = frozenset({"fc.yahoo.com", "guce.yahoo.com", "consent.yahoo.com"})
HOSTS = DATA_HOSTS | ERRAND_HOSTS | {"finance.yahoo.com"}
STREAM_HOSTS = frozenset({"streamer.finance.yahoo.com"})
STREAM_URL = "wss://streamer.finance.yahoo.com/?version=2"
CRUMB = "/v1/test/getcrumb"
SPACING_S = 0.2  # product.md 2.17
ISIN = re.compile(r"[A-Z]{2}[A-Z0-9]{9}[0-9]")

# The library indexes into whatever came: its failures have many types and no common parent.
LIBRARY_ERRORS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
)


class MemoryCache:
    """Stands in for the library's caches on disk, which write into the home folder."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def lookup(self, key: str) -> Any:
        """Return what was stored, or None."""
        return self._kept.get(key)

    def store(self, key: str, value: Any) -> None:
        """Keep a value for this process."""
        self._kept[key] = value


class OneZone(MemoryCache):
    """Spares the library a question a symbol: it asks for the zone only to cut the time asked for.

    Days come back in the exchange's own zone whatever is said here.
    """

    def lookup(self, key: str) -> str:
        """Return New York."""
        return "America/New_York"


class CookieMemory(MemoryCache):
    """The same for its cookies, which it would pickle; it wants them back wrapped."""

    def lookup(self, key: str) -> dict[str, Any] | None:
        """Return what was stored as the library's own cache does, or None."""
        kept = super().lookup(key)
        return None if kept is None else {"cookie": kept}


def rules() -> Rules:
    """Return where Yahoo may be asked; YAHOO_BASE_URL stands in for all its hosts."""
    base = getattr(settings, "YAHOO_BASE_URL", "")
    return Rules(NAME, HOSTS, base_url=base)


def stream_rules() -> tuple[Rules, str]:
    """Return the rules and the address of the streaming socket."""
    own = getattr(settings, "YAHOO_STREAM_URL", "")
    return Rules(NAME, STREAM_HOSTS, base_url=own.partition("?")[0]), own or STREAM_URL


def line() -> Line:
    """Return this process's line to Yahoo."""
    per_minute = getattr(settings, "YAHOO_CALLS_PER_MINUTE", 100)
    return shared(NAME, per_minute=per_minute, spacing_s=SPACING_S)


def session(with_line: Line | None = None, **settled: Any) -> Any:
    """Return the guarded session the library is given."""
    return browser.guarded_session(
        rules(), with_line or line(), judge=judge, errands=ERRAND_HOSTS, **settled
    )


def judge(route: Route, response: Any) -> None:
    """Refuse an answer that is not the data asked for, before the library guesses at it."""
    if route.asked_host not in DATA_HOSTS or 300 <= response.status_code < 400:
        return
    said = route.said
    if said.endswith(CRUMB):
        return
    content_type = response.headers.get("content-type") or ""
    if response.status_code == 404 and b'"error"' in response.content:
        # the library would throw its cookies away and ask again under another name
        raise NotKnown(f"{said}: Yahoo knows no such symbol or has no such data for it")
    if response.status_code < 400:
        refuse_html(content_type, response.content, said)
        read_json(response.content, said)


@lru_cache(maxsize=1)
def library() -> Any:
    """Return yfinance, set up once a process: it raises its errors and keeps nothing on disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of its own imports
        import yfinance
        from yfinance import cache

    yfinance.config.debug.hide_exceptions = False
    cache._TzCacheManager._tz_cache = OneZone()
    cache._CookieCacheManager._Cookie_cache = CookieMemory()
    cache._ISINCacheManager._isin_cache = MemoryCache()
    return yfinance


def failure_of(subject: str, error: BaseException) -> Failure:
    """Say in words why one symbol has no answer."""
    ours = browser.cause_of(error)
    if ours is not None:
        return Failure(subject, ours.code, ours.detail)
    if isinstance(error, DomainError):
        return Failure(subject, error.code, error.detail)
    words = " ".join(str(error).split())[:200] or type(error).__name__
    return Failure(subject, "provider_answer_unreadable", f"Yahoo's answer has no data: {words}")


def raised(subject: str, error: BaseException) -> ProviderFailed:
    """Return the failure as an exception, for questions about one symbol only."""
    said = failure_of(subject, error)
    return ProviderFailed(f"{said.subject}: {said.detail}", code=said.code, symbol=subject)


def ticker(symbol: object, settled: Any) -> Any:
    """Return the library's handle on one symbol. Raises BadInput."""
    checked = checked_symbol(symbol)
    if ISIN.fullmatch(checked):
        # the library would search for it and answer for another name
        raise BadInput("Yahoo is asked by symbol, not by ISIN.", code="invalid_symbol")
    return library().Ticker(checked, session=settled)


def json(url: str, params: dict[str, str], settled: Any) -> Any:
    """Ask Yahoo one thing the library has no method for, with the library's cookie and crumb."""
    library()
    from yfinance.data import YfData

    return YfData(session=settled).get_raw_json(url, params=params)


def decoder() -> Callable[[str], dict[str, Any]]:
    """Return the library's reader of one streamed message; it raises ValueError for garbage."""
    library()
    from google.protobuf.message import DecodeError
    from yfinance.live import BaseWebSocket

    reader = BaseWebSocket(verbose=False)

    def decode(message: str) -> dict[str, Any]:
        try:
            found: dict[str, Any] = reader._decode_message(message)
        except DecodeError as failure:
            raise ValueError("not a message of prices") from failure
        return found

    return decode


def errors() -> tuple[type[BaseException], ...]:
    """Return what a question through the library may raise."""
    return (*LIBRARY_ERRORS, library().exceptions.YFException, DomainError)


def forget() -> None:
    """Drop the library's memory of answers: what is asked again is fetched again."""
    from yfinance.data import YfData

    YfData.cache_get.cache_clear()
