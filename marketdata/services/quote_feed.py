"""Listens to a source of quotes and takes in what it says, a batch a second."""

import logging
import time
from collections.abc import Iterator, Sequence
from datetime import datetime
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Protocol

from django.db import close_old_connections

from etftrader.core import clock, push
from marketdata import live
from marketdata.calculations import tick_batch
from marketdata.calculations.tick_batch import Tick
from marketdata.providers.base import ProviderFailed, QuoteAnswer, QuoteRow
from marketdata.selectors import coverage, quotes, sessions
from marketdata.services import ticks
from marketdata.services.ticks import Ingested

logger = logging.getLogger(__name__)

EVERY_S = 1.0  # between batches, and between what sockets are told
UNIVERSE_S = 30.0  # between looks at who belongs to the universe
PAUSE_S = 5.0  # after a source failed
MOST_WAITING = 20_000  # answers; a source that is faster waits


class LiveSource(Protocol):
    """A source that goes on telling prices."""

    name: str

    def live(self, symbols: Sequence[str]) -> Iterator[QuoteAnswer]:
        """Prices for ever, with the failures of those that have none."""
        ...


class Listener:
    """One conversation with the source, on a thread of its own: it may be silent for long."""

    def __init__(self, source: LiveSource, symbols: Sequence[str]) -> None:
        self.answers: Queue[QuoteAnswer] = Queue(MOST_WAITING)
        self.over = Event()
        self._source, self._symbols = source, tuple(symbols)
        Thread(target=self._listen, name="quotes", daemon=True).start()

    def heard(self) -> list[QuoteRow]:
        """What has been said since the last look."""
        rows: list[QuoteRow] = []
        try:
            while True:
                answer = self.answers.get_nowait()
                rows += answer.rows
                for failure in answer.failures[:3]:
                    logger.warning("no quote", extra={"of": failure.subject, "why": failure.detail})
        except Empty:
            return rows

    def _listen(self) -> None:
        while not self.over.is_set():
            try:
                for answer in self._source.live(self._symbols):
                    if not self._put(answer):
                        return
            except ProviderFailed as failure:
                logger.warning("the source failed", extra={"why": failure.detail})
            except Exception:  # a silent feed would look like a quiet market
                logger.exception("the conversation broke off")
            self.over.wait(PAUSE_S)

    def _put(self, answer: QuoteAnswer) -> bool:
        while not self.over.is_set():
            try:
                self.answers.put(answer, timeout=1.0)
            except Full:
                continue
            return True
        return False


class Feed:
    """The universe, the conversation about it, and the board that readers see."""

    def __init__(self, source: LiveSource) -> None:
        known = quotes.all_prices()
        self.board = live.PriceBoard(known.symbols, known.prices)
        self._source = source
        self._symbols: tuple[str, ...] = ()
        self._listener: Listener | None = None
        self._looked_at = float("-inf")

    def run(self, *, stop: Event) -> None:
        """Take batches in until told to stop."""
        try:
            while not stop.is_set():
                try:
                    self.follow_universe()
                    self.take(now=clock.now())
                except Exception:  # the feed outlives any one batch
                    logger.exception("a batch failed")
                    close_old_connections()
                    stop.wait(PAUSE_S)
                stop.wait(EVERY_S)
        finally:
            self.close()

    def follow_universe(self) -> None:
        """Speak of the universe as it is now; a change begins a new conversation."""
        if time.monotonic() - self._looked_at < UNIVERSE_S:
            return
        self._looked_at = time.monotonic()
        wanted = coverage.due(session_date=sessions.moment().current)
        symbols = tuple(sorted(each.symbol for each in wanted))
        if symbols == self._symbols:
            return
        self.close()
        self._symbols = symbols
        self.board.keep(symbols)
        self.board.know(quotes.all_prices())  # who joins, or bears another symbol by now
        self._listener = Listener(self._source, symbols) if symbols else None

    def take(self, *, now: datetime) -> Ingested | None:
        """Take in what has been said; None when nothing was."""
        rows = self._listener.heard() if self._listener else []
        if not rows:
            return None
        told = ticks.ingest(tick_batch.batch(_tick(row) for row in rows), now=now, board=self.board)
        if told.refused or told.held:
            logger.warning("ticks not used", extra={"held": told.held, **dict(told.refused)})
        if told.moved or told.held:
            push.publish("quotes", "quotes.updated", quotes.told(symbols=self._symbols, now=now))
        return told

    def close(self) -> None:
        """End the conversation."""
        if self._listener is not None:
            self._listener.over.set()
            self._listener = None


def _tick(row: QuoteRow) -> Tick:
    """A quote's volume is that of the day so far, and no trade's."""
    return Tick(
        symbol=row.symbol,
        at=row.as_of,
        price=row.price,
        source=row.source,
        bid=row.bid,
        ask=row.ask,
        day_volume=row.volume,
    )
