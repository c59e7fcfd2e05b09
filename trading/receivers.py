"""What trading answers market data and the books: what still waits, what files have brought."""

from uuid import UUID

from marketdata.events import holder
from portfolios.events import recorder, returner
from trading.models import Order
from trading.selectors.orders import WORKING
from trading.services import imported

recorder(imported.record)
returner(imported.take_back)


@holder
def why_waiting(instrument_id: UUID) -> str:
    """The number of orders that wait for a price of it."""
    waiting = Order.objects.filter(instrument_id=instrument_id, state__in=WORKING).count()
    return f"{waiting} {'order waits' if waiting == 1 else 'orders wait'} for it" if waiting else ""
