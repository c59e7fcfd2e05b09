"""The live market's conductor: keeps the universe, shows each minute, closes what is over."""

import logging
from datetime import date, datetime
from threading import Event

from django.conf import settings

from etftrader import day
from etftrader.core import clock, push
from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from etftrader.market_strip import market_message
from etftrader.playing import Play, show
from etftrader.selectors import followed
from marketdata import live
from marketdata.live import MarketState
from marketdata.providers import sources
from marketdata.selectors import calendar, instruments, live_minutes, prices, sessions
from marketdata.selectors.sessions import Moment
from marketdata.services import replay, stream, universes
from marketdata.services.replay import ClockMoved, NoNewerSession, TooEarly
from risk.selectors import covariance
from risk.selectors.covariance import Matrix
from trading.services import execution, spread_fills

logger = logging.getLogger(__name__)

BY = system("live")
UNIVERSE = "Held and watched"


class Conductor:
    """What one process does for a live market, once a minute of the wall clock."""

    def __init__(self) -> None:
        self._minute: datetime | None = None
        self._day: date | None = None
        self._play: Play | None = None
        self._seen: dict[str, datetime] = {}  # when the quotes of the last minute were told

    def turn(self, *, stop: Event) -> None:
        """Do what this minute asks for; the second call within it does nothing.

        Sessions that were missed are closed in their order, each when enough of its prices came.
        """
        now = clock.now()
        minute = now.replace(second=0, microsecond=0)
        if minute == self._minute:
            return
        self._minute = minute
        self._prepare(now)
        try:
            self._show(now)
        except DomainError as refusal:
            logger.warning("no minute was shown", extra={"why": refusal.detail})
        while not stop.is_set() and (due := replay.due()) is not None:
            self._close(due)

    def _prepare(self, now: datetime) -> None:
        """The clock, the stand-ins of the factors once a day, and whose prices are wanted."""
        latest = replay.ensure().session_date
        today = now.astimezone(calendar.NEW_YORK).date()
        if today != self._day:
            universes.discover(until=latest)
            known = instruments.by_symbols(followed.PROXIES)
            for symbol in followed.PROXIES:
                if symbol not in known:
                    universes.find(symbol=symbol, session_date=latest)
            self._day = today
        universes.keep(
            name=UNIVERSE,
            instrument_ids=followed.universe(),
            session_date=sessions.moment().current,
            by=BY,
        )
        if not day.status(session_date=latest):
            # a first start: the session the clock was set on has no day of its own yet
            day.run(session_date=latest, by=BY)

    def _close(self, due: date) -> None:
        day.advance(by=BY, until=due)
        self._play, self._seen = None, {}
        live.clear()
        push.send_now("market", "market.updated", market_message(sessions.moment()))

    def _show(self, now: datetime) -> None:
        """Let the minute pass that has just ended, where quotes come in."""
        if settings.LIVE_FEED == "off" or not sources.serving(sources.QUOTES):
            return
        moment = self._begun(now)
        if moment is None or moment.playing is None:
            return
        index = live_minutes.passed(session_date=moment.playing, at=now) - 1
        if index < moment.bar:
            return
        matrix = covariance.in_force(session_date=moment.session_date)
        labels = matrix.labels if matrix is not None else ()
        if matrix is not None and (self._play is None or self._is_other(moment, matrix)):
            self._play = self._joined(moment, matrix)
        bar, seen = live_minutes.newest(
            session_date=moment.playing, index=index, symbols=labels, seen=self._seen
        )
        try:
            replay.show_bar(moment=moment, bar=bar, previous_close={})
        except (ClockMoved, TooEarly):
            return
        self._seen = seen
        # quotes are newer than the minute: what acts on them asks what time it is now
        moment = sessions.moment()
        if self._play is None:
            push.publish("market", "market.updated", market_message(moment))
            execution.fill_waiting(moment=moment)
            spread_fills.fill_waiting(moment=moment)
            return
        self._play.moment = moment
        show(self._play, bar)

    def _begun(self, now: datetime) -> Moment | None:
        """The running session; begun when it is its time. None while the exchange is closed."""
        moment = sessions.moment()
        if moment.playing is not None:
            return moment
        if sessions.open_at(now) is None:
            return None
        day.complete(by=BY)
        try:
            return replay.begin(by=BY)
        except (NoNewerSession, TooEarly):
            return None

    def _is_other(self, moment: Moment, matrix: Matrix) -> bool:
        assert self._play is not None
        state = self._play.state
        same = state.session_date == moment.playing and state.covariance_id == matrix.snapshot_id
        return not same

    def _joined(self, moment: Moment, matrix: Matrix) -> Play:
        """The state of the session so far: as it was left, else from the minutes that were kept."""
        left = live.load()
        if left is not None and self._goes_on(left, moment, matrix):
            return Play(moment, iter(()), {}, left)
        panel = prices.panel(symbols=matrix.labels, until=moment.session_date, rows=1)
        closes = dict(zip(panel.symbols, panel.close[-1].tolist(), strict=True))
        known = {symbol: close for symbol, close in closes.items() if close == close}
        assert matrix.snapshot_id is not None
        state = stream.begin(
            moment=moment,
            labels=matrix.labels,
            covariance=matrix.values,
            covariance_id=matrix.snapshot_id,
            previous_close=known,
            factors=stream.overnight_factors(symbols=matrix.labels, until=moment.session_date),
            source=sources.serving(sources.QUOTES)[0],
        )
        assert moment.playing is not None
        for bar in live_minutes.kept(
            session_date=moment.playing, symbols=matrix.labels, before=moment.bar
        ):
            state = stream.apply_bar(state=state, bar=bar)
        return Play(moment, iter(()), known, state)

    @staticmethod
    def _goes_on(state: MarketState, moment: Moment, matrix: Matrix) -> bool:
        return (
            state.session_date == moment.playing
            and state.covariance_id == matrix.snapshot_id
            and state.bar <= moment.bar
        )
