"""How often a source is asked: token bucket, back-off and circuit breaker, one of each a process.

Locks guard arithmetic only; every wait happens outside them.
"""

import itertools
import random
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from etftrader.core.errors import BadInput
from etftrader.core.outbound.errors import OutboundFailed, Paused, RateLimited, Throttled

PLANS = (5, 100, 1_000, 10_000)  # calls a minute, product.md 2.17
WINDOW_S = 60.0
TRIES = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 300.0
BREAKS_AFTER, BROKEN_S = 3, 60.0
LONGEST_WAIT_S = 120.0

Result = TypeVar("Result")


class TokenBucket:
    """At most `per_minute` calls in any minute, a tenth of them at once, `spacing_s` apart."""

    def __init__(self, per_minute: int, *, spacing_s: float, clock: Callable[[], float]) -> None:
        if per_minute not in PLANS:
            raise BadInput(
                f"A plan is one of {', '.join(map(str, PLANS))} calls a minute.", attr="per_minute"
            )
        burst = max(1, per_minute // 10)
        # burst + what flows back within the window stays within the plan
        self._every = WINDOW_S / (per_minute - burst + 1)
        self._ahead = (burst - 1) * self._every
        self._spacing_s = spacing_s
        self._clock = clock
        self._lock = threading.Lock()
        self._due = self._last = float("-inf")

    def reserve(self, longest_s: float = LONGEST_WAIT_S) -> float:
        """Take the next place and return the seconds to wait for it. Raises Throttled."""
        with self._lock:
            now = self._clock()
            due = max(self._due, now)
            start = max(now, due - self._ahead, self._last + self._spacing_s)
            if start - now > longest_s:
                raise Throttled(f"the plan's rate is used up for {start - now:.0f} s")
            self._due, self._last = due + self._every, start
            return start - now


class Breaker:
    """After three failed calls the source is left alone for a minute, then tried by one call."""

    def __init__(self, name: str, *, clock: Callable[[], float]) -> None:
        self._name = name
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until = float("-inf")

    @property
    def is_open(self) -> bool:
        """Whether calls are refused at this moment."""
        return self._clock() < self._open_until

    def admit(self) -> None:
        """Let one call through. Raises Paused."""
        with self._lock:
            left = self._open_until - self._clock()
            if left > 0:
                raise Paused(
                    f"{self._name} failed {self._failures} times; next try in {left:.0f} s",
                    retry_after_s=left,
                )
            if self._failures >= BREAKS_AFTER:
                # the others wait until this one call has told whether the source is back
                self._open_until = self._clock() + BROKEN_S

    def worked(self) -> None:
        """Forget the failures."""
        with self._lock:
            self._failures, self._open_until = 0, float("-inf")

    def failed(self) -> None:
        """Count one failed call."""
        with self._lock:
            self._failures += 1
            if self._failures >= BREAKS_AFTER:
                self._open_until = self._clock() + BROKEN_S


class Line:
    """The manners towards one source, shared by every call of this process."""

    def __init__(
        self,
        name: str,
        *,
        per_minute: int = 100,
        spacing_s: float = 0.1,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self.bucket = TokenBucket(per_minute, spacing_s=spacing_s, clock=clock)
        self.breaker = Breaker(name, clock=clock)
        self._sleep, self._jitter = sleep, jitter

    def carry(
        self, send: Callable[[], Result], *, tries: int = TRIES, counts: bool = True
    ) -> Result:
        """Return what `send` returns, after waits, further tries and the breaker's consent.

        `send` raises OutboundFailed; one that may pass is tried again with full jitter, or after
        the pause the source names. A side errand (`counts=False`) leaves the breaker alone.
        """
        if counts:
            self.breaker.admit()
        try:
            result = self._tried(send, tries)
        except OutboundFailed as failure:
            if counts and not isinstance(failure, Throttled):
                (self.breaker.worked if failure.answered else self.breaker.failed)()
            raise
        if counts:
            self.breaker.worked()
        return result

    def _tried(self, send: Callable[[], Result], tries: int) -> Result:
        for number in itertools.count():
            if wait := self.bucket.reserve():
                self._sleep(wait)
            try:
                return send()
            except OutboundFailed as failure:
                pause = self._pause(failure, number)
                if not failure.again or number + 1 >= tries or pause > LONGEST_PAUSE_S:
                    raise
            self._sleep(pause)
        raise AssertionError  # the loop has no end of its own

    def _pause(self, failure: OutboundFailed, number: int) -> float:
        named = failure.retry_after_s if isinstance(failure, RateLimited) else None
        drawn = self._jitter(0.0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**number))
        return drawn if named is None else max(named, drawn)


_lines: dict[tuple[str, int, float], Line] = {}
_lines_lock = threading.Lock()


def shared(name: str, *, per_minute: int, spacing_s: float) -> Line:
    """Return this process's line to a source: one bucket and one breaker for all its callers."""
    with _lines_lock:
        key = (name, per_minute, spacing_s)
        if key not in _lines:
            _lines[key] = Line(name, per_minute=per_minute, spacing_s=spacing_s)
        return _lines[key]
