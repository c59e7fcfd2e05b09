"""What trading answers when market data asks: which orders still wait for an instrument."""

from uuid import UUID

from marketdata.events import holder
from trading.models import Order
from trading.selectors.orders import WORKING


@holder
def why_waiting(instrument_id: UUID) -> str:
    """The number of orders that wait for a price of it."""
    waiting = Order.objects.filter(instrument_id=instrument_id, state__in=WORKING).count()
    return f"{waiting} {'order waits' if waiting == 1 else 'orders wait'} for it" if waiting else ""
