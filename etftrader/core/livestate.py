"""Live records in Redis: a JSON header and .npy arrays, typed and versioned. Never the record.

Everything here can be flushed at any moment; a reader that finds nothing, another version or
other bytes treats the record as absent.
"""

import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import redis
import redis.asyncio
from django.conf import settings
from numpy.typing import NDArray

LiveError = redis.RedisError  # what a caller may catch when the live store is away
ANSWER_S = 1.0  # how long anybody waits for it
REST_S = 2.0  # how long nobody asks it after it did not answer
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class LiveRecord:
    """What was stored: a header and named arrays."""

    header: dict[str, Any]
    arrays: dict[str, NDArray[np.float64]]


class JsonSerializer:
    """The cache's serializer: JSON, so that nobody who can write Redis can run code here."""

    def dumps(self, value: object) -> bytes | int:
        """Whole numbers stay numbers, so that counters can be raised in place."""
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        return json.dumps(value).encode()

    def loads(self, data: bytes) -> object:
        """Read what `dumps` wrote."""
        return json.loads(data)


class LiveClient(redis.Redis):
    """A client that bothers an absent store now and then, not at every call.

    A request asks several times. One of them may wait for the time-out; the others are told at
    once, so that a page comes in time whatever the store does.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.away = False
        self.ask_again_at = 0.0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command. Raises LiveError."""
        return self.guarded(lambda: super(LiveClient, self).execute_command(*args, **options))

    def guarded(self, ask: Callable[[], Answer]) -> Answer:
        """Ask, unless the store did not answer a moment ago. Raises LiveError."""
        now = time.monotonic()
        if self.away:
            if now < self.ask_again_at:
                raise redis.ConnectionError("The live store did not answer a moment ago.")
            # this caller tries, the others go on without
            self.ask_again_at = now + ANSWER_S + REST_S
        try:
            answer = ask()
        except (redis.ConnectionError, redis.TimeoutError):
            self.away, self.ask_again_at = True, time.monotonic() + REST_S
            raise
        self.away = False
        return answer


@lru_cache(maxsize=1)
def client() -> LiveClient:
    """The process's connection pool to the live store; time-outs are written out."""
    found = LiveClient.from_url(
        settings.LIVE_URL,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        health_check_interval=15,
    )
    assert isinstance(found, LiveClient)  # the library says Redis, whatever class is asked
    return found


def async_client() -> "redis.asyncio.Redis":
    """A client for the event loop of a socket process; the caller closes it."""
    return redis.asyncio.Redis.from_url(
        settings.LIVE_URL, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S
    )


def save(
    key: str,
    *,
    version: int,
    header: Mapping[str, object],
    arrays: Mapping[str, NDArray[np.float64]],
    ttl_s: int,
) -> None:
    """Write one record as a Redis hash, all fields at once: readers see the old or the new one."""
    fields: dict[Any, Any] = {
        "version": str(version).encode(),
        "header": json.dumps(header, allow_nan=False).encode(),
    }
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.ascontiguousarray(array, dtype=np.float64), allow_pickle=False)
        fields[f"array:{name}"] = buffer.getvalue()
    with client().pipeline(transaction=True) as pipe:
        pipe.delete(key)
        pipe.hset(key, mapping=fields)
        pipe.expire(key, ttl_s)
        client().guarded(pipe.execute)


def load(key: str, *, version: int) -> LiveRecord | None:
    """Read a record; None when it is absent, of another version or not ours."""
    fields: dict[bytes, bytes] = client().hgetall(key)  # type: ignore[assignment]
    if not fields or fields.get(b"version") != str(version).encode():
        return None
    try:
        header = json.loads(fields[b"header"])
        arrays = {
            name.removeprefix(b"array:").decode(): np.load(io.BytesIO(data), allow_pickle=False)
            for name, data in fields.items()
            if name.startswith(b"array:")
        }
    except (KeyError, ValueError, EOFError):
        return None
    return LiveRecord(header=header, arrays=arrays)


def delete(*keys: str) -> None:
    """Forget records."""
    client().delete(*keys)


@lru_cache(maxsize=16)
def script(source: str) -> Callable[..., Any]:
    """A Lua script, registered once per process."""
    return client().register_script(source)
