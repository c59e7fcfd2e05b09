"""Daily bars: fetched where sessions are missing, restated, judged, written in bulk."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, jobs
from marketdata.calculations import bar_gate
from marketdata.choices import Source
from marketdata.constants import VIX
from marketdata.events import prices_arrived
from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries
from marketdata.providers.base import BarRow, DividendRow, SplitRow, SymbolHistory
from marketdata.providers.chain import Fallback, Tally
from marketdata.selectors import calendar, coverage
from marketdata.selectors import corporate_actions as actions
from marketdata.services import (
    absences,
    adjusted_closes,
    bar_store,
    corporate_actions,
    former_names,
    price_decisions,
    price_gate,
    stored_dividends,
    stored_shares,
)
from marketdata.services.adjusted_closes import Told
from marketdata.services.late_changes import Tell

PIECE = 200  # symbols a question: what is in memory at once
MOST_COMPARED, MOST_ROWS = 50_000, 25_000  # rows: of an answer, of a transaction
MOST_SYMBOLS = 25  # of a transaction: each is judged by several questions
MOST_DAYS = 400  # sessions a question
OK, SKIPPED, FAILED = "ok", "skipped", "failed"
_LEVELS = (5.0, 200.0)  # of the VIX: within them a day may double it


Stored = set[tuple[UUID, date, str, int]]  # instrument, session, source, revision


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one symbol or dataset."""

    item: str
    status: str
    reason: str = ""


@dataclass
class Brought:
    """What a round of fetching did."""

    written: int = 0
    held: int = 0
    refused: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    tallies: list[Tally] = field(default_factory=list)
    changed: dict[str, date] = field(default_factory=dict)  # from which session on, at the most
    stored: set[tuple[str, date]] = field(default_factory=set)  # where few enough to be compared
    stopped: list[tuple[str, price_gate.Stopped]] = field(default_factory=list)
    recorded: int = 0  # splits and dividends
    unrecorded: list[dict[str, str]] = field(default_factory=list)
    tell: Tell | None = None  # hears what differs, in the transaction that writes it

    def note(self, symbol: str, status: str, reason: str = "") -> None:
        """Keep one symbol's outcome."""
        self.outcomes.append(Outcome(symbol, status, reason[:300]))

    def differs(self, symbol: str, since: date) -> None:
        """Keep that prices or actions of a symbol are other ones from a session on."""
        self.changed[symbol] = min(since, self.changed.get(symbol, since))


def bring_in(
    *,
    chain: Fallback,
    members: Sequence[Instrument],
    lacking: Mapping[UUID, Sequence[date]],
    until: date,
    run_id: UUID | None = None,
    tell: Tell | None = None,
) -> Brought:
    """Fetch the missing sessions of each instrument; who lacks nothing is not asked about.

    No transaction is open while a source is asked; a symbol's answer is written in one.
    """
    brought = Brought(tell=tell)
    by_start: dict[date, list[Instrument]] = {}
    for each in members:
        if each.pk in lacking:
            by_start.setdefault(lacking[each.pk][0], []).append(each)
        else:
            brought.note(each.symbol, SKIPPED, "nothing was missing")
    for start, group in sorted(by_start.items()):
        for place in range(0, len(group), PIECE):
            # before the source is asked, which may take its time
            jobs.progress(done=len(brought.outcomes), total=len(members), note="Prices")
            piece = {each.symbol: each for each in group[place : place + PIECE]}
            answers, tallies = former_names.histories(chain, piece, start, until)
            brought.tallies += tallies
            wanted = {symbol: frozenset(lacking[each.pk]) for symbol, each in piece.items()}
            write(piece, answers, until=until, wanted=wanted, run_id=run_id, brought=brought)
            jobs.progress(done=len(brought.outcomes), total=len(members), note="Prices")
    return brought


def write(
    instruments: Mapping[str, Instrument],
    answers: Sequence[SymbolHistory],
    *,
    until: date,
    brought: Brought,
    wanted: Mapping[str, frozenset[date]] | None = None,
    run_id: UUID | None = None,
) -> None:
    """Put answers through the gate and into the tables; `wanted` leaves other sessions alone.

    Splits and dividends are recorded first: a known split explains the price after it.
    """
    _record(instruments, answers, until, brought)
    few = sum(len(each.bars) for each in answers) <= MOST_COMPARED
    for part in _parts(answers):
        with transaction.atomic():
            # a split applied between what is read here and what is written would leave two series
            audit.serialise("daily bars")
            mine = {each.symbol: instruments[each.symbol] for each in part}
            judged, said = _judge(mine, part, wanted, until, run_id, brought)
            _write(mine, judged, said, brought, few=few)
    for answer in answers:
        if wanted is not None and answer.failure is None:
            absences.note(
                instruments[answer.symbol],
                asked=wanted[answer.symbol],
                came={row.session_date for row in answer.bars},
                until=until,
            )


def _parts(answers: Sequence[SymbolHistory]) -> Iterator[list[SymbolHistory]]:
    """Answers by as many symbols and rows as one transaction takes: who waits waits so long."""
    part: list[SymbolHistory] = []
    for each in answers:
        part.append(each)
        rows = sum(len(one.bars) for one in part)
        if len(part) == MOST_SYMBOLS or rows >= MOST_ROWS:
            yield part
            part = []
    if part:
        yield part


def _judge(
    instruments: Mapping[str, Instrument],
    answers: Sequence[SymbolHistory],
    wanted: Mapping[str, frozenset[date]] | None,
    until: date,
    run_id: UUID | None,
    brought: Brought,
) -> tuple[dict[str, price_gate.Passed], dict[str, Told]]:
    """What of each answer comes through the gate, in stored shares, and how its source adjusts."""
    splits = stored_shares.splits(instruments.values())
    first = min((row.session_date for each in answers for row in _rows(each)), default=until)
    paid = stored_dividends.applied(instruments.values(), since=first)
    judged: dict[str, price_gate.Passed] = {}
    said: dict[str, Told] = {}
    for answer in answers:
        each = instruments[answer.symbol]
        if answer.failure is not None:
            brought.note(each.symbol, FAILED, f"{answer.failure.code}: {answer.failure.detail}")
            continue
        asked = wanted[each.symbol] if wanted is not None else None
        answer = stored_shares.restate(answer, splits.get(each.pk, ()), until=until)
        answer = stored_dividends.adjust(answer, paid.get(each.pk, ()))
        rows = [row for row in answer.bars if asked is None or row.session_date in asked]
        passed = admit(each, rows, until=until, run_id=run_id)
        judged[answer.symbol] = passed
        refused = {stopped.session_date for stopped in passed.stopped}
        said[answer.symbol] = adjustments(
            answer, written={row.session_date for row in passed.rows}, leave=refused
        )
        brought.stopped += [(answer.symbol, stopped) for stopped in passed.stopped]
        brought.held += passed.held
        brought.refused += passed.refused
        brought.outcomes.append(_outcome(each, passed))
    return judged, said


def _write(
    instruments: Mapping[str, Instrument],
    judged: Mapping[str, price_gate.Passed],
    said: Mapping[str, Told],
    brought: Brought,
    *,
    few: bool,
) -> None:
    before = _stored(instruments, judged) if few else None
    written = keep(instruments, judged, said)
    brought.written += written
    if not written:
        return
    after = _stored(instruments, judged) if few else None
    since = _since(instruments, judged, before, after)
    for symbol, day in since.items():
        brought.differs(symbol, day)
    if before is not None and after is not None:
        names = {instruments[name].pk: name for name in judged}
        brought.stored |= {(names[key], day) for key, day, *_ in after - before}
    if brought.tell is not None and since:
        brought.tell(since)


def _record(
    instruments: Mapping[str, Instrument],
    answers: Sequence[SymbolHistory],
    until: date,
    brought: Brought,
) -> None:
    """Record the splits and dividends of answers: from a new one on, books are looked at again."""
    events: list[SplitRow | DividendRow] = []
    for answer in answers:
        events += [*answer.splits, *answer.dividends]
    if not events:
        return
    days = [event.ex_date for event in events]
    rows = CorporateAction.objects.filter(
        instrument__in=[each.pk for each in instruments.values()],
        ex_date__range=(min(days), max(days)),
    ).values_list("instrument_id", "ex_date", "kind", "ratio", "amount")
    before = set(rows.all())
    told = corporate_actions.record(rows=events, session_date=until)
    brought.recorded += told["counts"]["recorded"] + told["counts"]["corrected"]
    brought.unrecorded += told["warnings"]
    names = {each.pk: each.symbol for each in instruments.values()}
    for key, ex_date, *_ in before ^ set(rows.all()):
        brought.differs(names[key], actions.effective(ex_date))


@transaction.atomic
def keep(
    instruments: Mapping[str, Instrument],
    judged: Mapping[str, price_gate.Passed],
    said: Mapping[str, Told],
) -> int:
    """Write what came through the gate, one price a session; counts the rows that changed.

    Adjusted closes from before follow what the source says of them now, and are not counted.
    """
    # two runs at once would each rebuild the series from what they saw
    audit.serialise("daily bars")
    aligned = adjusted_closes.align({instruments[name].pk: each for name, each in said.items()})
    judged = {
        name: replace(passed, rows=aligned.fitted(instruments[name].pk, passed.rows))
        for name, passed in judged.items()
    }
    every = [row for passed in judged.values() for row in passed.rows]
    first = _without_prices([instruments[name].pk for name, each in judged.items() if each.rows])
    changed = bar_store.upsert(every, dict(instruments))
    if first:
        prices_arrived.announce(instrument_ids=",".join(sorted(str(key) for key in first)))
    for symbol, passed in judged.items() if changed else ():
        taken = [row for row in passed.rows if row.session_date in passed.elsewhere]
        bar_store.take_over(instruments[symbol], taken)
        bar_store.pack_series(instruments[symbol], passed.rows)
    for each in instruments.values():
        if each.pk in aligned.restated:
            adjusted_closes.repack(each)
    return changed


def _without_prices(keys: Collection[UUID]) -> set[UUID]:
    """Those that have no series yet."""
    known = PriceSeries.objects.filter(instrument__in=keys)
    return set(keys) - set(known.values_list("instrument_id", flat=True))


def _stored(
    instruments: Mapping[str, Instrument], judged: Mapping[str, price_gate.Passed]
) -> Stored:
    """What is stored of these sessions, with its revisions."""
    alike: dict[frozenset[date], list[UUID]] = {}
    for name, passed in judged.items():
        days = frozenset(row.session_date for row in passed.rows)
        if days:
            alike.setdefault(days, []).append(instruments[name].pk)
    found: Stored = set()
    for days, keys in alike.items():
        wanted = sorted(days)
        for place in range(0, len(wanted), MOST_DAYS):
            bars = DailyBar.objects.filter(
                instrument__in=keys, session_date__in=wanted[place : place + MOST_DAYS]
            )
            found |= set(bars.values_list("instrument_id", "session_date", "source", "revision"))
    return found


def _since(
    instruments: Mapping[str, Instrument],
    judged: Mapping[str, price_gate.Passed],
    before: Stored | None,
    after: Stored | None,
) -> dict[str, date]:
    """From which session on each symbol's prices differ; at the most, where that was not read."""
    if before is None or after is None:
        rows = {symbol: passed.rows for symbol, passed in judged.items() if passed.rows}
        since = {symbol: min(row.session_date for row in rows[symbol]) for symbol in rows}
        return {instruments[symbol].symbol: day for symbol, day in since.items()}
    symbols = {instruments[name].pk: instruments[name].symbol for name in judged}
    found: dict[str, date] = {}
    for key, day, *_ in before ^ after:
        found[symbols[key]] = min(day, found.get(symbols[key], day))
    return found


def adjustments(
    answer: SymbolHistory, *, written: Collection[date] = (), leave: Collection[date] = ()
) -> Told:
    """How the source of an answer in stored shares adjusts its sessions, but those to `leave`."""
    rows = [row for row in _rows(answer) if row.session_date not in leave]
    return adjusted_closes.told(rows, written)


def _rows(answer: SymbolHistory) -> list[BarRow]:
    return [row for row in (answer.anchor, *answer.bars) if row is not None]


def admit(
    instrument: Instrument, rows: Sequence[BarRow], *, until: date, run_id: UUID | None = None
) -> price_gate.Passed:
    """The price gate, but for what may move as far as it likes.

    The bundle's files were reviewed before they were shipped, with the real days on which a price
    went half as high again; the VIX does that in any year. Garbage is refused there too, and what
    a person put aside.
    """
    reviewed = [row for row in rows if _is_reviewed(row)]
    others = [row for row in rows if not _is_reviewed(row)]
    if reviewed:
        decided = price_decisions.read(instrument, reviewed)
        others += [row for row in reviewed if decided.is_rejected(row)]
        reviewed = [row for row in reviewed if not decided.is_rejected(row)]
    passed = price_gate.admit(
        instrument=instrument,
        rows=others,
        until=until,
        free=frozenset(row.session_date for row in rows if _may_jump(row)),
        run_id=run_id,
    )
    return replace(passed, rows=[*reviewed, *passed.rows]) if reviewed else passed


def _is_reviewed(row: BarRow) -> bool:
    return row.source == Source.BUNDLED and bar_gate.possible_price(row.close)


def _may_jump(row: BarRow) -> bool:
    low, high = _LEVELS
    return row.symbol == VIX and low <= row.close <= high


def _outcome(each: Instrument, passed: price_gate.Passed) -> Outcome:
    if passed.held or passed.refused:
        words = f"{passed.held} held back, {passed.refused} refused, {len(passed.rows)} taken"
        status = OK if passed.rows else (SKIPPED if passed.held else FAILED)
        return Outcome(each.symbol, status, words)
    return Outcome(each.symbol, OK, "" if passed.rows else "the source has no new session")


def at_session(members: Sequence[Instrument], day: date) -> set[UUID]:
    """Which instruments have a price of a session."""
    rows = DailyBar.objects.filter(instrument__in=[each.pk for each in members], session_date=day)
    return set(rows.values_list("instrument_id", flat=True))


def lacking(
    members: Sequence[Instrument],
    *,
    until: date,
    since: date,
    start: date | None,
    again_from: date | None,
    named: bool,
) -> dict[UUID, list[date]]:
    """The sessions to ask for. What is asked for by name is asked again, whatever was known."""
    found = coverage.gaps(of=members, until=until, since=since, start=start, doubts_too=named)
    if not named:
        known = absences.known([each.symbol for each in members if each.pk in found])
        for each in members:
            holes = known.get(each.symbol, frozenset())
            found[each.pk] = [day for day in found.get(each.pk, []) if day not in holes]
    if again_from is not None:
        recent = calendar.between(again_from, until)
        found = {each.pk: sorted({*found.get(each.pk, []), *recent}) for each in members}
    return {key: days for key, days in found.items() if days}
