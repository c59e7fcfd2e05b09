"""Quotes for whoever asks: the newest of each symbol, and the minutes behind one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np

from etftrader.core.actor import Actor
from marketdata import live
from marketdata.calculations import bars
from marketdata.choices import PriceClass
from marketdata.constants import DELAYED_AGE, LIVE_AGE
from marketdata.live import Quoted
from marketdata.models import Instrument, MinuteBar, Quote
from marketdata.selectors import instruments, open_doubts, prices, suspects
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from marketdata.selectors.suspects import Waiting

INTERVALS = (1, 5)  # minutes; the longer one is derived from the shorter


@dataclass(frozen=True, slots=True)
class MinuteRow:
    """One bar of a history; `ts` is its end."""

    ts: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: int | None


@dataclass(frozen=True, slots=True)
class History:
    """Bars of one instrument up to a moment, oldest first, all from one source."""

    rows: tuple[MinuteRow, ...]
    source: str
    reason: str = ""  # why there are none


def latest(*, wanted: Sequence[str], actor: Actor, moment: Moment) -> dict[str, Quoted]:
    """A quote for every symbol asked for, by that spelling; an unknown one is null with a reason.

    What the actor may not see is unknown.
    """
    found = instruments.visible(wanted, actor)
    known = of(instruments=found.values(), actor=actor, moment=moment)
    return {
        word: known[found[word].pk]
        if word in found
        else Quoted(symbol=word, reason="unknown_symbol")
        for word in wanted
    }


def of(*, instruments: Iterable[Instrument], actor: Actor, moment: Moment) -> dict[UUID, Quoted]:
    """A quote for each of these, which the actor may see."""
    asked = set(instruments)
    marks = prices.live_marks(instruments=asked, moment=moment)
    spreads = _spreads(asked, actor, moment)
    return {each.pk: _quoted(marks[each.pk], spreads.get(each.pk)) for each in asked}


def traded(*, instruments: Iterable[Instrument], moment: Moment) -> dict[UUID, Quoted]:
    """The same without bids and asks."""
    marks = prices.live_marks(instruments=set(instruments), moment=moment)
    return {key: _quoted(mark, None) for key, mark in marks.items()}


def _quoted(mark: Mark, spread: Quote | None) -> Quoted:
    # a spread of another moment than the price says nothing about it
    fits = spread is not None and spread.as_of == mark.as_of
    return Quoted(
        symbol=mark.symbol,
        price=mark.price,
        previous_close=mark.previous_close,
        as_of=mark.as_of,
        session_date=mark.session_date,
        volume=mark.volume,
        bid=spread.bid if fits and spread else None,
        ask=spread.ask if fits and spread else None,
        source=mark.source,
        quality=mark.price_class,
        reason=mark.reason,
    )


def _spreads(of: Iterable[Instrument], actor: Actor, moment: Moment) -> dict[UUID, Quote]:
    """Bids and asks of the session being played; a closed market has none."""
    if moment.playing is None:
        return {}
    rows = Quote.objects.for_actor(actor).filter(
        instrument__in=list(of), session_date=moment.playing
    )
    return {each.instrument_id: each for each in rows}


def history(*, instrument: Instrument, moment: Moment, minutes: int, interval: int = 1) -> History:
    """Bars of the last minutes before the market clock's moment.

    A simulated path is never mixed with real prices: all bars are from the source of the newest.
    """
    step = timedelta(minutes=1)
    start = moment.as_of - minutes * step
    # whole intervals only: the first one begins inside the window asked for
    rows = MinuteBar.objects.filter(
        instrument=instrument, ts__gt=start, ts__lt=moment.as_of + step
    ).order_by("ts")
    found = [row for row in rows if row.ts - step < moment.as_of]
    if not found:
        return History((), "", "no_minutes")
    source = found[-1].source
    kept = [row for row in found if row.source == source]
    if interval == 1:
        told = [
            MinuteRow(row.ts, row.open, row.high, row.low, row.close, row.volume) for row in kept
        ]
    else:
        told = _joined(kept, interval)
    return History(tuple(told), source)


def _joined(rows: Sequence[MinuteBar], interval: int) -> list[MinuteRow]:
    """Longer bars of the minutes, aligned to the clock; each ends at a whole interval."""
    seconds = np.array([int(row.ts.timestamp()) for row in rows], np.int64)
    groups = bars.intervals(seconds, 60 * interval)
    joined = []
    for end, first, last in groups:
        part = rows[first:last]
        volumes = [row.volume for row in part if row.volume is not None]
        joined.append(
            MinuteRow(
                ts=part[0].ts + timedelta(seconds=end - int(part[0].ts.timestamp())),
                open=part[0].open,
                high=max(row.high for row in part),
                low=min(row.low for row in part),
                close=part[-1].close,
                volume=sum(volumes) if volumes else None,
            )
        )
    return joined


def told(*, symbols: Sequence[str], now: datetime) -> dict[str, Any]:
    """The newest quotes as sockets show them, by symbol, each with the class of its age.

    One with a newer tick in quarantine is SUSPECT.
    """
    found = Quote.objects.filter(instrument__symbol__in=symbols).select_related("instrument")
    rows = list(found.annotate(in_doubt=open_doubts.exist()))
    doubts: dict[UUID, list[Waiting]] = {}
    if rows and rows[0].in_doubt:
        newest = max(each.session_date for each in rows)
        doubts = suspects.waiting([each.instrument_id for each in rows], until=newest)
    return {
        each.instrument.symbol: live.quote(
            _told(each, doubts.get(each.instrument_id, ()), now), now=now
        )
        for each in rows
    }


def _told(quote: Quote, doubts: Sequence[Waiting], now: datetime) -> Quoted:
    doubted = any(each.outdates(quote.as_of, float(quote.price)) for each in doubts)
    return Quoted(
        symbol=quote.instrument.symbol,
        price=quote.price,
        previous_close=quote.previous_close,
        as_of=quote.as_of,
        session_date=quote.session_date,
        volume=quote.volume,
        bid=quote.bid,
        ask=quote.ask,
        source=quote.source,
        quality=(PriceClass.SUSPECT if doubted else _class(now - quote.as_of)).value,
        reason=suspects.PRICE_SUSPECT if doubted else "",
    )


def _class(age: timedelta) -> PriceClass:
    if age <= LIVE_AGE:
        return PriceClass.LIVE
    return PriceClass.DELAYED if age <= DELAYED_AGE else PriceClass.STALE


def last_prices(*, symbols: Sequence[str]) -> live.LastPrices:
    """Last prices by label, as floats for kernels: of the live store, else of the tables.

    Symbols come back as asked; one that has no quote is NaN.
    """
    stored = live.last_prices()
    if stored is None or not set(symbols) <= set(stored.symbols):
        stored = all_prices()
    place = {symbol: at for at, symbol in enumerate(stored.symbols)}
    known = [(at, place[symbol]) for at, symbol in enumerate(symbols) if symbol in place]
    found = np.full(len(symbols), np.nan)
    for at, where in known:
        found[at] = stored.prices[where]
    return live.LastPrices(tuple(symbols), found, stored.as_of)


def all_prices() -> live.LastPrices:
    """The newest quote of every active instrument, from the tables."""
    rows = list(
        Quote.objects.filter(instrument__active=True)
        .order_by("instrument__symbol")
        .values_list("instrument__symbol", "price", "as_of")
    )
    newest = max((as_of for _, _, as_of in rows), default=None)
    return live.LastPrices(
        tuple(symbol for symbol, _, _ in rows),
        np.array([float(price) for _, price, _ in rows]),
        0 if newest is None else int(newest.timestamp() * 1e6),
    )
