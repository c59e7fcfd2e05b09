"""Takes ticks in, a batch at a time: history, minutes, the newest quotes, last prices for readers.

A duplicate has no effect. A tick out of order is history: it finds its minute, and never moves a
quote back.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from etftrader.core.errors import BadInput
from marketdata import live
from marketdata.calculations import tick_batch
from marketdata.calculations.tick_batch import MINUTE_US, REASONS, Minutes, TickBatch
from marketdata.choices import Pricing, Source
from marketdata.models import Instrument
from marketdata.selectors.tick_references import References, references
from marketdata.services import bulk, tick_doubts, tick_tables
from marketdata.services.bulk import Column, Kind

KEEP_TICKS = timedelta(days=30)
_AT_ONCE = 10_000  # ticks a transaction: bounds its memory and how long others wait
_FEW = 500  # symbols; more are looked up by reading all instruments


@dataclass(slots=True)
class Ingested:
    """What became of the ticks of a batch."""

    received: int = 0
    stored: int = 0
    duplicates: int = 0
    late: int = 0  # stored, older than the quote of their instrument
    held: int = 0  # in doubt, waiting for a person
    moved: int = 0  # quotes replaced
    refused: Counter[str] = field(default_factory=Counter)  # by reason


def ingest(ticks: TickBatch, *, now: datetime, board: live.PriceBoard | None = None) -> Ingested:
    """Take a batch in; the answer counts what became of its ticks.

    What can be no price is refused, a move beyond 40% is held in quarantine. `now` is the moment
    of the caller's clock. The `board` tells readers of the live store what moved, one round trip
    a transaction, after its commit. Raises BadInput for a source we do not know.
    """
    strangers = set(ticks.sources) - set(Source.values)
    if strangers:
        raise BadInput(f"No source is called {min(strangers)[:12]}.", attr="source")
    told = Ingested(received=ticks.size)
    ids = _instruments(ticks.symbols)
    for start in range(0, ticks.size, _AT_ONCE):
        _take(ticks.rows(slice(start, start + _AT_ONCE)), ids, now, told, board)
    return told


def _take(
    ticks: TickBatch,
    ids: Mapping[str, UUID],
    now: datetime,
    told: Ingested,
    board: live.PriceBoard | None,
) -> None:
    """One transaction's share of a batch."""
    why = tick_batch.refusals(
        ticks,
        known=np.array([symbol in ids for symbol in ticks.symbols], dtype=bool),
        now_us=tick_batch.microseconds(now),
        oldest_us=tick_batch.microseconds(now - KEEP_TICKS),
    )
    for place, count in enumerate(np.bincount(why, minlength=len(REASONS)).tolist()):
        if place and count:
            told.refused[REASONS[place]] += count
    possible = tick_batch.cleaned(ticks.rows(np.flatnonzero(why == 0)))
    unique = possible.rows(tick_batch.once(possible))
    told.duplicates += possible.size - unique.size
    if not unique.size:
        return
    with transaction.atomic(), connection.cursor() as cursor:
        tick_tables.one_writer(cursor)
        before = references(unique, ids)
        held = tick_batch.jumps(unique.symbol, unique.price, before.price)
        tick_doubts.keep(unique.rows(np.flatnonzero(held)), ids, before)
        told.held += int(held.sum())
        _write(cursor, unique.rows(np.flatnonzero(~held)), ids, before, told, board)


def _write(
    cursor: Any,
    ticks: TickBatch,
    ids: Mapping[str, UUID],
    before: References,
    told: Ingested,
    board: live.PriceBoard | None,
) -> None:
    owner = _owners(ticks, ids)
    bulk.stage(cursor, tick_tables.TICKS, _tick_columns(ticks, owner))
    old = np.zeros(ticks.size, dtype=bool)
    old[tick_tables.known(cursor)] = True
    tick_tables.store(cursor)
    fresh = ticks.rows(np.flatnonzero(~old))
    told.stored += fresh.size
    told.duplicates += ticks.size - fresh.size
    told.late += int((fresh.ts < before.ts[fresh.symbol]).sum())
    if not fresh.size:
        return
    bulk.stage(
        cursor, tick_tables.MINUTES, _minute_columns(tick_batch.minutes(fresh), fresh, owner)
    )
    tick_tables.roll(cursor)
    ahead = fresh.rows(tick_batch.newest(fresh.symbol))
    ahead = ahead.rows(np.flatnonzero(ahead.ts > before.ts[ahead.symbol]))
    if not ahead.size:
        return
    shares = before.session_volume(fresh, ahead)
    bulk.stage(cursor, tick_tables.QUOTES, _quote_columns(ahead, owner, before, shares))
    told.moved += tick_tables.move(cursor)
    if board is not None:
        symbols = [ahead.symbols[place] for place in ahead.symbol.tolist()]
        as_of = int(ahead.ts.max())
        transaction.on_commit(lambda: board.publish(symbols, ahead.price, as_of), robust=True)


def _instruments(symbols: tuple[str, ...]) -> dict[str, UUID]:
    """Ids of the instruments that are priced by the market now, asked anew for every batch."""
    rows = Instrument.objects.filter(active=True, pricing=Pricing.AUTO)
    if len(symbols) <= _FEW:
        rows = rows.filter(symbol__in=symbols)
    return dict(rows.values_list("symbol", "pk"))


def _owners(ticks: TickBatch, ids: Mapping[str, UUID]) -> tuple[UUID, ...]:
    """One id a label; labels that nothing is stored under have none of their own."""
    return tuple(ids.get(symbol, UUID(int=0)) for symbol in ticks.symbols)


def _tick_columns(ticks: TickBatch, owner: tuple[UUID, ...]) -> list[Column]:
    return [
        Column(Kind.WHOLE, np.arange(ticks.size)),
        Column(Kind.LABEL, ticks.symbol, owner),
        Column(Kind.MOMENT, ticks.ts),
        Column(Kind.LABEL, ticks.source, ticks.sources),
        price_column(ticks.price),
        count_column(ticks.volume),
    ]


def _minute_columns(minutes: Minutes, ticks: TickBatch, owner: tuple[UUID, ...]) -> list[Column]:
    return [
        Column(Kind.LABEL, minutes.symbol, owner),
        Column(Kind.MOMENT, minutes.ends - MINUTE_US),
        Column(Kind.MOMENT, minutes.ends),
        Column(Kind.LABEL, minutes.source, ticks.sources),
        price_column(minutes.high),
        price_column(minutes.low),
        count_column(minutes.volume),
    ]


def _quote_columns(
    ahead: TickBatch, owner: tuple[UUID, ...], before: References, shares: NDArray[np.float64]
) -> list[Column]:
    return [
        Column(Kind.LABEL, ahead.symbol, owner),
        price_column(ahead.price),
        price_column(ahead.bid),
        price_column(ahead.ask),
        price_column(before.previous_close[ahead.symbol]),
        count_column(shares),
        Column(Kind.DAY, before.session[ahead.symbol]),
        Column(Kind.MOMENT, ahead.ts),
        Column(Kind.LABEL, ahead.source, ahead.sources),
    ]


def price_column(prices: NDArray[np.float64]) -> Column:
    """Dollars as a column, null where they are NaN."""
    missing = np.isnan(prices)
    units = bulk.ten_thousandths(np.where(missing, 0.0, prices))
    return Column(Kind.PRICE, units, missing=missing if missing.any() else None)


def count_column(counts: NDArray[np.float64]) -> Column:
    """Shares as a column, null where they are NaN."""
    missing = np.isnan(counts)
    whole = np.where(missing, 0.0, counts).round().astype(np.int64)
    return Column(Kind.WHOLE, whole, missing=missing if missing.any() else None)
