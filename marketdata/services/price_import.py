"""Files of prices and yields: judged line by line, brought in, and a folder of them watched."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from etftrader.core import jobs
from etftrader.core.errors import BadInput, Unavailable
from etftrader.core.records import OPEN, JobRun
from marketdata.choices import Source
from marketdata.models import Instrument
from marketdata.providers import csv_files, csv_folder, sources
from marketdata.providers.base import DividendRow, SplitRow, SymbolHistory
from marketdata.providers.csv_folder import MOST_VERDICTS, FileState
from marketdata.providers.csv_text import Content, FileRefused, Limits, Verdict
from marketdata.selectors import calendar, instruments
from marketdata.services import (
    action_guards,
    bar_sync,
    corporate_actions,
    late_changes,
    symbols,
    universes,
    yield_sync,
)
from marketdata.services.bar_sync import Brought
from marketdata.services.late_changes import Tell

logger = logging.getLogger(__name__)

KINDS = ("bars", "yields")
JOB = "marketdata.import_files"


@dataclass
class Imported:
    """What one file brought, and what of it could not be used, line by line."""

    name: str
    kind: str = ""
    rows: int = 0  # usable lines
    written: int = 0  # rows of tables that changed
    held: int = 0
    refused: int = 0
    created: list[str] = field(default_factory=list)  # symbols nobody knew before
    verdicts: list[Verdict] = field(default_factory=list)  # the first thousand
    bad_lines: int = 0
    changed: dict[str, date] = field(default_factory=dict)  # symbol: prices from there on
    reason: str = ""  # why the file as a whole was not read to its end

    left_out: list[str] = field(default_factory=list)  # symbols whose lines were not taken

    def say(self, verdict: Verdict, lines: int = 1) -> None:
        """Keep the verdict of one line, or of several at the first of them."""
        self.bad_lines += lines
        if len(self.verdicts) < MOST_VERDICTS:
            self.verdicts.append(verdict)

    def leave_out(self, bars: Mapping[str, Sequence[csv_files.Line]]) -> None:
        """Say of symbols that are not known and cannot be added that their lines were left out."""
        for symbol, lines in bars.items():
            more = f"; {len(lines)} lines have it" if len(lines) > 1 else ""
            why, first = symbols.not_added(symbol) + more, min(line.line for line in lines)
            self.say(Verdict(first, "symbol", symbols.RESERVED, why, symbols.REMEDY), len(lines))
            self.rows -= len(lines)
            self.left_out.append(symbol)


@dataclass
class Sheet:
    """The usable lines of a file that was read to its end."""

    bars: dict[str, list[csv_files.Line]] = field(default_factory=dict)
    yields: list[csv_files.YieldLine] = field(default_factory=list)


def import_file(
    *,
    path: Path,
    until: date,
    kind: str = "",
    symbol: str = "",
    run_id: UUID | None = None,
    tell: Tell | None = None,
) -> Imported:
    """Bring one file in: every usable line up to a session, corrections included.

    `kind` is told by the header where it is not given; `symbol` names the rows of a file without
    that column. A file that breaks off is not taken at all. Twice is once. `tell` hears since when
    prices differ. Raises BadInput for an unknown kind.
    """
    told = Imported(path.name)
    try:
        sheet = read(path, told=told, until=until, kind=kind, symbol=symbol)
    except FileRefused as refusal:
        told.say(refusal.verdict)
        told.reason = refusal.detail
        return told
    if told.kind == "yields":
        rows = [row for line in sheet.yields for row in line.rows]
        done = yield_sync.write(rows, until=until, run_id=run_id)
        told.written, told.refused = len(done.changed), len(done.refused)
    else:
        told.created = universes.create_from_files(sheet.bars)
        known = instruments.by_symbols(sheet.bars)
        told.leave_out({each: sheet.bars[each] for each in sorted(sheet.bars) if each not in known})
        brought = write_bars(sheet.bars, known, until, run_id, tell)
        told.written, told.held, told.refused = brought.written, brought.held, brought.refused
        told.changed = brought.changed
    return told


def import_alone(*, path: Path, until: date, kind: str = "", symbol: str = "") -> Imported:
    """Bring one file in without a run, as `import_file` does, and apply the actions in effect.

    Whoever values by what differs is told.
    """
    tell = late_changes.teller(until=until, run_id=None)
    told = import_file(path=path, until=until, kind=kind, symbol=symbol, tell=tell)
    if told.kind == "bars" and not told.reason:
        corporate_actions.apply_due(session_date=until, tell=tell)
    return told


def read(
    source: Content,
    *,
    told: Imported,
    until: date,
    kind: str = "",
    symbol: str = "",
    limits: Limits | None = None,
) -> Sheet:
    """Read a file to its end; nothing is written. What cannot be used is said to `told`.

    Raises FileRefused, and BadInput for an unknown kind.
    """
    if kind and kind not in KINDS:
        raise BadInput(f"A file holds {' or '.join(KINDS)}.", attr="kind")
    told.kind = kind or csv_files.kind_of(source, limits)
    if told.kind == "yields":
        return Sheet(yields=_read_yields(source, told, until, limits))
    return Sheet(bars=_read_bars(source, symbol or _stem(told.name), told, until, limits))


def write_bars(
    bars: Mapping[str, Sequence[csv_files.Line]],
    known: Mapping[str, Instrument],
    until: date,
    run_id: UUID | None = None,
    tell: Tell | None = None,
) -> Brought:
    """Bring in the lines of every symbol that is known, in pieces."""
    answers = [_history(each, bars[each]) for each in sorted(bars) if each in known]
    # pieces of one transaction would take them one after another, audit lines in between
    action_guards.alone(known[each.symbol] for each in answers if each.splits)
    brought = Brought(tell=tell)
    for place in range(0, len(answers), bar_sync.PIECE):
        piece = answers[place : place + bar_sync.PIECE]
        named: dict[str, Instrument] = {each.symbol: known[each.symbol] for each in piece}
        bar_sync.write(named, piece, until=until, run_id=run_id, brought=brought)
    return brought


def import_files(
    *, names: list[str], until: date, known: Iterable[str] = (), run_id: UUID | None = None
) -> dict[str, Any]:
    """Bring files of the watched folder in; the answer is a run's, with a state to look from.

    A file that was refused belongs to what was seen: it is read again when it changes. Splits
    and dividends that the files tell are applied, so far as they are in effect. Files `known`
    from an earlier attempt of the run stay in its state.
    """
    folder = _folder()
    seen = csv_folder.look(folder, {}).state
    items = []
    counts = {"rows": 0, "written": 0, "held": 0, "bad_lines": 0}
    changed: dict[str, date] = {}
    tell = late_changes.teller(until=until, run_id=run_id)
    for place, name in enumerate(names):
        jobs.progress(done=place, total=len(names), note=name)
        if name not in seen:
            items.append(_item(name, "skipped", "the file is gone"))
            continue
        told = import_file(path=folder / name, until=until, run_id=run_id, tell=tell)
        counts = {each: counts[each] + getattr(told, each) for each in counts}
        items.append(_item(name, "failed" if told.reason else "ok", _words(told)))
        _differs(changed, told.changed)
    # also what waited for other prices, or for a person
    done = corporate_actions.apply_due(session_date=until, run_id=run_id, tell=tell)
    _differs(changed, done["changed"])
    jobs.progress(done=len(names), total=len(names))
    state = {name: asdict(each) for name, each in seen.items() if name in {*names, *known}}
    return {"items": items, "counts": counts, "state": state, "changed": changed}


def watch(*, session_date: date) -> JobRun | None:
    """Ask for the import of what is new or changed in CSV_FOLDER since the last look.

    None where nothing is, where an import waits, or where no folder is read.
    """
    if Source.CSV not in sources.everybody() or not settings.CSV_FOLDER:
        return None
    if JobRun.objects.filter(job=JOB, status__in=OPEN).exists():
        return None
    try:
        changes = csv_folder.look(_folder(), known_files())
    except Unavailable as failure:
        logger.warning("the folder was not looked at", extra={"error": failure.detail})
        return None
    names = sorted({*changes.new, *changes.changed})
    if not names:
        return None
    with transaction.atomic():
        return jobs.request(JOB, as_of=session_date, inputs={"files": names})


def known_files() -> Mapping[str, FileState]:
    """The files of the folder as the imports so far have seen them."""
    known: dict[str, FileState] = {}
    runs = JobRun.objects.filter(job=JOB, status__in=("succeeded", "partial", "failed"))
    for result in runs.order_by("finished_at").values_list("result", flat=True):
        told = result.get("state", {})
        known |= {name: FileState(**each) for name, each in told.items()}
    return known


def _read_yields(
    source: Content, told: Imported, until: date, limits: Limits | None
) -> list[csv_files.YieldLine]:
    lines = []
    for line in csv_files.yields(source, until=until, limits=limits):
        if isinstance(line, Verdict):
            told.say(line)
        else:
            told.rows += 1
            lines.append(line)
    return lines


def _read_bars(
    source: Content, symbol: str, told: Imported, until: date, limits: Limits | None
) -> dict[str, list[csv_files.Line]]:
    lines: dict[str, list[csv_files.Line]] = {}
    for line in csv_files.bars(source, symbol=symbol, until=until, limits=limits):
        if isinstance(line, Verdict):
            told.say(line)
        elif not calendar.is_session(line.bar.session_date):
            told.say(_closed(line))
        else:
            told.rows += 1
            lines.setdefault(line.bar.symbol, []).append(line)
    return lines


def _history(symbol: str, lines: Sequence[csv_files.Line]) -> SymbolHistory:
    dividends: list[DividendRow] = [line.dividend for line in lines if line.dividend]
    splits: list[SplitRow] = [line.split for line in lines if line.split]
    return SymbolHistory(symbol, tuple(line.bar for line in lines), tuple(dividends), tuple(splits))


def _closed(line: csv_files.Line) -> Verdict:
    if line.bar.session_date < calendar.FIRST:
        why = f"the calendar of sessions begins on {calendar.FIRST}"
        return Verdict(line.line, "date", "before_calendar", why, "Remove the line")
    why = f"the exchange was closed on {line.bar.session_date}"
    return Verdict(line.line, "date", "not_a_session", why, "Remove the line or correct its date")


def _stem(name: str) -> str:
    return name.split(".csv")[0].upper()


def _differs(changed: dict[str, date], since: Mapping[str, date]) -> None:
    """Keep the first session from which on each symbol differs."""
    for symbol, day in since.items():
        changed[symbol] = min(day, changed.get(symbol, day))


def _folder() -> Path:
    return Path(settings.CSV_FOLDER)


def _words(told: Imported) -> str:
    if told.reason:
        return told.reason[:300]
    words = [f"{told.rows} lines, {told.written} changed"]
    words += [f"{told.bad_lines} not usable"] if told.bad_lines else []
    words += [f"{told.held} held back"] if told.held else []
    words += [f"new: {', '.join(told.created[:10])}"] if told.created else []
    guessed = universes.assumed(told.created)
    words += [f"taken for stocks, as nothing says: {', '.join(guessed[:10])}"] if guessed else []
    words += [f"left out: {', '.join(told.left_out[:10])}"] if told.left_out else []
    return ", ".join(words)


def _item(name: str, status: str, reason: str) -> dict[str, Any]:
    return {"item": name, "status": status, "reason": reason}
