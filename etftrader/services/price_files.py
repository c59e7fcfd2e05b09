"""Files of prices and yields that operators send, and what follows from them for the books."""

import hashlib
import logging
import math
from dataclasses import dataclass

from django.core.cache import cache
from django.db import transaction

from etftrader import revision
from etftrader.core.actor import Actor
from etftrader.core.api import limits
from etftrader.core.errors import DomainError
from etftrader.core.livestate import LiveError
from etftrader.core.records import JobRun
from marketdata.selectors import sessions
from marketdata.services import price_upload
from marketdata.services.price_upload import STORED, Sent, Uploaded

logger = logging.getLogger(__name__)

FILES, DAY_S = "files", 86_400
HOUR_MIN = 60


class TooManyFiles(DomainError):
    """A person sends so many files a day."""

    code, status = "too_many_files", 429

    def __init__(self, standing: limits.Standing) -> None:
        minutes = max(1, math.ceil(standing.wait_s / 60))
        hours = math.ceil(minutes / HOUR_MIN)
        wait = f"{minutes} min" if minutes < HOUR_MIN else f"{hours} h"
        words = f"{standing.limit} files a day are taken, and you sent as many. Try again in {wait}"
        super().__init__(f"{words}.", retry_after=math.ceil(standing.wait_s))


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


def read(*, data: bytes, file_name: str, wish: Wish, by: Actor) -> Sent:
    """Read a file up to the market clock. Raises TooManyFiles, FileUnread, BadInput."""
    _count(data, by)
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


def _count(data: bytes, by: Actor) -> None:
    """One more of the sender's day. What was checked is the same file when it is stored."""
    key = f"price_file:{by.user_id}:{hashlib.sha256(data).hexdigest()}"
    try:
        if cache.get(key):
            return
    except (LiveError, OSError) as error:
        logger.warning("file counted again", extra={"error": str(error)[:200]})
    standing = limits.count(f"user:{by.user_id}", FILES)
    if not standing.allowed:
        raise TooManyFiles(standing)
    try:
        cache.set(key, 1, DAY_S)
    except (LiveError, OSError) as error:
        logger.warning("file not remembered", extra={"error": str(error)[:200]})
