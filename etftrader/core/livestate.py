"""Live records in Redis: a JSON header and .npy arrays, typed and versioned. Never the record.

Everything here can be flushed at any moment; a reader that finds nothing, another version or
other bytes treats the record as absent.
"""

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import redis
import redis.asyncio
from django.conf import settings
from numpy.typing import NDArray

LiveError = redis.RedisError  # what a caller may catch when the live store is away


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


@lru_cache(maxsize=1)
def client() -> "redis.Redis":
    """The process's connection pool to the live store; time-outs are written out."""
    return redis.Redis.from_url(
        settings.LIVE_URL, socket_timeout=2.0, socket_connect_timeout=1.0, health_check_interval=15
    )


def async_client() -> "redis.asyncio.Redis":
    """A client for the event loop of a socket process; the caller closes it."""
    return redis.asyncio.Redis.from_url(
        settings.LIVE_URL, socket_timeout=30.0, socket_connect_timeout=2.0
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
        pipe.execute()


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
