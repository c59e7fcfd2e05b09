"""Files of prices and yields that operators send, and what follows from them for the books."""

from dataclasses import dataclass

from django.db import transaction

from etftrader import revision
from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from marketdata.selectors import sessions
from marketdata.services import price_upload
from marketdata.services.price_upload import STORED, Sent, Uploaded


@dataclass(frozen=True, slots=True)
class Wish:
    """How a file is to be taken."""

    kind: str = ""  # bars or yields; else its header tells
    symbol: str = ""  # of a file without that column; else its name tells
    check: bool = False
    partial: bool = False
    add_symbols: bool = False


@dataclass(frozen=True, slots=True)
class Brought:
    """What became of a file, and the job that values the books again."""

    told: Uploaded
    job: JobRun | None


def read(*, data: bytes, file_name: str, wish: Wish) -> Sent:
    """Read a file up to the market clock. Raises FileUnread, BadInput."""
    return price_upload.read(
        data=data,
        file_name=file_name,
        until=sessions.latest(),
        kind=wish.kind,
        symbol=wish.symbol.strip().upper(),
    )


@transaction.atomic
def bring(*, sent: Sent, wish: Wish, by: Actor) -> Brought:
    """Store a file that was read. What hangs on changed prices is valued again by a job.

    Raises RowsRefused.
    """
    latest = sessions.latest()
    told = price_upload.upload(
        sent=sent,
        until=latest,
        by=by,
        partial=wish.partial,
        check=wish.check,
        add_symbols=wish.add_symbols,
    )
    if told.status != STORED or not told.changed:
        return Brought(told, None)
    return Brought(told, revision.ask(changed=told.changed, by=by))
