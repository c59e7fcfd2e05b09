"""One reader a process: the newest text of each channel, read once for all its sockets.

State channels (risk, value, quotes) are read from the live store when a hint arrives. Event
channels (orders, alerts) are rows: a hint, or the poll, reads the rows after the last number.
"""

import asyncio
import json
import logging
import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.db import DatabaseError

from etftrader import heads
from etftrader.core import livestate, push

logger = logging.getLogger(__name__)

POLL_S = 4.0
RECONNECT_S = 1.0
MIN_INTERVAL_S = 0.5  # two updates a second and channel; the newest wins


class Listener(Protocol):
    """A socket, as the hub sees it."""

    async def deliver(self, channel: str, seq: int, text: str) -> None:
        """Send one message of a channel."""

    async def check(self, standing: heads.Standing) -> None:
        """Compare what the socket may do with what its user may do now."""

    @property
    def user_id(self) -> Any:
        """Whose socket it is."""


@dataclass(slots=True)
class Topic:
    """One channel with listeners."""

    listeners: set[Listener] = field(default_factory=set)
    sent_at: float = 0.0
    seq: int = 0  # of the last message sent
    skipped: int = 0
    pending: bool = False


class Hub:
    """The sockets of this process and what they listen to."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = defaultdict(Topic)
        self.sockets: set[Listener] = set()
        self.away_since: float | None = None  # the live store does not answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: Any = None

    def join(self, socket: Listener) -> None:
        """A socket has opened; the first one starts the reader and the poll."""
        self.sockets.add(socket)
        if not any(not task.done() for task in self._tasks):
            self._tasks = set()
            self._spawn(self._read_hints())
            self._spawn(self._poll())

    def leave(self, socket: Listener) -> None:
        """A socket has closed."""
        self.sockets.discard(socket)
        for channel in [c for c, topic in self.topics.items() if socket in topic.listeners]:
            self.unsubscribe(socket, channel)
        if not self.sockets:
            for task in self._tasks:
                task.cancel()
            self._tasks = set()
            self._client = None

    def subscribe(self, socket: Listener, channel: str) -> None:
        """Send a channel's updates to a socket."""
        self.topics[channel].listeners.add(socket)

    def unsubscribe(self, socket: Listener, channel: str) -> None:
        """Stop sending them."""
        topic = self.topics.get(channel)
        if topic is not None:
            topic.listeners.discard(socket)
            if not topic.listeners:
                del self.topics[channel]

    async def newest(self, channel: str) -> dict[str, Any] | None:
        """The stored message of a state channel; None when there is none or it cannot be read."""
        try:
            text = await self._redis().hget(push.channel_key(channel), "text")
        except (livestate.LiveError, OSError):
            self.away_since = self.away_since or time.time()
            return None
        return json.loads(text) if text else None

    async def missed(self, channel: str, since: int) -> list[dict[str, Any]] | None:
        """Updates after a number, if all of them are still kept; None otherwise."""
        try:
            texts = await self._redis().lrange(push.history_key(channel), 0, -1)
        except (livestate.LiveError, OSError):
            return None
        past = [json.loads(text) for text in texts]
        later = [each for each in past if each["seq"] > since]
        return later if later and later[0]["seq"] == since + 1 else None

    async def watching(self) -> None:
        """Note in the live store that somebody looks at the market."""
        try:
            await self._redis().set("push:watched:market", b"1", ex=push.WATCH_TTL_S)
        except (livestate.LiveError, OSError):
            self.away_since = self.away_since or time.time()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _redis(self) -> Any:
        if self._client is None:
            self._client = livestate.async_client()
        return self._client

    async def _read_hints(self) -> None:
        while True:
            try:
                pubsub = self._redis().pubsub(ignore_subscribe_messages=True)
                await pubsub.subscribe(push.HINTS)
                self.away_since = None
                await self._refresh_all()
                while True:
                    message = await pubsub.get_message(timeout=5.0)
                    if message is not None:
                        await self._hinted(message["data"].decode())
            except (livestate.LiveError, OSError) as error:
                self.away_since = self.away_since or time.time()
                logger.warning("live store away", extra={"error": str(error)[:200]})
                self._client = None
                await asyncio.sleep(RECONNECT_S)

    async def _refresh_all(self) -> None:
        """After the live store came back: whatever happened meanwhile."""
        for channel in list(self.topics):
            await self._hinted(channel)

    async def _hinted(self, channel: str) -> None:
        topic = self.topics.get(channel)
        if topic is None:
            return
        if heads.is_event_channel(channel):
            await self._send_rows(channel, topic)
            return
        wait = topic.sent_at + MIN_INTERVAL_S - time.monotonic()
        if wait <= 0:
            await self._send_state(channel, topic)
        elif topic.pending:
            topic.skipped += 1
        else:
            topic.pending = True
            self._spawn(self._send_later(channel, wait))

    async def _send_later(self, channel: str, wait: float) -> None:
        await asyncio.sleep(wait)
        topic = self.topics.get(channel)
        if topic is not None:
            topic.pending = False
            await self._send_state(channel, topic)

    async def _send_state(self, channel: str, topic: Topic) -> None:
        try:
            text = await self._redis().hget(push.channel_key(channel), "text")
        except (livestate.LiveError, OSError):
            return
        if not text:
            return
        words = text.decode()
        seq = json.loads(words)["seq"]
        if topic.skipped:
            words = f'{words[:-1]},"conflated":{topic.skipped}}}'
        topic.sent_at, topic.seq, topic.skipped = time.monotonic(), seq, 0
        await self._to_all(channel, topic, seq, words)

    async def _send_rows(self, channel: str, topic: Topic) -> None:
        events = await database_sync_to_async(heads.events_after)(channel, topic.seq)
        for event in events:
            topic.seq = max(topic.seq, event["seq"])
            await self._to_all(channel, topic, event["seq"], json.dumps(event, default=str))

    async def _to_all(self, channel: str, topic: Topic, seq: int, text: str) -> None:
        for socket in list(topic.listeners):
            await socket.deliver(channel, seq, text)

    async def _poll(self) -> None:
        """Every four seconds: rights of all users, heads of all event channels, in few queries."""
        while True:
            await asyncio.sleep(POLL_S)
            users = {socket.user_id for socket in self.sockets if socket.user_id}
            channels = [channel for channel in self.topics if heads.is_event_channel(channel)]
            try:
                standing = await database_sync_to_async(heads.standing)(users, channels)
            except DatabaseError as error:
                logger.warning("rights not checked", extra={"error": str(error)[:200]})
                continue
            for socket in list(self.sockets):
                await socket.check(standing)
            for channel, head in standing.heads.items():
                topic = self.topics.get(channel)
                if topic is not None and head > topic.seq:
                    await self._send_rows(channel, topic)
            await self.watching()


hub = Hub()
