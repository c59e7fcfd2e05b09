"""THE TICK: bar, market state, waiting orders, VaR, alerts, publish; one loop, one process."""

import logging
import time
from threading import Event

from django.conf import settings
from django.db import close_old_connections

from etftrader import day
from etftrader.conductor import Conductor
from etftrader.core import push
from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from etftrader.leader import Leadership
from etftrader.market_strip import market_message
from etftrader.playing import Play, show
from marketdata import live
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from marketdata.services import replay, stream
from marketdata.services.replay import ClockMoved, NoMoreHistory, NoNewerSession, TooEarly
from portfolios.models import Portfolio
from risk.selectors import covariance
from risk.services import monitor

logger = logging.getLogger(__name__)

BY = system("live")
IDLE_S, STANDBY_S, AFTER_ERROR_S = 0.5, 2.0, 2.0
BEAT_S = 5.0  # how often an idle stream says that it is there


def run(*, stop: Event) -> None:
    """Play sessions while somebody watches, or follow the live market, until told to stop.

    One process leads.
    """
    leadership = Leadership("live")
    conductor = Conductor()
    told = 0.0
    try:
        while not stop.is_set():
            if not leadership.hold():
                stop.wait(STANDBY_S)
                continue
            try:
                if sessions.is_live():
                    conductor.turn(stop=stop)
                elif _play_one(stop):
                    continue
                if time.monotonic() - told > BEAT_S:
                    _tell_standing()
                    told = time.monotonic()
            except DomainError as refusal:
                logger.warning("the stream waits", extra={"why": refusal.detail})
            except Exception:  # the stream outlives any one bar
                logger.exception("a bar failed")
                stop.wait(AFTER_ERROR_S)
            close_old_connections()
            stop.wait(IDLE_S)
    finally:
        leadership.release()


def _tell_standing() -> None:
    """Between sessions: the market, and the closing figures if the live store lost them."""
    moment = sessions.moment()
    push.send_now("market", "market.updated", market_message(moment))
    if not push.is_kept():
        open_books = Portfolio.objects.open().values_list("pk", flat=True)
        told = monitor.after_close(portfolio_ids=open_books, moment=moment)
        logger.info("the live store was empty", extra={"books": told})


def _play_one(stop: Event) -> bool:
    """Play the session that is under way, or the next one if somebody watches."""
    moment = sessions.moment()
    if not moment.in_session:
        if settings.LIVE_FEED == "off" or moment.ended or not push.is_watched("market"):
            return False
        day.complete(by=BY)
        try:
            moment = replay.begin(by=BY)
        except (NoMoreHistory, NoNewerSession, TooEarly):
            return False
    play_session(moment, stop=stop)
    return True


def play_session(moment: Moment, *, stop: Event) -> None:
    """Show the session's remaining bars at their pace, then close it and run its day."""
    play = _prepare(moment)
    due = time.monotonic()
    for bar in play.bars:
        if stop.is_set():
            return
        if bar.is_last:
            break
        try:
            play.moment = replay.show_bar(
                moment=play.moment, bar=bar, previous_close=play.previous_close
            )
        except ClockMoved:
            logger.info("the session was ended by somebody else")
            live.clear()
            return
        show(play, bar)
        due = max(due + settings.REPLAY_BAR_SECONDS, time.monotonic())
        stop.wait(max(0.0, due - time.monotonic()))
    try:
        closed = replay.close(by=BY)
    except ClockMoved:
        return
    live.clear()
    day.run(session_date=closed.session_date, by=BY)
    push.send_now("market", "market.updated", market_message(sessions.moment()))


def _prepare(moment: Moment) -> Play:
    """The session's bars and state; after a restart the shown bars are taken in again."""
    matrix = covariance.in_force(session_date=moment.session_date)
    if matrix is None:
        raise DomainError("There is no covariance yet; the session waits.", code="no_covariance")
    assert moment.playing is not None
    factors = stream.overnight_factors(symbols=matrix.labels, until=moment.session_date)
    session, ends = stream.simulated_session(
        session_date=moment.playing,
        labels=matrix.labels,
        covariance=matrix.values,
        factors=factors,
    )
    assert matrix.snapshot_id is not None
    state = stream.begin(
        moment=moment,
        labels=matrix.labels,
        covariance=matrix.values,
        covariance_id=matrix.snapshot_id,
        previous_close=ends.previous_close,
        factors=factors,
        source=session.name,
    )
    for bar in session.bars():
        if bar.index >= moment.bar:
            break
        state = stream.apply_bar(state=state, bar=bar)
    return Play(moment, session.bars(moment.bar), dict(ends.previous_close), state)
