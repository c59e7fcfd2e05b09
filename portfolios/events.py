"""What the books announce, and whom they tell within their own transactions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from etftrader.core.events import Event

if TYPE_CHECKING:
    from etftrader.core.actor import Actor
    from marketdata.models import Instrument
    from portfolios.models import Portfolio

positions_changed = Event("portfolios.positions_changed")  # portfolio_id


@dataclass(frozen=True, slots=True)
class FileFill:
    """A fill that a file has brought, as the books have it."""

    trade_id: UUID  # its booking stands under trade:<trade_id>
    row: str  # import:<batch>:<row>
    instrument: "Instrument"
    quantity: Decimal  # signed units
    price: Decimal  # price and fee in the instrument's currency
    fee: Decimal
    realized_pnl: Decimal  # in the book's
    executed_at: datetime
    session_date: date
    note: str  # the sender's own number of it
    exchange_rate: Decimal | None = None  # what turned them into the book's money


@dataclass(frozen=True, slots=True)
class Returned:
    """Fills whose bookings a file's undoing has reversed."""

    trade_ids: Sequence[UUID]  # the newest booking first
    reason: str
    session_date: date  # of the reversals


Recorder = Callable[["Portfolio", Sequence[FileFill], "Actor"], object]
Returner = Callable[["Portfolio", Returned, "Actor"], object]
recorders: list[Recorder] = []  # each keeps the documents of a file's fills
returners: list[Returner] = []  # each marks them as taken back


def recorder(function: Recorder) -> Recorder:
    """Register somebody who keeps documents of fills; told under the portfolio's lock."""
    if function not in recorders:
        recorders.append(function)
    return function


def returner(function: Returner) -> Returner:
    """Register somebody who marks such documents; told in the reversing transaction."""
    if function not in returners:
        returners.append(function)
    return function
