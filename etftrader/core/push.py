"""Publish: the newest value of a channel, its number, and a hint to whoever watches.

The stored value is whole, never a difference: losing a hint costs freshness, not truth.
"""

import json
import logging
import secrets
from collections.abc import Mapping
from typing import Any

from django.db import transaction

from etftrader.core import clock, livestate

logger = logging.getLogger(__name__)

HINTS = "push:hints"
TTL_S = 86_400
HISTORY = 200  # updates kept per channel for a resync
WATCH_TTL_S = 20
KEPT = "push:kept"

# one step: number, value and history change together, then everybody is told
_STORE = """
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if not epoch then epoch = ARGV[1]; redis.call('HSET', KEYS[1], 'epoch', epoch) end
local seq = redis.call('HINCRBY', KEYS[1], 'seq', 1)
local text = '{"epoch":"' .. epoch .. '","seq":' .. seq .. ',' .. string.sub(ARGV[2], 2)
redis.call('HSET', KEYS[1], 'text', text)
redis.call('RPUSH', KEYS[2], text)
redis.call('LTRIM', KEYS[2], -tonumber(ARGV[4]), -1)
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return seq
"""


def channel_key(channel: str) -> str:
    """Where the newest message of a channel is kept."""
    return f"push:last:{channel}"


def history_key(channel: str) -> str:
    """Where the last updates of a channel are kept."""
    return f"push:past:{channel}"


def publish(channel: str, event: str, data: Mapping[str, Any]) -> None:
    """Store and announce the whole current value, once the surrounding transaction commits."""
    # not a partial: Django names a robust hook that fails by its __qualname__
    transaction.on_commit(lambda: send_now(channel, event, data), robust=True)


def send_now(channel: str, event: str, data: Mapping[str, Any]) -> bool:
    """Store and announce at once; False when the live store is away."""
    body = json.dumps(
        {
            "type": "update",
            "channel": channel,
            "event": event,
            "ts": clock.now().isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "data": data,
        },
        allow_nan=False,
        separators=(",", ":"),
        default=str,
    )
    arguments = [secrets.token_hex(4), body, TTL_S, HISTORY, HINTS, channel]
    try:
        livestate.script(_STORE)(keys=[channel_key(channel), history_key(channel)], args=arguments)
    except livestate.LiveError as error:
        logger.warning("not pushed", extra={"channel": channel, "error": str(error)[:200]})
        return False
    return True


def newest(channel: str) -> dict[str, Any] | None:
    """The newest message of a channel as a document; None when there is none."""
    try:
        text = livestate.client().hget(channel_key(channel), "text")
    except livestate.LiveError:
        return None
    return json.loads(text) if text else None  # type: ignore[arg-type]


def watched_key(channel: str) -> str:
    """Where it is noted that somebody looks at a channel."""
    return f"push:watched:{channel}"


def watch(channel: str) -> None:
    """Note that somebody looks at a channel now; it is forgotten after `WATCH_TTL_S`."""
    livestate.client().set(watched_key(channel), b"1", ex=WATCH_TTL_S)


def is_watched(channel: str) -> bool:
    """Whether somebody looks at a channel; False when the live store is away."""
    try:
        return bool(livestate.client().exists(watched_key(channel)))
    except livestate.LiveError:
        return False


def is_kept() -> bool:
    """Whether the live store has kept what it was told; False once after it was emptied.

    While the store is away there is nobody to tell: True.
    """
    try:
        return not livestate.client().set(KEPT, b"1", nx=True, ex=TTL_S)
    except livestate.LiveError:
        return True
