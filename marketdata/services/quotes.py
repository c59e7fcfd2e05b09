"""Stores the newest quotes: one row an instrument, all of a bar in one statement."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from etftrader.core.money import to_fill_price
from marketdata.models import Instrument, Quote
from marketdata.providers.base import Bar


def store(*, bar: Bar, previous_close: Mapping[str, float]) -> int:
    """Replace the quotes of a bar's symbols; the answer counts them."""
    ids = dict(Instrument.objects.filter(symbol__in=bar.symbols).values_list("symbol", "pk"))
    rows = [
        Quote(
            instrument_id=ids[symbol],
            price=to_fill_price(price),
            previous_close=_or_none(previous_close.get(symbol)),
            session_date=bar.session_date,
            as_of=bar.as_of,
            source=bar.source,
        )
        for symbol, price in zip(bar.symbols, bar.prices.tolist(), strict=True)
        if symbol in ids and np.isfinite(price) and price > 0
    ]
    Quote.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instrument"],
        update_fields=["price", "previous_close", "session_date", "as_of", "source"],
    )
    return len(rows)


def _or_none(price: float | None) -> Decimal | None:
    return None if price is None else to_fill_price(price)
