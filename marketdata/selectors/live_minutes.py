"""Minutes of a live session: the one that has just passed, from quotes; earlier ones, as kept."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import groupby

import numpy as np

from marketdata.choices import Source
from marketdata.models import MinuteBar, Quote
from marketdata.providers.base import Bar
from marketdata.selectors import calendar

MINUTE = timedelta(minutes=1)


def passed(*, session_date: date, at: datetime) -> int:
    """How many minutes of a session have passed at a moment, none before its open."""
    done = (at - calendar.open_time(session_date)) // MINUTE
    return max(0, min(done, calendar.minutes(session_date)))


def newest(
    *, session_date: date, index: int, symbols: Sequence[str], seen: Mapping[str, datetime]
) -> tuple[Bar, dict[str, datetime]]:
    """The minute of an index from the quotes as they stand, and when each was told.

    NaN for a symbol of which nothing came since it was `seen`: it did not trade.
    """
    rows = Quote.objects.filter(instrument__symbol__in=symbols, session_date=session_date)
    prices = np.full(len(symbols), np.nan)
    place = {symbol: at for at, symbol in enumerate(symbols)}
    told = dict(seen)
    sources = set()
    for symbol, price, as_of, source in rows.values_list(
        "instrument__symbol", "price", "as_of", "source"
    ):
        if symbol not in seen or as_of > seen[symbol]:
            prices[place[symbol]], told[symbol] = float(price), as_of
            sources.add(source)
    return _bar(session_date, index, symbols, prices, "+".join(sorted(sources))), told


def kept(*, session_date: date, symbols: Sequence[str], before: int) -> Iterator[Bar]:
    """The minutes of a session as they were kept, oldest first, up to an index."""
    place = {symbol: at for at, symbol in enumerate(symbols)}
    opens = calendar.open_time(session_date)
    rows = MinuteBar.objects.filter(
        instrument__symbol__in=symbols, ts__gt=opens, ts__lte=opens + before * MINUTE
    ).exclude(source=Source.SIM)
    columns = rows.order_by("ts").values_list("ts", "instrument__symbol", "close", "source")
    for ts, group in groupby(columns, key=lambda row: row[0]):
        prices, source = np.full(len(symbols), np.nan), ""
        for _, symbol, close, said in group:
            prices[place[symbol]], source = float(close), said
        yield _bar(session_date, (ts - opens) // MINUTE - 1, symbols, prices, source)


def _bar(
    session_date: date, index: int, symbols: Sequence[str], prices: object, source: str
) -> Bar:
    return Bar(
        as_of=calendar.open_time(session_date) + (index + 1) * MINUTE,
        session_date=session_date,
        index=index,
        count=calendar.minutes(session_date),
        symbols=tuple(symbols),
        prices=np.asarray(prices),
        source=source,
    )
