"""Rows as the price gate judges them: a doubt's own, and what stands beside them."""

from collections.abc import Sequence
from datetime import date

from marketdata.calculations import bar_gate
from marketdata.models import DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.services import price_decisions
from marketdata.services.price_decisions import Split

FIGURES = ("open", "high", "low", "close", "adj_close", "volume")


def row_of(doubt: QuarantinedPrice, splits: Sequence[Split]) -> BarRow:
    """The row as its source gave it, in the shares of what is stored today.

    What can be no price or volume beside the close is left out.
    """
    shares = price_decisions.shares_since(splits, doubt)
    raw = doubt.raw
    told = {name: None if raw.get(name) is None else float(raw[name]) for name in FIGURES}
    volume = told.pop("volume")
    close = told.pop("close")
    assert close is not None
    usable = {
        name: price / shares if price is not None and bar_gate.possible_price(price) else None
        for name, price in told.items()
    }
    known = volume is not None and bar_gate.possible_volume(volume)
    return BarRow(
        symbol=doubt.instrument.symbol if doubt.instrument else doubt.symbol,
        session_date=doubt.session_date,
        close=close / shares,
        volume=round(int(raw["volume"]) * shares) if known else None,
        source=doubt.source,
        price_basis=doubt.price_basis,
        **usable,
    )


def figures(row: BarRow) -> bar_gate.Row:
    """What of a row is judged."""
    return bar_gate.Row(
        row.session_date, row.close, row.open, row.high, row.low, row.volume, row.adj_close
    )


def last_believed(instrument: Instrument, before: date) -> tuple[date, float] | None:
    """Session and close of the newest stored bar before a session."""
    stored = (
        DailyBar.objects.filter(instrument=instrument, session_date__lt=before)
        .order_by("-session_date")
        .values_list("session_date", "close")
        .first()
    )
    return None if stored is None else (stored[0], float(stored[1]))


def elsewhere(instrument: Instrument, rows: Sequence[BarRow]) -> dict[date, float]:
    """What other sources have of the same sessions."""
    stored = DailyBar.objects.filter(
        instrument=instrument,
        session_date__range=(rows[0].session_date, rows[-1].session_date),
    ).exclude(source=rows[0].source)
    return {day: float(close) for day, close in stored.values_list("session_date", "close")}


def pending(splits: Sequence[Split]) -> dict[date, float]:
    """Ratios that explain a move. Applied ones are in the stored prices already."""
    return {each.ex_date: each.ratio for each in splits if each.pending}
