"""The request's id, carried through a thread's log lines."""

import logging
from contextvars import ContextVar

request_id: ContextVar[str] = ContextVar("request_id", default="")


class RequestIdFilter(logging.Filter):
    """Adds the current request's id to a record."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a line."""
        current = request_id.get()
        if current:
            record.request_id = current
        return True
