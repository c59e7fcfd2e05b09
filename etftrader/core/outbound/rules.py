"""Which addresses a source may be asked at. Everything is judged before a name is looked up."""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlencode, urlsplit

from etftrader.core.errors import BadInput
from etftrader.core.outbound.errors import OutboundRefused

SYMBOL = re.compile(r"(?=.*[A-Z0-9])[A-Z0-9.\-^=]{1,24}")
HOST_NAME = re.compile(
    r"(?=.{1,253}\Z)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]*[a-z0-9]"
)
LONGEST = 4096
PORTS = {"https": 443, "http": 80, "wss": 443, "ws": 80}
SECURE = {"https", "wss"}


@dataclass(frozen=True, slots=True)
class Route:
    """One judged address: where to connect, and whether the operator vouches for it."""

    url: str
    scheme: str
    host: str
    port: int
    own: bool  # the operator's base address: private and loopback are allowed
    asked_host: str  # the host before the base address took its place

    @property
    def said(self) -> str:
        """The address for messages: never the query, which may hold a key."""
        return f"{self.asked_host}{urlsplit(self.url).path}"


@dataclass(frozen=True, slots=True)
class Rules:
    """The hosts of one source. With `base_url`, every listed address is asked there instead.

    `any_public` is for the only address a user may give, a webhook: any public name, port 443.
    """

    name: str
    hosts: frozenset[str] = frozenset()
    base_url: str = ""
    any_public: bool = False

    def __post_init__(self) -> None:
        if self.base_url:
            _judge_base(self.base_url)

    def route(self, url: str, params: Mapping[str, object] | None = None) -> Route:
        """Judge one address. Raises OutboundRefused with the reason."""
        parts = _split(url)
        if params:
            query = "&".join(filter(None, (parts.query, urlencode(params))))
            parts = parts._replace(query=query)
        host, port = parts.hostname or "", _port(parts)
        if self.base_url and _origin(parts) == _origin(_split(self.base_url)):
            return Route(parts.geturl(), parts.scheme, host, port, own=True, asked_host=host)
        if parts.scheme not in SECURE:
            raise OutboundRefused(f"{self.name}: only https addresses are asked", attr="url")
        if port != PORTS[parts.scheme]:
            raise OutboundRefused(f"{self.name}: only port 443 is asked", attr="url")
        if not self._lists(host):
            raise OutboundRefused(f"{self.name}: this host is not on its list", attr="url")
        if self.base_url:
            return self._moved(parts, host)
        return Route(parts.geturl(), parts.scheme, host, port, own=False, asked_host=host)

    def _lists(self, host: str) -> bool:
        if self.any_public:
            return bool(HOST_NAME.fullmatch(host))
        return host in self.hosts

    def _moved(self, parts: SplitResult, host: str) -> Route:
        base = _split(self.base_url)
        path = base.path.rstrip("/") + (parts.path or "/")
        moved = parts._replace(scheme=base.scheme, netloc=base.netloc, path=path)
        return Route(
            moved.geturl(), base.scheme, base.hostname or "", _port(base), own=True, asked_host=host
        )


def checked_symbol(text: object) -> str:
    """Return the symbol if it may stand in an address. Raises BadInput."""
    if isinstance(text, str) and SYMBOL.fullmatch(text):
        return text
    raise BadInput(
        "A symbol has 1 to 24 of A-Z, 0-9, dot, dash, ^ and =, one of them a letter or a digit.",
        code="invalid_symbol",
        attr="symbol",
    )


def _split(url: str) -> SplitResult:
    if not isinstance(url, str) or not 0 < len(url) <= LONGEST:
        raise OutboundRefused("an address has 1 to 4,096 characters", attr="url")
    if not url.isascii() or any(character <= " " or character in "\\\x7f" for character in url):
        raise OutboundRefused("an address has plain ASCII characters only", attr="url")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as failure:
        raise OutboundRefused("this address cannot be read", attr="url") from failure
    if parts.scheme not in PORTS or not parts.hostname:
        raise OutboundRefused("an address begins with https:// and a host", attr="url")
    plain = parts.hostname if ":" not in parts.hostname else f"[{parts.hostname}]"
    if parts.netloc.lower() not in (plain, f"{plain}:{port}") or parts.fragment:
        raise OutboundRefused("an address holds no user, password or fragment", attr="url")
    _judge_path(parts.path)
    return parts


def _judge_path(path: str) -> None:
    """Refuse what a server could read as a way upwards, spelled once or twice encoded."""
    for reading in (path, unquote(path), unquote(unquote(path))):
        if "\\" in reading or "\x00" in reading or {".", ".."} & set(reading.split("/")):
            raise OutboundRefused("a path without . and .. segments is asked", attr="url")
    if re.search(r"%(25)*(2f|5c|2e|00)", path.lower()):
        raise OutboundRefused("a path hides no separators", attr="url")


def _judge_base(url: str) -> None:
    """The operator's base address: https anywhere, plain http on this machine only."""
    parts = _split(url)
    if parts.query:
        raise OutboundRefused("a base address has no query", attr="base_url")
    host = parts.hostname or ""
    literal = _literal(host)
    loopback = host == "localhost" or (literal is not None and literal.is_loopback)
    if parts.scheme not in SECURE and not loopback:
        raise OutboundRefused("plain http is for a base address on this machine", attr="base_url")
    if literal is None and host != "localhost" and not HOST_NAME.fullmatch(host):
        raise OutboundRefused("a base address names a host", attr="base_url")


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, parts.hostname or "", _port(parts)


def _port(parts: SplitResult) -> int:
    return PORTS[parts.scheme] if parts.port is None else parts.port
