"""One session on its way: its state between bars, and what each bar sets off."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from etftrader.core import push
from etftrader.market_strip import market_message
from marketdata import live
from marketdata.live import MarketState
from marketdata.providers.base import Bar
from marketdata.selectors.sessions import Moment
from marketdata.services import stream
from risk.services import monitor
from trading.services import execution, spread_fills

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Play:
    """A session being played: the bars to come and the state they act on."""

    moment: Moment
    bars: Iterator[Bar]
    previous_close: dict[str, float]
    state: MarketState


def show(play: Play, bar: Bar) -> None:
    """Act on one bar: state, waiting orders, values and risk of every book."""
    play.state = stream.apply_bar(state=play.state, bar=bar)
    try:
        live.save(play.state)
    except live.livestate.LiveError as error:
        logger.warning("live state not kept", extra={"error": str(error)[:200]})
    if not play.moment.live:
        # live quotes are told as they come
        live.publish_quotes(play.state)
    push.publish("market", "market.updated", market_message(play.moment, play.state))
    execution.fill_waiting(moment=play.moment)
    spread_fills.fill_waiting(moment=play.moment)
    monitor.revalue(state=play.state, moment=play.moment)
