"""Daily bars: fetched where sessions are missing, restated, judged, written in bulk."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from uuid import UUID

from django.db import transaction
from django.db.models import Min

from etftrader.core import audit, jobs
from marketdata.calculations import bar_gate
from marketdata.choices import Source
from marketdata.constants import VIX
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.providers.base import BarRow, DividendRow, SplitRow, SymbolHistory
from marketdata.providers.chain import Fallback, Tally
from marketdata.selectors import calendar, coverage
from marketdata.services import (
    absences,
    adjusted_closes,
    bar_store,
    corporate_actions,
    former_names,
    price_decisions,
    price_gate,
    stored_shares,
)
from marketdata.services.adjusted_closes import Told

PIECE = 200  # symbols a question: what is in memory at once
MOST_COMPARED, MOST_DAYS = 50_000, 400  # rows, sessions
MOST_NAMED = 500  # symbols in a job's words
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
) -> Brought:
    """Fetch the missing sessions of each instrument; who lacks nothing is not asked about.

    No transaction is open while a source is asked; each piece of symbols is written in one.
    """
    brought = Brought()
    by_start: dict[date, list[Instrument]] = {}
    for each in members:
        if each.pk in lacking:
            by_start.setdefault(lacking[each.pk][0], []).append(each)
        else:
            brought.note(each.symbol, SKIPPED, "nothing was missing")
    for start, group in sorted(by_start.items()):
        for place in range(0, len(group), PIECE):
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
    splits = stored_shares.splits(instruments.values())
    judged: dict[str, price_gate.Passed] = {}
    said: dict[str, Told] = {}
    for answer in answers:
        each = instruments[answer.symbol]
        if answer.failure is not None:
            brought.note(each.symbol, FAILED, f"{answer.failure.code}: {answer.failure.detail}")
            continue
        asked = wanted[each.symbol] if wanted is not None else None
        answer = stored_shares.restate(answer, splits.get(each.pk, ()), until=until)
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
        brought.outcomes.append(_outcome(each, passed, asked, answer, until))
    days = {row.session_date for passed in judged.values() for row in passed.rows}
    before = _stored(instruments, judged, days)
    written = keep(instruments, judged, said)
    brought.written += written
    if written:
        after = _stored(instruments, judged, days)
        for symbol, day in _since(instruments, judged, before, after).items():
            brought.differs(symbol, day)
        if before is not None and after is not None:
            names = {instruments[name].pk: name for name in judged}
            brought.stored |= {(names[key], day) for key, day, *_ in after - before}


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
        brought.differs(names[key], ex_date)


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
    changed = bar_store.upsert(every, dict(instruments))
    for symbol, passed in judged.items() if changed else ():
        taken = [row for row in passed.rows if row.session_date in passed.elsewhere]
        bar_store.take_over(instruments[symbol], taken)
        bar_store.pack_series(instruments[symbol], passed.rows)
    for each in instruments.values():
        if each.pk in aligned.restated:
            adjusted_closes.repack(each)
    return changed


def _stored(
    instruments: Mapping[str, Instrument],
    judged: Mapping[str, price_gate.Passed],
    days: set[date],
) -> Stored | None:
    """What is stored of these sessions, with its revisions; None where that is too much to read."""
    if not days or sum(len(passed.rows) for passed in judged.values()) > MOST_COMPARED:
        return None
    bars = DailyBar.objects.filter(instrument__in=[instruments[name].pk for name in judged])
    if len(days) <= MOST_DAYS:
        bars = bars.filter(session_date__in=days)
    else:
        bars = bars.filter(session_date__range=(min(days), max(days)))
    return set(bars.values_list("instrument_id", "session_date", "source", "revision"))


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


def in_words(days: Mapping[str, date]) -> dict[str, str]:
    """Since when prices differ, by symbol, as a job is told; many symbols are one star."""
    if len(days) > MOST_NAMED:
        return {"*": min(days.values()).isoformat()}
    return {symbol: day.isoformat() for symbol, day in days.items()}


def adjustments(
    answer: SymbolHistory, *, written: Collection[date] = (), leave: Collection[date] = ()
) -> Told:
    """How the source of an answer in stored shares adjusts its sessions, but those to `leave`."""
    anchor = [answer.anchor] if answer.anchor is not None else []
    rows = [row for row in (*anchor, *answer.bars) if row.session_date not in leave]
    return adjusted_closes.told(rows, written)


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


def _outcome(
    each: Instrument,
    passed: price_gate.Passed,
    asked: frozenset[date] | None,
    answer: SymbolHistory,
    until: date,
) -> Outcome:
    if asked is not None:
        came = {row.session_date for row in answer.bars}
        # a late price of the newest session is asked for again, an old hole is not
        holes = [day for day in asked if day not in came and day < until]
        absences.remember(each.symbol, _inside(each, holes, came))
    if passed.held or passed.refused:
        words = f"{passed.held} held back, {passed.refused} refused, {len(passed.rows)} taken"
        status = OK if passed.rows else (SKIPPED if passed.held else FAILED)
        return Outcome(each.symbol, status, words)
    return Outcome(each.symbol, OK, "" if passed.rows else "the source has no new session")


def _inside(each: Instrument, holes: Sequence[date], came: set[date]) -> list[date]:
    """The holes after a series' first session: what lies before it is not looked for anyway."""
    if not holes:
        return []
    stored = DailyBar.objects.filter(instrument=each).aggregate(first=Min("session_date"))["first"]
    first = min([*came, *([stored] if stored else [])], default=date.max)
    return [day for day in holes if day > first]


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
