"""Ticks that moved too far: one open doubt an instrument, session and source, however many come."""

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

import numpy as np
from django.db.models import F

from marketdata.calculations import price_checks, tick_batch
from marketdata.calculations.tick_batch import TickBatch
from marketdata.choices import QuarantineState
from marketdata.models import QuarantinedPrice
from marketdata.selectors.tick_references import DATASET, References, sessions_of

_EPOCH = date(1970, 1, 1)
_FIGURES = ("volume", "bid", "ask", "day_volume")


def keep(held: TickBatch, ids: Mapping[str, UUID], before: References) -> None:
    """Put doubts into quarantine as they came; an open one is only counted again."""
    if not held.size:
        return
    days = [_EPOCH + timedelta(days=day) for day in sessions_of(held.ts).tolist()]
    first: dict[tuple[str, date, str], int] = {}
    for row, (symbol, source) in enumerate(
        zip(held.symbol.tolist(), held.source.tolist(), strict=True)
    ):
        first.setdefault((held.symbols[symbol], days[row], held.sources[source]), row)
    waiting = QuarantinedPrice.objects.filter(
        dataset=DATASET, state=QuarantineState.HELD, session_date__in=set(days)
    ).values_list("symbol", "session_date", "source", "pk")
    seen = {key: pk for *key_parts, pk in waiting if (key := tuple(key_parts)) in first}
    QuarantinedPrice.objects.filter(pk__in=seen.values()).update(times_seen=F("times_seen") + 1)
    fresh = [
        _doubt(held, row, key, ids[key[0]], before) for key, row in first.items() if key not in seen
    ]
    QuarantinedPrice.objects.bulk_create(fresh, batch_size=500, ignore_conflicts=True)


def _doubt(
    held: TickBatch, row: int, key: tuple[str, date, str], owner: UUID, before: References
) -> QuarantinedPrice:
    symbol, session_date, source = key
    price = float(held.price[row])
    figures = {name: float(getattr(held, name)[row]) for name in _FIGURES}
    told = {name: None if np.isnan(value) else repr(value) for name, value in figures.items()}
    return QuarantinedPrice(
        instrument_id=owner,
        symbol=symbol,
        dataset=DATASET,
        session_date=session_date,
        as_of=tick_batch.moment(int(held.ts[row])),
        source=source,
        raw={"price": repr(price), **told},
        value=repr(price),
        compared_with=f"{before.price[held.symbol[row]]:.6g}",
        reason=price_checks.JUMP,
    )
