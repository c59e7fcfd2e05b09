"""Rows that every test of a module begins with, made once."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction


@contextmanager
def module_rows(blocker: Any) -> Iterator[None]:
    """Keep what is written inside for a module; each test undoes its own to a savepoint within."""
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
