"""What an answer must be before anybody reads it: its status, its size unpacked, its format."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime

from django.conf import settings

from etftrader.core import clock
from etftrader.core.outbound.errors import (
    NotKnown,
    RateLimited,
    ServerFailed,
    TooLarge,
    TurnedDown,
    Unreadable,
)

GZIP = 47  # zlib's own word for: gzip or zlib, see by the header


@dataclass(frozen=True, slots=True)
class Limits:
    """Time and size of one answer; bytes are counted after unpacking."""

    connect_s: float = 3.0
    read_s: float = 10.0
    max_bytes: int = 10_000_000


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer with a status of success; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    said: str  # the address for messages

    def json(self) -> object:
        """Return the body as JSON. Raises Unreadable."""
        return read_json(self.body, self.said)

    def text(self) -> str:
        """Return the body as UTF-8 text that is no HTML page. Raises Unreadable."""
        refuse_html(self.headers.get("content-type", ""), self.body, self.said)
        try:
            return self.body.decode("utf-8-sig")
        except UnicodeDecodeError as failure:
            raise Unreadable(f"{self.said}: the answer is not UTF-8 text") from failure


def configured() -> Limits:
    """Return the limits the settings name."""
    return Limits(
        connect_s=getattr(settings, "OUTBOUND_CONNECT_S", 3.0),
        read_s=getattr(settings, "OUTBOUND_READ_S", 10.0),
        max_bytes=getattr(settings, "OUTBOUND_MAX_BYTES", 10_000_000),
    )


class Unpacker:
    """Collects a body piece by piece and stops at the cap, however small it was packed."""

    def __init__(self, *, encoding: str, max_bytes: int, said: str) -> None:
        self._said, self._max = said, max_bytes
        self._body = bytearray()
        if encoding in ("", "identity"):
            self._unzip = None
        elif encoding in ("gzip", "x-gzip", "deflate"):
            self._unzip = zlib.decompressobj(GZIP)
        else:
            raise Unreadable(f"{said}: the answer is packed as {encoding[:20]!r}, unasked")

    def take(self, piece: bytes) -> None:
        """Add one piece as it came. Raises TooLarge or Unreadable."""
        room = self._max - len(self._body) + 1
        if self._unzip is not None:
            try:
                piece = self._unzip.decompress(piece, room)
            except zlib.error as failure:
                raise Unreadable(f"{self._said}: the answer cannot be unpacked") from failure
        if len(piece) >= room:
            raise TooLarge(f"{self._said}: the answer is larger than {self._max:,} bytes")
        self._body += piece

    def whole(self) -> bytes:
        """Return the body once its end has come. Raises Unreadable when it was cut off."""
        if self._unzip is not None and not self._unzip.eof and self._body:
            raise Unreadable(f"{self._said}: the answer was cut off")
        return bytes(self._body)


def judge_status(status: int, headers: Mapping[str, str], said: str) -> None:
    """Raise what the status means unless it is one of success."""
    if 200 <= status < 300:
        return
    pause = retry_after(headers.get("retry-after"), clock.now())
    if status == 429:
        raise RateLimited(f"{said}: too many questions (429)", retry_after_s=pause)
    if status >= 500:
        raise ServerFailed(f"{said}: the source failed ({status})", retry_after_s=pause)
    if status in (404, 410):
        raise NotKnown(f"{said}: not known there ({status})")
    if 300 <= status < 400:
        raise Unreadable(f"{said}: it points elsewhere ({status}); we do not follow")
    raise TurnedDown(f"{said}: refused ({status})")


def retry_after(text: str | None, now: datetime) -> float | None:
    """Return the pause a Retry-After header names, in seconds; None without a usable one."""
    if not text or len(text) > 40:
        return None
    if text.strip().isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - now).total_seconds())


def read_json(body: bytes, said: str) -> object:
    """Return the body as JSON. Raises Unreadable."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as failure:
        what = "a web page" if body.lstrip()[:1] == b"<" else "not readable"
        raise Unreadable(f"{said}: JSON was expected, the answer is {what}") from failure


def refuse_html(content_type: str, body: bytes, said: str) -> None:
    """Raise Unreadable for a web page where data was expected."""
    if "html" in content_type.lower() or body.lstrip()[:1] == b"<":
        raise Unreadable(f"{said}: data was expected, the answer is a web page")
