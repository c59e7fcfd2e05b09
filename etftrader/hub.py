"""One reader a process: the newest text of each channel, read once for all its sockets.

State channels (risk, value, quotes) are read from the live store when a hint arrives. Event
channels (orders, alerts) are rows: a hint, or the poll, reads the rows after the last number.
"""

import asyncio
import json
import logging
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from channels.db import database_sync_to_async
from django.db import DatabaseError

from etftrader import heads
from etftrader.core import livestate, push

logger = logging.getLogger(__name__)

POLL_S = 4.0
PULSE_S = 1.0  # how often the live store is asked whether it is there
RECONNECT_S = 1.0
MIN_INTERVAL_S = 0.5  # two updates a second and channel; the newest wins


class Listener(Protocol):
    """A socket, as the hub sees it."""

    async def deliver(self, channel: str, epoch: str, seq: int, text: str) -> None:
        """Send one message of a channel."""

    async def check(self, standing: heads.Standing) -> None:
        """Compare what the socket may do with what its user may do now."""

    async def beat(self) -> None:
        """Say how things stand: the numbers, and whether the live store is there."""

    @property
    def user_id(self) -> Any:
        """Whose socket it is."""


@dataclass(slots=True)
class Topic:
    """One channel with listeners."""

    listeners: set[Listener] = field(default_factory=set)
    sent_at: float = 0.0
    epoch: str = ""  # of the last message sent; another one counts from the start
    seq: int = 0
    skipped: int = 0
    pending: bool = False


class Hub:
    """The sockets of this process and what they listen to."""

    def __init__(self) -> None:
        self.topics: dict[str, Topic] = defaultdict(Topic)
        self.sockets: set[Listener] = set()
        self.away = False  # the live store does not answer
        self._tasks: set[asyncio.Task[None]] = set()
        self._client: Any = None

    def join(self, socket: Listener) -> None:
        """A socket has opened; the first one starts the reader, the pulse and the poll."""
        self.sockets.add(socket)
        if not any(not task.done() for task in self._tasks):
            self._tasks = set()
            self._spawn(self._read_hints())
            self._spawn(self._pulse())
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
            self._client, self.away = None, False

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
        text = await self._ask(lambda client: client.hget(push.channel_key(channel), "text"))
        return json.loads(text) if text else None

    async def missed(self, channel: str, since: int) -> list[dict[str, Any]] | None:
        """Updates after a number, if all of them are still kept; None otherwise."""
        texts = await self._ask(lambda client: client.lrange(push.history_key(channel), 0, -1))
        past = [json.loads(text) for text in texts or ()]
        later = [each for each in past if each["seq"] > since]
        return later if later and later[0]["seq"] == since + 1 else None

    async def watching(self) -> None:
        """Note in the live store that somebody looks at the market."""
        await self._ask(_note_watching)

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _redis(self) -> Any:
        if self._client is None:
            self._client = livestate.async_client()
        return self._client

    async def _ask(self, question: Callable[[Any], Awaitable[Any]], *, try_: bool = False) -> Any:
        """Ask the live store; None while it is away. Only the pulse tries then."""
        if self.away and not try_:
            return None
        try:
            answer = await question(self._redis())
        except (livestate.LiveError, OSError) as error:
            await self._lost(error)
            return None
        if try_:
            await self._found()
        return answer

    async def _lost(self, error: Exception) -> None:
        if not self.away:
            self.away = True
            logger.warning("live store away", extra={"error": str(error)[:200]})
            await self._tell()

    async def _found(self) -> None:
        if self.away:
            self.away = False
            logger.info("live store is back")
            await self._tell()
            await self._refresh()

    async def _tell(self) -> None:
        """The pages say within a moment what they show: live values or the last ones."""
        for socket in list(self.sockets):
            await _safely(socket.beat())

    async def _pulse(self) -> None:
        """Somebody looks: say so every second, and learn whether the live store is there."""
        while True:
            await self._ask(_note_watching, try_=True)
            await asyncio.sleep(PULSE_S)

    async def _read_hints(self) -> None:
        while True:
            pubsub = self._redis().pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.subscribe(push.HINTS)
                # whatever was published while nobody listened
                await self._refresh()
                while True:
                    message = await pubsub.get_message(timeout=5.0)
                    if message is not None:
                        await self._hinted(message["data"].decode())
            except (livestate.LiveError, OSError) as error:
                await self._lost(error)
                await asyncio.sleep(RECONNECT_S)
            finally:
                await _safely(pubsub.aclose())

    async def _refresh(self) -> None:
        """Send what is newer than what was sent; a lost hint costs no more than a few seconds."""
        states = [channel for channel in self.topics if not heads.is_event_channel(channel)]
        for channel in states:
            known = await self._ask(partial(_numbers, channel=channel))
            topic = self.topics.get(channel)
            if topic is None or not known or known[1] is None:
                continue
            if (known[0].decode(), int(known[1])) != (topic.epoch, topic.seq):
                await self._hinted(channel)

    async def _hinted(self, channel: str) -> None:
        topic = self.topics.get(channel)
        if topic is None:
            return
        if heads.is_event_channel(channel):
            await self._send_rows(channel, topic)
            return
        wait = topic.sent_at + MIN_INTERVAL_S - time.monotonic()
        if topic.pending:
            topic.skipped += 1
        elif wait <= 0:
            await self._send_state(channel, topic)
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
        text = await self._ask(lambda client: client.hget(push.channel_key(channel), "text"))
        if not text:
            return
        words = text.decode()
        message = json.loads(words)
        if topic.skipped:
            words = f'{words[:-1]},"conflated":{topic.skipped}}}'
        topic.sent_at, topic.skipped = time.monotonic(), 0
        topic.epoch, topic.seq = message["epoch"], message["seq"]
        await self._to_all(channel, topic, words)

    async def _send_rows(self, channel: str, topic: Topic) -> None:
        try:
            events = await database_sync_to_async(heads.events_after)(channel, topic.seq)
        except DatabaseError as error:
            # the poll asks again
            logger.warning("events not read", extra={"error": str(error)[:200]})
            return
        for event in events:
            topic.epoch, topic.seq = event["epoch"], max(topic.seq, event["seq"])
            await self._to_all(channel, topic, json.dumps(event, default=str), event["seq"])

    async def _to_all(self, channel: str, topic: Topic, text: str, seq: int | None = None) -> None:
        number, epoch = topic.seq if seq is None else seq, topic.epoch
        for socket in list(topic.listeners):
            await _safely(socket.deliver(channel, epoch, number, text))

    async def _poll(self) -> None:
        """Every four seconds: rights of all users, heads of all channels, in few questions."""
        while True:
            await asyncio.sleep(POLL_S)
            # who comes in meanwhile is not in the answer, and not judged by it
            asked = [socket for socket in self.sockets if socket.user_id]
            users = {socket.user_id for socket in asked}
            channels = [channel for channel in self.topics if heads.is_event_channel(channel)]
            try:
                standing = await database_sync_to_async(heads.standing)(users, channels)
            except DatabaseError as error:
                logger.warning("rights not checked", extra={"error": str(error)[:200]})
                continue
            for socket in asked:
                await _safely(socket.check(standing))
            for channel, head in standing.heads.items():
                topic = self.topics.get(channel)
                if topic is not None and head > topic.seq:
                    await self._send_rows(channel, topic)
            await self._refresh()


async def _note_watching(client: Any) -> None:
    await client.set(push.watched_key("market"), b"1", ex=push.WATCH_TTL_S)


async def _numbers(client: Any, *, channel: str) -> Any:
    return await client.hmget(push.channel_key(channel), ["epoch", "seq"])


async def _safely(work: Awaitable[Any]) -> None:
    """One connection that breaks must not end the others'."""
    try:
        await work
    except (OSError, RuntimeError, livestate.LiveError) as error:
        logger.info("a connection broke", extra={"error": f"{type(error).__name__}: {error}"[:200]})
    except Exception:
        logger.exception("a socket failed")


hub = Hub()
