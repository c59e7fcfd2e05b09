"""What the books hear and answer of market data. Imported once, when every app is ready."""

from uuid import UUID

from django.db.models import Q

from etftrader.core import jobs
from marketdata.events import holder, instruments_created
from portfolios.models import Position

ATTACH = "portfolios.attach_symbols"


@instruments_created.listener
def attach(**later: object) -> None:
    """A symbol somebody waits for on a watchlist may be known now. By name: no task is loaded."""
    jobs.send(ATTACH)


@holder
def why_held(instrument_id: UUID) -> str:
    """The number of books that hold it, or an option on it."""
    named = Q(instrument_id=instrument_id) | Q(instrument__option__underlying_id=instrument_id)
    books = Position.objects.open().filter(named).values("portfolio_id").distinct().count()
    return f"{books} {'portfolio holds' if books == 1 else 'portfolios hold'} it" if books else ""
