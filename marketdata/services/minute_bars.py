"""Minutes: those of a session being played, and the end of what is kept of ticks and minutes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from django.db import connection, transaction

from marketdata.models import MinuteBar
from marketdata.providers.base import Bar
from marketdata.services.ticks import KEEP_TICKS

KEEP_MINUTES = timedelta(days=400)
SLICE = 5_000  # rows a transaction: writers on SQLite wait for no more than that
_OLD_TICKS = """
    DELETE FROM marketdata_tick WHERE (instrument_id, ts, source) IN (
        SELECT instrument_id, ts, source FROM marketdata_tick WHERE ts < %s ORDER BY ts LIMIT %s
    )
"""
_OLD_MINUTES = """
    DELETE FROM marketdata_minutebar WHERE (instrument_id, ts, source) IN (
        SELECT instrument_id, ts, source FROM marketdata_minutebar
        WHERE ts < %s ORDER BY ts LIMIT %s
    )
"""


def store(*, bar: Bar, prices: Mapping[UUID, Decimal]) -> None:
    """Keep one minute of a session being played, all its instruments in one statement.

    The path is known at the minute's end only: open, high, low and close are that one price.
    """
    MinuteBar.objects.bulk_create(
        [
            MinuteBar(
                instrument_id=owner,
                ts=bar.as_of,
                source=bar.source,
                open=price,
                high=price,
                low=price,
                close=price,
            )
            for owner, price in prices.items()
        ],
        update_conflicts=True,
        unique_fields=["instrument", "ts", "source"],
        update_fields=["open", "high", "low", "close"],
    )


def prune(*, now: datetime) -> dict[str, int]:
    """Delete ticks and minutes that are kept no longer, a slice a transaction; count the rows."""
    return {
        "ticks": _prune(_OLD_TICKS, now - KEEP_TICKS),
        "minutes": _prune(_OLD_MINUTES, now - KEEP_MINUTES),
    }


def _prune(statement: str, before: datetime) -> int:
    count = 0
    while gone := _slice(statement, before):
        count += gone
    return count


@transaction.atomic
def _slice(statement: str, before: datetime) -> int:
    with connection.cursor() as cursor:
        told = connection.ops.adapt_datetimefield_value(before)
        cursor.execute(statement, [told, SLICE])
        return max(cursor.rowcount, 0)
