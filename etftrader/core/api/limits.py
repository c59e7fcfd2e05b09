"""One atomic limiter for all processes, and the one function that says where a request is from."""

import hashlib
import ipaddress
import math
import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction
from rest_framework.throttling import BaseThrottle

from etftrader.core import clock, livestate
from etftrader.core.api.registry import declared
from etftrader.core.records import IdempotencyKey

LOGIN = "login"
HEADERS = ("Limit", "Remaining", "Reset", "Scope")
_HOUSE = UUID(int=0)  # counts of nobody in particular

# a log of moments per scope: exact at every window's edge; refused requests are not entered
_COUNT = """
local now = redis.call('TIME')
local at = tonumber(now[1]) + tonumber(now[2]) / 1000000
local answer = {}
local refused = false
for i, key in ipairs(KEYS) do
  local limit, span = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
  redis.call('ZREMRANGEBYSCORE', key, '-inf', at - span)
  local used = redis.call('ZCARD', key)
  local first = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  local oldest = first[2] and tonumber(first[2]) or at
  if used >= limit then refused = true end
  answer[i] = {used, tostring(oldest + span - at)}
end
if not refused then
  for i, key in ipairs(KEYS) do
    redis.call('ZADD', key, at, now[1] .. '.' .. now[2] .. ':' .. ARGV[1])
    redis.call('EXPIRE', key, math.ceil(tonumber(ARGV[2 * i + 1])) + 1)
  end
end
return {refused and 1 or 0, answer}
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where one asker stands with the tightest of the scopes asked."""

    allowed: bool
    scope: str
    limit: int
    remaining: int
    wait_s: float

    def headers(self) -> dict[str, str]:
        """What every answer carries."""
        reset = math.ceil(clock.now().timestamp() + self.wait_s)
        values = (self.limit, self.remaining, reset, self.scope)
        found = {f"X-RateLimit-{n}": str(v) for n, v in zip(HEADERS, values, strict=True)}
        if not self.allowed:
            found["Retry-After"] = str(max(1, math.ceil(self.wait_s)))
        return found


def client_address(request: Any) -> str:
    """The sender's address: the connection's, or what our NUM_PROXIES proxies say it was.

    Only the entry written by the outermost proxy of ours counts; what stands left of it is the
    sender's own invention.
    """
    meta = request.META
    direct = str(meta.get("REMOTE_ADDR", ""))
    proxies = settings.NUM_PROXIES
    told = [each.strip() for each in meta.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    if not proxies or len(told) < proxies:
        return direct
    try:
        return str(ipaddress.ip_address(told[-proxies]))
    except ValueError:
        return direct


def count(who: str, *scopes: str) -> Standing:
    """Count one request in all the scopes at once, or in none when one of them is full."""
    limits = [(scope, *settings.RATE_LIMITS[scope]) for scope in scopes]
    # unlike any other member of the log, forked threads included
    arguments: list[Any] = [f"{os.getpid()}:{threading.get_ident()}:{time.perf_counter_ns()}"]
    for _, limit, span in limits:
        arguments += [limit, span]
    keys = [f"limit:{scope}:{who}" for scope in scopes]
    try:
        refused, answer = livestate.script(_COUNT)(keys=keys, args=arguments)
    except livestate.LiveError:
        if LOGIN in scopes:
            return _by_rows(who)
        return _LOCAL.count(who, limits)
    found = [
        _standing(scope, limit, int(used), float(wait), bool(refused))
        for (scope, limit, _), (used, wait) in zip(limits, answer, strict=True)
    ]
    return _tightest(found)


def _standing(scope: str, limit: int, used: int, wait_s: float, refused: bool) -> Standing:
    remaining = max(0, limit - used - (0 if refused else 1))
    return Standing(used < limit, scope, limit, remaining, wait_s)


def _tightest(found: list[Standing]) -> Standing:
    full = [each for each in found if not each.allowed]
    if full:
        return max(full, key=lambda each: each.wait_s)
    named = [each for each in found if each.scope not in ("default", "burst")]
    return (named or found)[0]


class _Local:
    """The count of this process alone, while the live store is away: bounded, not exact."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.seen: dict[str, deque[float]] = {}

    def count(self, who: str, limits: list[tuple[str, int, int]]) -> Standing:
        now = time.monotonic()
        with self.lock:
            if len(self.seen) > 10_000:
                self.seen.clear()
            found = []
            for scope, limit, span in limits:
                log = self.seen.setdefault(f"{scope}:{who}", deque())
                while log and log[0] <= now - span:
                    log.popleft()
                wait = (log[0] if log else now) + span - now
                found.append(_standing(scope, limit, len(log), wait, False))
            if all(each.allowed for each in found):
                for scope, _, _ in limits:
                    self.seen[f"{scope}:{who}"].append(now)
        return _tightest(found)


_LOCAL = _Local()


def _by_rows(who: str) -> Standing:
    """Sign-ins without the live store: each window has `limit` slots, an insert takes one."""
    limit, span = settings.RATE_LIMITS[LOGIN]
    now = clock.now()
    window = int(now.timestamp() // span)
    wait = (window + 1) * span - now.timestamp()
    address = hashlib.sha256(who.encode()).hexdigest()[:40]
    for slot in range(limit):
        row = IdempotencyKey(
            user_id=_HOUSE,
            operation="limit:login",
            key=f"{address}:{window}:{slot}",
            fingerprint="",
            created_at=now,
        )
        try:
            with transaction.atomic():
                row.save(force_insert=True)
        except IntegrityError:
            continue
        return Standing(True, LOGIN, limit, limit - slot - 1, wait)
    return Standing(False, LOGIN, limit, 0, wait)


class SharedLimit(BaseThrottle):
    """Every request counts once: per user, per address where nobody is known."""

    standing: Standing | None = None

    def allow_request(self, request: Any, view: Any) -> bool:
        """Count the request; its standing goes out with the answer."""
        known = getattr(request._request, "rate_standing", None)
        if known is None:
            known = request._request.rate_standing = _of_request(request, view)
        self.standing = known
        return known.allowed

    def wait(self) -> float | None:
        """Seconds until the next try makes sense."""
        return max(1.0, self.standing.wait_s) if self.standing else None


def _of_request(request: Any, view: Any) -> Standing:
    wanted = declared(view, request.method)
    named = wanted.limit if wanted else ""
    address = f"address:{client_address(request)}"
    if named == LOGIN:
        return count(address, LOGIN)
    user = request.user
    who = f"user:{user.pk}" if user.is_authenticated else address
    return count(who, *([named] if named else []), "default", "burst")
