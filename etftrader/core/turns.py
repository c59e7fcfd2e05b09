"""Turns at a database that has one lock and no queue for it."""

import time

from django.db import connection

# who waits for SQLite looks again after at most 100 ms (sqlite3.c, sqliteDefaultBusyCallback)
LOOKS_AGAIN_S = 0.1
GAP_S = LOOKS_AGAIN_S * 1.2


def give_way() -> None:
    """Leave SQLite's lock free between two parts of a long work until all who wait have looked.

    Said outside of a transaction. A database with a queue hands its locks on by itself.
    """
    if connection.vendor == "sqlite" and not connection.in_atomic_block:
        time.sleep(GAP_S)
