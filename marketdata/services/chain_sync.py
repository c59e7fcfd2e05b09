"""Option chains of the sources: held ones every night, watched ones a bounded number in turn."""

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from uuid import UUID

from django.core.cache import cache

from etftrader.core import clock, jobs
from etftrader.core.livestate import LiveError
from marketdata.choices import RefreshStatus
from marketdata.models import DataRefresh
from marketdata.providers import sources
from marketdata.providers.base import Failure
from marketdata.providers.live_chain import ChainFallback
from marketdata.selectors import calendar
from marketdata.selectors.freshness import OPTION_QUOTES
from marketdata.services import option_quotes, refresh_records
from marketdata.services.option_quotes import Stored

logger = logging.getLogger(__name__)

MOST_WATCHED = 20  # underlyings a night that nobody holds options on
AFTER_HOURS = timedelta(minutes=15)  # so long after the close options on funds go on trading
TWO_DAYS_S = 2 * 24 * 3600
NO_OPTIONS, KEPT = "no_options", "kept"
WEEK, WORKDAYS = 7, 5


@dataclass
class Brought:
    """What became of each underlying that was wanted."""

    stored: list[Stored] = field(default_factory=list)
    none: list[str] = field(default_factory=list)  # no source lists options on it
    left_out: list[str] = field(default_factory=list)  # another night's turn

    @property
    def failed(self) -> dict[str, Failure]:
        """The first failure of each underlying that has one."""
        found: dict[str, Failure] = {}
        for each in self.stored:
            if each.failure is not None:
                found.setdefault(each.underlying, each.failure)
        return found

    @property
    def asked(self) -> set[str]:
        """The underlyings a source has been asked about, now or earlier in the session."""
        return {each.underlying for each in self.stored} | set(self.none)


def bring_in(
    *,
    symbols: Iterable[str],
    held: Collection[str],
    session_date: date,
    as_of: datetime | None = None,
    again: bool = False,
    run_id: UUID | None = None,
) -> Brought:
    """Fetch and keep the chains of underlyings: all that are held, of the others some.

    Parameters
    ----------
    symbols : iterable of str
        The underlyings that are followed.
    held : collection of str
        Those in whose options somebody has a position: they are never left for another night.
    session_date : date
        The session the quotes are of.
    as_of : datetime, optional
        The moment of the quotes while the session runs; its close without one.
    again : bool
        Whether those are asked for that this session has settled: kept whole, or without options.
    run_id : UUID, optional
        Named by the records.

    Returns
    -------
    Brought
        One failing underlying leaves the others whole.

    Raises
    ------
    ProviderFailed
        No source of option chains is set up.
    """
    source = sources.chains(until=session_date)
    wanted = sorted(set(symbols))
    settled = {} if again else _settled(wanted, session_date)
    brought = Brought(none=[each for each in wanted if settled.get(each) == NO_OPTIONS])
    turn, waiting = _turn([each for each in wanted if each not in held], session_date)
    brought.left_out = [each for each in waiting if each not in settled]
    if brought.left_out:
        logger.info(
            "chains left for another night",
            extra={"count": len(brought.left_out), "symbols": brought.left_out[:50]},
        )
    mine = [*(each for each in wanted if each in held), *turn]
    asked = [each for each in mine if each not in settled]
    if asked:
        _fetch(source, asked, session_date, as_of, run_id, brought)
    return brought


def _fetch(
    source: ChainFallback,
    symbols: Sequence[str],
    session_date: date,
    as_of: datetime | None,
    run_id: UUID | None,
    brought: Brought,
) -> None:
    """Ask one underlying after the other, remember what is settled, write the records."""
    common = {"session_date": session_date, "run_id": run_id, "started_at": clock.now()}
    until = None if as_of else calendar.close_time(session_date) + AFTER_HOURS
    failed: list[str] = []
    for place, symbol in enumerate(symbols):
        jobs.progress(done=place, total=len(symbols), note=f"Option chain of {symbol}")
        stored = option_quotes.sync(
            source=source,
            underlyings=[symbol],
            session_date=session_date,
            as_of=as_of,
            traded_until=until,
        )
        brought.stored += stored
        if not stored:
            brought.none.append(symbol)
        if any(each.failure for each in stored):
            failed.append(symbol)
        else:
            # quotes of a running session are not its last
            _remember(symbol, session_date, NO_OPTIONS if not stored else "" if as_of else KEPT)
    used = refresh_records.keep_asked(source.tallies, **common)
    _record(brought, symbols, failed, source="+".join(used or [source.name]), **common)


def _record(
    brought: Brought, symbols: Sequence[str], failed: list[str], *, source: str, **common: object
) -> None:
    """The record of the dataset: how many underlyings came whole, and the first reason."""
    first = next((each.failure for each in brought.stored if each.failure), None)
    status = RefreshStatus.SUCCEEDED
    if failed:
        whole = len(failed) == len(symbols)
        status = RefreshStatus.FAILED if whole else RefreshStatus.DEGRADED
    DataRefresh.objects.create(
        dataset=OPTION_QUOTES,
        source=source[:24],
        status=status,
        expected=len(symbols),
        received=len(symbols) - len(failed),
        written=sum(each.written for each in brought.stored),
        missing=failed,
        error=f"{first.subject}: {first.detail}"[:300] if first else "",
        finished_at=clock.now(),
        **common,
    )


def _turn(symbols: Sequence[str], session_date: date) -> tuple[list[str], list[str]]:
    """Whose turn it is this session, and who waits: a window that goes on by its width."""
    if len(symbols) <= MOST_WATCHED:
        return list(symbols), []
    weeks, weekday = divmod(session_date.toordinal() - 1, WEEK)
    first = (weeks * WORKDAYS + weekday) * MOST_WATCHED % len(symbols)
    order = [*symbols[first:], *symbols[:first]]
    return order[:MOST_WATCHED], sorted(order[MOST_WATCHED:])


def _remember(symbol: str, session_date: date, word: str) -> None:
    """Keep what a session has settled; a memory that may be lost: then it is asked once more."""
    if not word:
        return
    try:
        cache.set(_key(symbol, session_date), word, TWO_DAYS_S)
    except (LiveError, OSError) as error:
        logger.warning("settled chain not kept", extra={"error": str(error)[:200]})


def _settled(symbols: Sequence[str], session_date: date) -> dict[str, str]:
    keys = {_key(symbol, session_date): symbol for symbol in symbols}
    try:
        kept = cache.get_many(list(keys)) if keys else {}
    except (LiveError, OSError) as error:
        logger.warning("settled chains not read", extra={"error": str(error)[:200]})
        return {}
    return {keys[key]: str(word) for key, word in kept.items()}


def _key(symbol: str, session_date: date) -> str:
    # another source may list what this one does not
    names = "+".join(sources.serving(sources.CHAINS))
    return f"chain:{names}:{session_date}:{symbol}"
