"""What the books announce."""

from etftrader.core.events import Event

positions_changed = Event("portfolios.positions_changed")  # portfolio_id
