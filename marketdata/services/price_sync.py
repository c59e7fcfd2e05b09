"""Brings prices and yields in: finds what is missing, fetches, checks, writes, keeps the record."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from etftrader.core import clock
from etftrader.core.errors import BadInput
from marketdata.choices import RefreshStatus
from marketdata.constants import VIX as VIX_SYMBOL
from marketdata.models import DataRefresh, Instrument, TreasuryYield
from marketdata.providers import sources
from marketdata.providers.chain import Fallback, Tally
from marketdata.providers.sources import BARS, YIELDS
from marketdata.providers.sources import VIX as VIX_LEVELS
from marketdata.selectors import calendar, coverage, instruments
from marketdata.services import (
    absences,
    bar_sync,
    corporate_actions,
    late_changes,
    refresh_records,
    universes,
    yield_sync,
)
from marketdata.services import instruments as instrument_service
from marketdata.services.bar_sync import FAILED, OK, SKIPPED, Brought, Outcome
from marketdata.services.late_changes import Tell

logger = logging.getLogger(__name__)

FIRST_SESSION = date(2008, 1, 2)  # how far back a series is asked for at first
SYNCED = (BARS, VIX_LEVELS, YIELDS)
_MOST_MISSING = 500


@dataclass
class Synced:
    """The record of each dataset, and what became of each symbol."""

    records: dict[str, DataRefresh] = field(default_factory=dict)
    outcomes: list[Outcome] = field(default_factory=list)
    # symbol: the first session whose prices or actions are other ones
    changed: dict[str, date] = field(default_factory=dict)
    applied: list[dict[str, Any]] = field(default_factory=list)  # corporate actions, an item each

    def differs(self, since: Mapping[str, date]) -> None:
        """Keep from which session on symbols are other ones."""
        for symbol, day in since.items():
            self.changed[symbol] = min(day, self.changed.get(symbol, day))


@dataclass(frozen=True, slots=True)
class _Wish:
    """What one run is asked to bring in."""

    session_date: date
    run_id: UUID | None
    start: date | None
    again_from: date | None
    named: bool  # symbols were named: they are asked for whatever was known
    of_day: bool  # a step of the day, which nobody asked for
    tell: Tell | None  # hears since when prices and actions of symbols are other ones


def load_history(*, until: date) -> Synced:
    """Load what the sources know by name and everything they have up to a session.

    Twice is once. Nothing is valued by it yet: nobody is told.
    """
    for source in sources.providers(BARS, until=until):
        instrument_service.load_reference(rows=source.instruments())
    universes.discover(until=until)
    return _synced(_Wish(until, None, None, None, named=False, of_day=False, tell=None))


def load_again(*, symbols: Sequence[str], until: date) -> Synced:
    """Load the series of these anew up to a session; nobody is told, the books are rebuilt."""
    wish = _Wish(until, None, None, None, named=True, of_day=False, tell=None)
    return _synced(wish, symbols)


def sync(
    *,
    session_date: date,
    run_id: UUID | None = None,
    symbols: Sequence[str] | None = None,
    datasets: Sequence[str] | None = None,
    start: date | None = None,
    again_from: date | None = None,
    of_day: bool = False,
) -> Synced:
    """Fetch what is missing up to a session: daily bars, levels of the VIX, yields.

    Splits and dividends that come with the prices are recorded before the prices are judged, and
    those in effect are applied to what is stored. What differs of earlier sessions stands in the
    answer, and is kept with the run, or announced without one, as it is written.

    Parameters
    ----------
    session_date : date
        The newest session to be there afterwards; nothing later is asked for.
    run_id : UUID, optional
        The run that records and doubts will name.
    symbols : sequence of str, optional
        Only these, which need not belong to the universe.
    datasets : sequence of str, optional
        Only these of daily_bars, vix and yields.
    start : date, optional
        How far back to look for gaps; without it from a series' first bar on.
    again_from : date, optional
        Sessions from here on are asked for though they are there: late and corrected prices.
    of_day : bool
        Whether it is a step of the day: then sources that never had a yield are no failure.

    Returns
    -------
    Synced
        An empty answer or a failing source leaves the last good prices, is recorded as degraded
        or failed with its reason, and stands in the symbol's outcome.

    Raises
    ------
    BadInput
        A dataset nobody knows, or settings that name no provider.
    """
    unknown = sorted(set(datasets or ()) - set(SYNCED))
    if unknown:
        known = ", ".join(SYNCED)
        raise BadInput(f"{unknown[0][:40]} is not fetched. Known: {known}.", attr="dataset")
    tell = late_changes.teller(until=session_date, run_id=run_id)
    wish = _Wish(session_date, run_id, start, again_from, symbols is not None, of_day, tell)
    return _synced(wish, symbols, datasets)


def _synced(
    wish: _Wish, symbols: Sequence[str] | None = None, datasets: Sequence[str] | None = None
) -> Synced:
    synced = Synced()
    members = _members(symbols, synced, wish.session_date)
    chain = sources.chain(until=wish.session_date)
    for dataset, part in _parts(members, wish, datasets):
        if dataset == YIELDS:
            _sync_yields(chain, wish, synced)
        else:
            _sync_bars(dataset, chain, part, wish, synced)
    if BARS in synced.records:
        # prices after a split are stored by now: with the pending one they would be two series
        told = corporate_actions.apply_due(
            session_date=wish.session_date, run_id=wish.run_id, tell=wish.tell
        )
        synced.applied = told["items"]
        synced.differs(told["changed"])
    return synced


def named(items: Iterable[str]) -> tuple[list[str], list[str]]:
    """Symbols and datasets behind the outcomes of an earlier round, as `sync` takes them."""
    asked = list(items)
    symbols = [each for each in asked if each != YIELDS]
    datasets = [BARS, VIX_LEVELS] if symbols else []
    return symbols, [*datasets, YIELDS] if len(symbols) < len(asked) else datasets


def _parts(
    members: Sequence[Instrument], wish: _Wish, datasets: Sequence[str] | None
) -> list[tuple[str, list[Instrument]]]:
    """The datasets in their order, each with its instruments."""
    levels = [each for each in members if each.symbol == VIX_SYMBOL]
    bars = [each for each in members if each.symbol != VIX_SYMBOL]
    due = {
        BARS: bool(bars) or not wish.named,
        VIX_LEVELS: bool(levels),
        # who names symbols wants those
        YIELDS: not wish.named or datasets is not None,
    }
    of = {BARS: bars, VIX_LEVELS: levels, YIELDS: []}
    return [
        (name, of[name]) for name in SYNCED if due[name] and (datasets is None or name in datasets)
    ]


def _members(symbols: Sequence[str] | None, synced: Synced, session_date: date) -> list[Instrument]:
    if symbols is None:
        return coverage.due(session_date=session_date)
    found = instruments.by_symbols(symbols)
    for symbol in symbols:
        if symbol.strip().upper() not in found:
            near = ", ".join(instruments.suggestions(symbol))
            words = f"unknown_symbol: did you mean {near}?" if near else "unknown_symbol"
            synced.outcomes.append(Outcome(symbol[:32], FAILED, words))
    return sorted({each.pk: each for each in found.values()}.values(), key=lambda one: one.symbol)


def _sync_bars(
    dataset: str, chain: Fallback, members: list[Instrument], wish: _Wish, synced: Synced
) -> None:
    started = clock.now()
    until = wish.session_date
    lacking = bar_sync.lacking(
        members,
        until=until,
        since=FIRST_SESSION,
        start=wish.start,
        again_from=wish.again_from,
        named=wish.named,
    )
    brought = bar_sync.bring_in(
        chain=chain,
        members=members,
        lacking=lacking,
        until=until,
        run_id=wish.run_id,
        tell=wish.tell,
    )
    synced.outcomes += brought.outcomes
    synced.differs(brought.changed)
    there = bar_sync.at_session(members, until)
    missing = [each.symbol for each in members if each.pk not in there]
    record = _record(dataset, wish, started, brought.tallies)
    record.expected, record.received = len(members), len(there)
    record.written, record.missing = brought.written, missing[:_MOST_MISSING]
    if missing:
        record.status = RefreshStatus.DEGRADED if there else RefreshStatus.FAILED
        record.error = _reason(brought, record.source, until)[:300]
        logger.warning(
            "prices missing",
            extra={"dataset": dataset, "count": len(missing), "error": record.error},
        )
    record.save()
    synced.records[dataset] = record


def _reason(brought: Brought, source: str, until: date) -> str:
    failed = [each for each in brought.outcomes if each.status == FAILED]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        return f"{failed[0].item}: {failed[0].reason}{more}"
    return f"{source or 'no source'} has no prices of {until} for all of them"


def _sync_yields(chain: Fallback, wish: _Wish, synced: Synced) -> None:
    started = clock.now()
    until = wish.session_date
    gaps = coverage.yield_gaps(until=until, since=FIRST_SESSION, start=wish.start)
    known = absences.known([YIELDS]).get(YIELDS, frozenset())
    recent = calendar.between(wish.again_from, until) if wish.again_from else []
    lacking = sorted({day for day in gaps if day not in known}.union(recent))
    written = refused = 0
    tallies: list[Tally] = []
    reason = ""
    if lacking:
        answer = chain.curve(lacking[0], until)
        tallies = chain.tallies
        wanted = set(lacking)
        rows = [row for row in answer.rows if row.session_date in wanted]
        told = yield_sync.write(rows, until=until, run_id=wish.run_id)
        written, refused = len(told.changed), len(told.refused)
        if answer.rows:
            # bond holidays have prices and no yields
            newest = max(row.session_date for row in answer.rows)
            came = {row.session_date for row in rows}
            absences.remember(YIELDS, [day for day in lacking if day < newest and day not in came])
        reason = "; ".join(f"{each.subject}: {each.detail}" for each in answer.failures)
    record = _record(YIELDS, wish, started, tallies)
    record.expected, record.written, record.error = 1, written, reason[:300]
    record.received = int(TreasuryYield.objects.filter(session_date=until).exists())
    if not record.received:
        # on a bond holiday and before the day's curve is published: late, not failed
        unanswered = not tallies or any(each.answered for each in tallies)
        record.status = RefreshStatus.DEGRADED if unanswered else RefreshStatus.FAILED
    record.save()
    synced.records[YIELDS] = record
    failed = record.status == RefreshStatus.FAILED and not (wish.of_day and _has_none(tallies))
    status = FAILED if failed else (OK if written else SKIPPED)
    words = reason or ("" if written else "nothing new")
    synced.outcomes.append(
        Outcome(YIELDS, status, f"{words} {refused} refused" if refused else words)
    )


def _has_none(tallies: Sequence[Tally]) -> bool:
    """Whether there are no yields here and never were: a folder may hold prices alone."""
    said = {failure.code for tally in tallies for failure in tally.failures}
    return said == {"empty_answer"} and not TreasuryYield.objects.exists()


def _record(dataset: str, wish: _Wish, started: datetime, tallies: Sequence[Tally]) -> DataRefresh:
    """The unsaved record of a dataset; one of each source that was asked is written."""
    common = {"session_date": wish.session_date, "run_id": wish.run_id, "started_at": started}
    used = refresh_records.keep_asked(tallies, **common)
    return DataRefresh(
        dataset=dataset,
        source="+".join(used or sources.serving(dataset))[:24],
        status=RefreshStatus.SUCCEEDED,
        expected=0,
        received=0,
        finished_at=clock.now(),
        **common,
    )
