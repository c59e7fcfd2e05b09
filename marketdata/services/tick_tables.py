"""Where a batch of ticks goes: ticks, minutes and newest quotes, a few statements for all of them.

The statements read the same on both engines; only the staging tables are made differently.
"""

from typing import Any

from django.db import connection

from marketdata.services.bulk import Stage

_WRITER = 7_211_016  # a number of ours among PostgreSQL's advisory locks

TICKS = Stage(
    create="""
        CREATE TEMP TABLE IF NOT EXISTS tick_in (
            n bigint, instrument_id uuid, ts timestamptz, source varchar, price numeric,
            volume bigint
        ) ON COMMIT DELETE ROWS
    """,
    copy="COPY tick_in FROM STDIN BINARY",
    create_plain="""
        CREATE TEMP TABLE IF NOT EXISTS tick_in (n, instrument_id, ts, source, price, volume)
    """,
    insert="INSERT INTO tick_in VALUES (%s, %s, %s, %s, %s, %s)",
    clear="DELETE FROM tick_in",
)
MINUTES = Stage(
    create="""
        CREATE TEMP TABLE IF NOT EXISTS minute_in (
            instrument_id uuid, begins timestamptz, ts timestamptz, source varchar, high numeric,
            low numeric, volume bigint
        ) ON COMMIT DELETE ROWS
    """,
    copy="COPY minute_in FROM STDIN BINARY",
    create_plain="""
        CREATE TEMP TABLE IF NOT EXISTS minute_in (
            instrument_id, begins, ts, source, high, low, volume
        )
    """,
    insert="INSERT INTO minute_in VALUES (%s, %s, %s, %s, %s, %s, %s)",
    clear="DELETE FROM minute_in",
)
QUOTES = Stage(
    create="""
        CREATE TEMP TABLE IF NOT EXISTS quote_in (
            instrument_id uuid, price numeric, bid numeric, ask numeric, previous_close numeric,
            volume bigint, session_date date, as_of timestamptz, source varchar
        ) ON COMMIT DELETE ROWS
    """,
    copy="COPY quote_in FROM STDIN BINARY",
    create_plain="""
        CREATE TEMP TABLE IF NOT EXISTS quote_in (
            instrument_id, price, bid, ask, previous_close, volume, session_date, as_of, source
        )
    """,
    insert="INSERT INTO quote_in VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
    clear="DELETE FROM quote_in",
)
_KNOWN = """
    SELECT s.n FROM tick_in s JOIN marketdata_tick t
    ON t.instrument_id = s.instrument_id AND t.ts = s.ts AND t.source = s.source
"""
_STORE = """
    INSERT INTO marketdata_tick (instrument_id, ts, source, price, volume)
    SELECT instrument_id, ts, source, price, volume FROM tick_in WHERE true
    ON CONFLICT (instrument_id, ts, source) DO NOTHING
"""
# first and last are looked up in the ticks themselves, so that a late one finds its place
_ROLL = """
    INSERT INTO marketdata_minutebar
        (instrument_id, ts, source, open, high, low, close, volume)
    SELECT m.instrument_id, m.ts, m.source,
        (SELECT t.price FROM marketdata_tick t
         WHERE t.instrument_id = m.instrument_id AND t.source = m.source
         AND t.ts >= m.begins AND t.ts < m.ts ORDER BY t.ts LIMIT 1),
        m.high, m.low,
        (SELECT t.price FROM marketdata_tick t
         WHERE t.instrument_id = m.instrument_id AND t.source = m.source
         AND t.ts >= m.begins AND t.ts < m.ts ORDER BY t.ts DESC LIMIT 1),
        m.volume
    FROM minute_in m WHERE true
    ON CONFLICT (instrument_id, ts, source) DO UPDATE SET
        open = excluded.open,
        high = CASE WHEN excluded.high > marketdata_minutebar.high
               THEN excluded.high ELSE marketdata_minutebar.high END,
        low = CASE WHEN excluded.low < marketdata_minutebar.low
              THEN excluded.low ELSE marketdata_minutebar.low END,
        close = excluded.close,
        volume = COALESCE(marketdata_minutebar.volume + excluded.volume,
                          marketdata_minutebar.volume, excluded.volume)
"""
_MOVE = """
    INSERT INTO marketdata_quote
        (instrument_id, price, bid, ask, previous_close, volume, session_date, as_of, source)
    SELECT instrument_id, price, bid, ask, previous_close, volume, session_date, as_of, source
    FROM quote_in WHERE true
    ON CONFLICT (instrument_id) DO UPDATE SET
        price = excluded.price, bid = excluded.bid, ask = excluded.ask,
        previous_close = excluded.previous_close, volume = excluded.volume,
        session_date = excluded.session_date, as_of = excluded.as_of, source = excluded.source
    WHERE marketdata_quote.as_of < excluded.as_of
"""


def one_writer(cursor: Any) -> None:
    """Let batches in one after the other, to the end of the transaction; SQLite does anyway."""
    if connection.vendor == "postgresql":
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_WRITER])


def known(cursor: Any) -> list[int]:
    """Numbers of the staged ticks that are stored already."""
    cursor.execute(_KNOWN)
    return [number for (number,) in cursor.fetchall()]


def store(cursor: Any) -> None:
    """Write the staged ticks that are new."""
    cursor.execute(_STORE)


def roll(cursor: Any) -> None:
    """Write or correct the minutes that are staged, after their ticks."""
    cursor.execute(_ROLL)


def move(cursor: Any) -> int:
    """Let the staged quotes replace older ones; the answer counts those that did."""
    cursor.execute(_MOVE)
    return max(cursor.rowcount, 0)
