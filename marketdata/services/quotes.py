"""Stores the newest quotes of a bar and its minute: one statement each for all instruments."""

from collections.abc import Mapping
from decimal import Decimal

import numpy as np

from etftrader.core.money import to_fill_price
from marketdata.choices import Source
from marketdata.models import Instrument, Quote
from marketdata.providers.base import Bar
from marketdata.services import minute_bars


def store(*, bar: Bar, previous_close: Mapping[str, float]) -> int:
    """Replace the quotes of a played bar's symbols and keep its minute; counts the quotes.

    A live bar is made of quotes that are stored already, with times of their own: it writes none.
    """
    if bar.source != Source.SIM:
        return 0
    ids = dict(Instrument.objects.filter(symbol__in=bar.symbols).values_list("symbol", "pk"))
    prices = {
        symbol: to_fill_price(price)
        for symbol, price in zip(bar.symbols, bar.prices.tolist(), strict=True)
        if symbol in ids and np.isfinite(price) and price > 0
    }
    rows = [
        Quote(
            instrument_id=ids[symbol],
            price=price,
            previous_close=_or_none(previous_close.get(symbol)),
            session_date=bar.session_date,
            as_of=bar.as_of,
            source=bar.source,
        )
        for symbol, price in prices.items()
    ]
    Quote.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["instrument"],
        # a spread and a volume of an earlier moment would look like this one's
        update_fields=[each.name for each in Quote._meta.fields if not each.primary_key],
    )
    minute_bars.store(bar=bar, prices={ids[symbol]: price for symbol, price in prices.items()})
    return len(rows)


def _or_none(price: float | None) -> Decimal | None:
    return None if price is None else to_fill_price(price)
