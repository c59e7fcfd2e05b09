"""What the books hear and answer of market data. Imported once, when every app is ready."""

from collections.abc import Collection
from uuid import UUID

from etftrader.core import jobs
from marketdata.events import follower, holder, instruments_created, keeper
from portfolios.selectors import holdings
from portfolios.services import watched_symbols, watchlists

ATTACH = "portfolios.attach_symbols"


@instruments_created.listener
def attach(**later: object) -> None:
    """A symbol somebody waits for on a watchlist may be known now. By name: no task is loaded."""
    jobs.send(ATTACH)


@follower
def respell(old: str, new: str) -> None:
    """Watchlists of an instrument that has another symbol now."""
    watched_symbols.follow(new)
    watchlists.attach()


@holder
def why_held(instrument_id: UUID) -> str:
    """The number of books that hold it, or an option on it."""
    books = len(holdings.holders(instrument_id=instrument_id))
    return f"{books} {'portfolio holds' if books == 1 else 'portfolios hold'} it" if books else ""


@keeper
def held(instrument_ids: Collection[UUID]) -> set[UUID]:
    """Those that some book holds, itself or by an option on it."""
    return holdings.held_among(instrument_ids=instrument_ids)
