"""The newest log lines of a run, kept for a week in the live store: a help, never the record.

The program's own log has every line. What is kept here leaves out tracebacks, and what errors
say that are not ours: they name paths and keys.
"""

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from etftrader.core import clock, livestate
from etftrader.core.errors import DomainError

MOST, LONGEST, TTL_S = 200, 400, 7 * 86_400  # lines, characters, seconds
# what a record has of itself; the rest came as `extra`
_OWN = {*logging.makeLogRecord({}).__dict__, "message", "asctime", "taskName", "request_id"}


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was said."""

    at: datetime  # aware, UTC
    level: str
    text: str


class _Keeper(logging.Handler):
    """Keeps what the thread of a run says, until the store fails it once."""

    def __init__(self, run_id: UUID | str) -> None:
        super().__init__(logging.INFO)
        self.key, self.thread = _key(run_id), threading.get_ident()
        self.busy = self.away = False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is the run's own; asked before the lock, so that no thread waits here."""
        ours = threading.get_ident() == self.thread and not self.busy and not self.away
        return ours and bool(super().filter(record))

    def emit(self, record: logging.LogRecord) -> None:
        """Append one line; one that cannot be put into words is no failure of the run."""
        try:
            at = datetime.fromtimestamp(record.created, UTC)
            self.keep(Line(at, record.levelname, _text(record)))
        except Exception:  # noqa: BLE001  as every handler does
            self.handleError(record)

    def keep(self, line: Line) -> None:
        """Append one line, and let go of the oldest beyond `MOST`."""
        if self.away:
            return
        self.busy = True  # what the store's client says while it is asked is not kept
        try:
            with livestate.client().pipeline(transaction=True) as pipe:
                pipe.rpush(self.key, json.dumps([line.at.timestamp(), line.level, line.text]))
                pipe.ltrim(self.key, -MOST, -1)
                pipe.expire(self.key, TTL_S)
                livestate.client().guarded(pipe.execute)
        except (livestate.LiveError, OSError):
            self.away = True  # a run waits for it once
        finally:
            self.busy = False


_keeper: ContextVar[_Keeper | None] = ContextVar("the keeper of the run at work", default=None)


@contextmanager
def kept(run_id: UUID | str) -> Iterator[None]:
    """What this thread logs within is kept for a run; runs may be carried out within each other."""
    keeper = _Keeper(run_id)
    root, before = logging.getLogger(), _keeper.set(keeper)
    root.addHandler(keeper)
    try:
        yield
    finally:
        root.removeHandler(keeper)
        _keeper.reset(before)


def say(text: str) -> None:
    """A line of the run at work that is no line of the program's log; without a run nothing."""
    keeper = _keeper.get()
    if keeper is not None:
        keeper.keep(Line(clock.now(), "INFO", text[:LONGEST]))


def tail(run_id: UUID | str) -> list[Line] | None:
    """The newest lines of a run, oldest first; None while the live store is away."""
    try:
        texts: Any = livestate.client().lrange(_key(run_id), 0, -1)
    except (livestate.LiveError, OSError):
        return None
    lines = (json.loads(text) for text in texts)
    return [Line(datetime.fromtimestamp(at, UTC), level, text) for at, level, text in lines]


def _key(run_id: UUID | str) -> str:
    return f"job:log:{run_id}"


def _text(record: logging.LogRecord) -> str:
    words = record.getMessage()
    told = _figures(record.__dict__)
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        name = type(error).__name__
        told.append(f"{name}: {error}" if isinstance(error, DomainError) else name)
    return ", ".join([words, *told])[:LONGEST]


def _figures(of: Mapping[str, Any]) -> list[str]:
    return [f"{name} {value}" for name, value in of.items() if name not in _OWN]
