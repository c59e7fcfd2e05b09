"""StreamConsumer: one socket. Authenticate, subscribe, snapshot, forward, resync, re-check."""

import asyncio
import json
import logging
import secrets
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from etftrader import gate, heads
from etftrader.core import clock
from etftrader.core.actor import NOBODY, Actor
from etftrader.hub import hub

logger = logging.getLogger(__name__)

HEARTBEAT_S = 10.0
AUTH_WITHIN_S = 5.0
MAX_CHANNELS, MAX_SYMBOLS = 50, 200
MAX_PER_USER, MAX_PER_PROCESS = 10, 200
MESSAGES, PER_S = 20, 10.0
LIFE_S = 12 * 3600
BAD_MESSAGE, NOT_AUTHENTICATED, FORBIDDEN, AUTH_TIMEOUT, TOO_FAST = 4400, 4401, 4403, 4408, 4429
OVERLOADED = 1013


class StreamConsumer(AsyncWebsocketConsumer):
    """Everything a page or program listens to, over one connection."""

    # the hub brings everything; a layer would refuse connections while the live store is away
    channel_layer_alias = "none"

    def __init__(self, implied: str = "") -> None:
        super().__init__()
        self.implied = implied  # what the path subscribes to by itself

    async def connect(self) -> None:
        """Accept a browser of ours with its session, or a program that will say who it is."""
        self.actor: Actor = NOBODY
        self.entry: gate.Entry | None = None
        self.channels: set[str] = set()
        self.symbols: set[str] = set()
        self.last: dict[str, tuple[str, int]] = {}  # epoch, number
        self.recent: deque[float] = deque(maxlen=MESSAGES)
        self.tasks: list[asyncio.Task[None]] = []
        self.born = time.monotonic()
        self.closing = False
        origin = self._header(b"origin")
        if origin is not None and not self._is_ours(origin):
            await self.close(FORBIDDEN)
            return
        await self.accept()
        if len(hub.sockets) >= MAX_PER_PROCESS:
            await self._end(OVERLOADED)
            return
        hub.join(self)
        await self._send(
            type="welcome",
            protocol=1,
            connection=f"c-{secrets.token_hex(4)}",
            heartbeat_seconds=int(HEARTBEAT_S),
            server_time=_now(),
        )
        self.tasks.append(asyncio.create_task(self._heart()))
        # a request without Origin comes from a program: its cookies do not count
        if origin is not None and self.scope["user"].is_authenticated:
            await self._enter(await database_sync_to_async(gate.of_session)(self.scope))
        elif ticket := gate.ticket_of(self.scope):
            await self._enter(await database_sync_to_async(gate.of_ticket)(ticket))
        else:
            self.tasks.append(asyncio.create_task(self._wait_for_auth()))

    async def disconnect(self, code: int) -> None:
        """Forget the socket."""
        self.closing = True
        hub.leave(self)
        for task in self.tasks:
            task.cancel()

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """One message from the client."""
        now = time.monotonic()
        if len(self.recent) == MESSAGES and now - self.recent[0] < PER_S:
            await self._end(TOO_FAST)
            return
        self.recent.append(now)
        message = _parsed(text_data)
        if message is None:
            await self._end(BAD_MESSAGE)
            return
        kind, ref = message["type"], message.get("id")
        if kind == "ping":
            await self._send(type="pong", id=ref)
        elif kind == "auth":
            token = message.get("token")
            await self._enter(
                await database_sync_to_async(gate.of_token)(token if isinstance(token, str) else "")
            )
        elif not self.actor.is_authenticated:
            await self._end(NOT_AUTHENTICATED)
        elif kind in ("subscribe", "update"):
            await self._subscribe(message, ref, replace=kind == "update")
        elif kind == "unsubscribe":
            for channel in gate.words(message.get("channels")):
                self._drop(channel)
            await self._send(type="unsubscribed", id=ref, channels=sorted(self.channels))
        elif kind == "resync":
            await self._resync(message, ref)
        else:
            await self._error("unknown_type", f'"{kind}" is not a message type.', ref)

    async def deliver(self, channel: str, epoch: str, seq: int, text: str) -> None:
        """Forward an update the socket has not seen; a quote only of its symbols."""
        if channel not in self.channels or self.closing:
            return
        known = self.last.get(channel)
        # numbers of another epoch say nothing about these
        if known is not None and known[0] == epoch and seq <= known[1]:
            return
        self.last[channel] = epoch, seq
        await self.send(text_data=gate.cut_quotes(text, self.symbols, channel))

    async def check(self, standing: heads.Standing) -> None:
        """Close when the user may no longer be here; drop what may no longer be seen."""
        if self.entry is None or self.closing:
            return
        user_id = self.actor.user_id
        if not gate.still_counts(self.entry, standing):
            await self._end(NOT_AUTHENTICATED)
            return
        if time.monotonic() - self.born > LIFE_S:
            await self._end(NOT_AUTHENTICATED)
            return
        if user_id in standing.staff:
            return
        for channel in list(self.channels):
            parsed = heads.parse(channel)
            if parsed and (user_id, parsed[0]) not in standing.members:
                self._drop(channel)
                await self._error("revoked", "You no longer may see this.", None, channel=channel)

    async def beat(self) -> None:
        """The newest number of each channel, and whether the live store is there."""
        if self.closing:
            return
        numbers = {channel: seq for channel, (_, seq) in self.last.items()}
        state = {"live": "away"} if hub.away else {}
        await self._send(type="heartbeat", ts=_now(), seq=numbers, **state)

    @property
    def user_id(self) -> Any:
        """Whose socket it is; None before it has said so."""
        return self.actor.user_id

    async def _enter(self, entry: gate.Entry | None) -> None:
        if entry is None:
            await self._end(NOT_AUTHENTICATED)
            return
        mine = [each for each in hub.sockets if each.user_id == entry.actor.user_id]
        if len(mine) >= MAX_PER_USER:
            await self._end(OVERLOADED)
            return
        self.actor, self.entry = entry.actor, entry
        await self._send(type="authenticated", user=self.actor.label)
        implied = await database_sync_to_async(gate.implied_channels)(
            self.implied, self.scope["url_route"]["kwargs"], self.actor
        )
        if implied:
            await self._subscribe({"channels": implied}, None, replace=False)

    async def _subscribe(self, message: dict[str, Any], ref: Any, *, replace: bool) -> None:
        symbols = {word.upper() for word in gate.words(message.get("symbols"))}
        wanted = gate.words(message.get("channels")) + (["quotes"] if symbols else [])
        total = symbols if replace else self.symbols | symbols
        if len(total) > MAX_SYMBOLS:
            await self._error("too_many_symbols", f"Limit is {MAX_SYMBOLS}.", ref)
            return
        if len(self.channels | set(wanted)) > MAX_CHANNELS:
            await self._error("too_many_channels", f"Limit is {MAX_CHANNELS}.", ref)
            return
        if replace or symbols:
            self.symbols = total
        granted, rejected = await database_sync_to_async(gate.sort_channels)(wanted, self.actor)
        await self._send(type="subscribed", id=ref, channels=granted, rejected=rejected)
        for channel in granted:
            await self._snapshot(channel)
        await hub.watching()
        if hub.away:
            # the word that it went may have come before anybody listened
            await self.beat()

    async def _snapshot(self, channel: str) -> None:
        """The stored state first, then only what is newer."""
        self.channels.add(channel)
        hub.subscribe(self, channel)
        if heads.is_event_channel(channel):
            head = await database_sync_to_async(heads.event_head)(channel)
            topic = hub.topics[channel]
            if topic.listeners == {self}:  # for others there may be rows on their way
                topic.seq = max(topic.seq, head)
            self.last[channel] = "rows", head
            await self._send(
                type="snapshot", channel=channel, epoch="rows", seq=head, ts=_now(), data=None
            )
            return
        stored = await hub.newest(channel)
        if stored is None:
            stored = {"channel": channel, "epoch": "", "seq": 0, "ts": _now(), "data": None}
        self.last[channel] = stored["epoch"], stored["seq"]
        if channel == "quotes":
            if self.symbols:
                told = await database_sync_to_async(gate.quotes_now)(self.symbols, self.actor)
                stored["data"] = told
            stored["quotes"] = stored["data"] or {}
        await self.send(text_data=json.dumps(stored | {"type": "snapshot"}))

    async def _resync(self, message: dict[str, Any], ref: Any) -> None:
        channel, since = message.get("channel"), message.get("since")
        if channel not in self.channels:
            await self._error("not_subscribed", "Subscribe to the channel first.", ref)
            return
        if since is None:  # of another epoch: only the whole value helps
            await self._snapshot(channel)
            return
        if not isinstance(since, int) or since < 0:
            await self._error("bad_since", "since is the number of the last update seen.", ref)
            return
        if heads.is_event_channel(channel):
            events = await database_sync_to_async(heads.events_after)(channel, since)
            for event in events:
                await self.send(text_data=json.dumps(event, default=str))
            return
        missed = await hub.missed(channel, since)
        if missed is None:
            await self._snapshot(channel)
            return
        for each in missed:
            self.last[channel] = each["epoch"], max(each["seq"], self.last[channel][1])
            await self.send(text_data=gate.cut_quotes(json.dumps(each), self.symbols, channel))

    async def _heart(self) -> None:
        while not self.closing:
            await asyncio.sleep(HEARTBEAT_S)
            await self.beat()

    async def _wait_for_auth(self) -> None:
        await asyncio.sleep(AUTH_WITHIN_S)
        if not self.actor.is_authenticated:
            await self._end(AUTH_TIMEOUT)

    def _drop(self, channel: str) -> None:
        self.channels.discard(channel)
        self.last.pop(channel, None)
        hub.unsubscribe(self, channel)

    async def _end(self, code: int) -> None:
        if not self.closing:
            self.closing = True
            hub.leave(self)
            await self.close(code)

    async def _error(self, code: str, detail: str, ref: Any, **more: Any) -> None:
        await self._send(type="error", id=ref, code=code, detail=detail, fatal=False, **more)

    async def _send(self, **message: Any) -> None:
        await self.send(text_data=json.dumps(message, default=str))

    def _header(self, name: bytes) -> str | None:
        for key, value in self.scope["headers"]:
            if key == name:
                return value.decode("latin-1")
        return None

    def _is_ours(self, origin: str) -> bool:
        """The page's own host, or one the operator named."""
        if origin in settings.SOCKET_ORIGINS:
            return True
        scheme = "http" if settings.EMBEDDED else "https"
        parts = urlsplit(origin)
        host = parts.hostname or ""
        allowed = f"[{host}]" if ":" in host else host
        same = parts.scheme == scheme and parts.netloc == (self._header(b"host") or "")
        return same and allowed in settings.ALLOWED_HOSTS


def _parsed(text: str | None) -> dict[str, Any] | None:
    try:
        message = json.loads(text or "")
    except (ValueError, RecursionError):
        return None
    known = isinstance(message, dict) and isinstance(message.get("type"), str)
    return message if known else None


def _now() -> str:
    return clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
