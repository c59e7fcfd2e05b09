"""What trading announces."""

from etftrader.core.events import Event

trade_filled = Event("trading.trade_filled")  # trade_id
