"""A file of prices or yields that a person sends: every row has its verdict, all or none is stored.

A row that the gate holds back is no error: it waits in quarantine and the others are stored. What
writes nothing leaves nothing, not even the count of how often a doubt was seen.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.db import transaction

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from marketdata.calculations import bar_gate
from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument
from marketdata.providers.csv_files import Line, YieldLine
from marketdata.providers.csv_text import FileRefused, Limits, Verdict, recognise
from marketdata.providers.fred import TENORS
from marketdata.selectors import instruments, quarantine
from marketdata.services import price_import, symbols, universes, yield_sync
from marketdata.services.bar_sync import Brought
from marketdata.services.price_gate import REJECTED, Stopped
from marketdata.services.price_import import Imported, Sheet

STORED, UNCHANGED, HELD, LEFT_OUT = "stored", "unchanged", "held", "left_out"
REFUSED = "refused"
# what a person has to look at comes first
ORDER = (REFUSED, HELD, LEFT_OUT, STORED, UNCHANGED)
CHECKED = "checked"
# some three seconds, in which SQLite has no other writer; more belongs to a worker
MOST_ROWS, MOST_SYMBOLS = 20_000, 300
MOST_UNPACKED = 20_000_000  # bytes
MOST_TOLD = 200  # verdicts shown, of those that need a look
MOST_SPELLED = 20  # unknown symbols that are compared with known ones
NAME = 120
ELSEWHERE = (
    "Split the file, or put it whole into the folder that CSV_FOLDER names, or run "
    "manage.py import_prices"
)
LIMITS = Limits(max_bytes=MOST_UNPACKED, rows=MOST_ROWS, blank=MOST_ROWS, larger=ELSEWHERE)
TOO_LARGE = {"file_too_large", "too_many_rows", "too_many_symbols"}
_COLUMNS = {tenor: name for name, tenor in TENORS.items()}


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """What becomes of a row, or of one yield of it, and what would mend it."""

    line: int
    column: str
    verdict: str
    code: str = ""
    why: str = ""
    remedy: str = ""
    symbol: str = ""
    session_date: date | None = None
    rows: int = 1  # that it stands for


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was read to its end, and what was said of its lines."""

    sheet: Sheet
    told: Imported
    checksum: str  # SHA-256 of the bytes


@dataclass
class Uploaded:
    """What became of a file. Counts are of prices, for yields of single figures."""

    file_name: str
    kind: str
    as_of: date
    status: str = UNCHANGED  # checked, stored or unchanged
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(ORDER, 0))
    created: list[str] = field(default_factory=list)
    recorded: int = 0  # splits and dividends
    changed: dict[str, date] = field(default_factory=dict)  # symbol: prices from there on
    first: dict[str, list[RowVerdict]] = field(default_factory=lambda: {each: [] for each in ORDER})
    quarantined: int = 0  # doubts that were not known before

    def say(self, verdict: RowVerdict) -> None:
        """Count a verdict and keep it, if it is one of the first of its kind."""
        self.counts[verdict.verdict] += verdict.rows
        kept = self.first[verdict.verdict]
        if len(kept) < MOST_TOLD:
            kept.append(verdict)

    @property
    def verdicts(self) -> list[RowVerdict]:
        """The first of them, those first that need a look."""
        told = [row for each in ORDER for row in sorted(self.first[each], key=lambda v: v.line)]
        return told[:MOST_TOLD]

    @property
    def assumed(self) -> list[str]:
        """New symbols of which nothing says what they are."""
        return universes.assumed(self.created)

    @property
    def untold(self) -> int:
        """How many rows the verdicts leave out."""
        return sum(self.counts.values()) - sum(each.rows for each in self.verdicts)

    @property
    def writes(self) -> bool:
        """Whether anything in the tables is another afterwards."""
        return bool(self.counts[STORED] or self.quarantined or self.created or self.recorded)


class FileUnread(DomainError):
    """The file as a whole cannot be read; nothing of it was taken."""

    def __init__(self, verdict: Verdict) -> None:
        self.status = 413 if verdict.code in TOO_LARGE else 422
        self.status = 415 if verdict.code == "not_a_table" else self.status
        words = f"{verdict.why}. {verdict.remedy}."
        if verdict.line:
            words = f"Line {verdict.line}, {verdict.column}: {words}"
        words = words[0].upper() + words[1:]
        super().__init__(words, code=verdict.code, errors=_errors([_bad(verdict)]))


class RowsRefused(DomainError):
    """Rows of the file cannot be stored, and so none was."""

    code, status = "rows_refused", 422

    def __init__(self, told: Uploaded) -> None:
        bad, total = told.counts[REFUSED], sum(told.counts.values())
        words = (
            f"{bad} of {total} rows cannot be stored, so nothing was. Correct them, or store "
            "the others without them (partial)."
        )
        super().__init__(words, counts=told.counts, errors=_errors(told.first[REFUSED]))
        self.told = told


def read(*, data: bytes, file_name: str, until: date, kind: str = "", symbol: str = "") -> Sent:
    """Read what was sent; nothing is written. Raises FileUnread, and BadInput for a bad kind."""
    told = Imported(file_name[:NAME])
    try:
        recognise(data)
        sheet = price_import.read(
            data, told=told, until=until, kind=kind, symbol=symbol, limits=LIMITS
        )
    except FileRefused as refusal:
        raise FileUnread(refusal.verdict) from refusal
    if len(sheet.bars) > MOST_SYMBOLS:
        why = f"there are more than {MOST_SYMBOLS} symbols"
        raise FileUnread(Verdict(0, "file", "too_many_symbols", why, ELSEWHERE))
    return Sent(sheet, told, hashlib.sha256(data).hexdigest())


@transaction.atomic
def upload(
    *,
    sent: Sent,
    until: date,
    by: Actor,
    partial: bool = False,
    check: bool = False,
    add_symbols: bool = False,
) -> Uploaded:
    """Store what was read, in one transaction with its audit line.

    Parameters
    ----------
    sent : Sent
        Of `read`.
    until : date
        The newest session that may be known.
    by : Actor
    partial : bool
        Store the good rows of a file that has bad ones.
    check : bool
        Say what would become of every row, and write nothing.
    add_symbols : bool
        Create instruments for symbols nobody knows; else their rows are refused.

    Returns
    -------
    Uploaded
        With a verdict a row. The same file again is `unchanged` and writes nothing.

    Raises
    ------
    RowsRefused
        A row is bad, and the good ones are not wanted alone.
    """
    told = Uploaded(sent.told.name, sent.told.kind, until)
    for verdict in sent.told.verdicts:
        told.say(_bad(verdict))
    # what was said beyond those that are kept
    told.counts[REFUSED] += sent.told.bad_lines - len(sent.told.verdicts)
    # before the audit's own lock, as everywhere
    audit.serialise("daily bars")
    if told.kind == "yields":
        _put_yields(sent.sheet.yields, told)
    else:
        _put_bars(sent.sheet.bars, told, add_symbols=add_symbols)
    if told.counts[REFUSED] and not (partial or check):
        raise RowsRefused(told)
    if told.writes and not check:
        told.status = STORED
        _record(sent, told, by)
    else:
        told.status = CHECKED if check else UNCHANGED
        transaction.set_rollback(True)
    return told


def _put_yields(lines: Sequence[YieldLine], told: Uploaded) -> None:
    rows = [row for line in lines for row in line.rows]
    done = yield_sync.write(rows, until=told.as_of)
    told.quarantined = done.quarantined
    changed = {(row.session_date, row.tenor) for row in done.changed}
    reasons = {(row.session_date, row.tenor): reason for row, reason in done.refused}
    for line in lines:
        for row in line.rows:
            key = (row.session_date, row.tenor)
            place = (line.line, _COLUMNS[row.tenor])
            about: dict[str, Any] = {"symbol": row.tenor, "session_date": row.session_date}
            if key in reasons:
                told.say(_doubtful(*place, REFUSED, reasons[key], about))
            else:
                told.say(RowVerdict(*place, STORED if key in changed else UNCHANGED, **about))


def _put_bars(bars: Mapping[str, Sequence[Line]], told: Uploaded, *, add_symbols: bool) -> None:
    known = _known(bars, told, add_symbols=add_symbols)
    usable = {symbol: lines for symbol, lines in bars.items() if symbol in known}
    brought = price_import.write_bars(usable, known, told.as_of)
    stopped = {(symbol, each.session_date): each for symbol, each in brought.stopped}
    for symbol, lines in usable.items():
        for line in lines:
            key = (symbol, line.bar.session_date)
            told.say(_verdict(line, stopped.get(key), stored=key in brought.stored))
    told.quarantined = sum(not each.known for each in stopped.values())
    told.recorded = brought.recorded
    told.changed = dict(brought.changed)
    _say_of_actions(usable, brought, told)


def _known(
    bars: Mapping[str, Sequence[Line]], told: Uploaded, *, add_symbols: bool
) -> dict[str, Instrument]:
    """The instruments of the file's symbols; rows of the other symbols are refused."""
    known = instruments.by_symbols(bars)
    unknown = sorted(set(bars) - set(known))
    if unknown and add_symbols:
        told.created = universes.create_from_files(unknown)
        known |= instruments.by_symbols(told.created)
    _refuse_unknown([each for each in unknown if each not in known], bars, told, add_symbols)
    names: dict[Any, str] = {}
    for symbol in sorted(set(bars) & set(known)):
        each = known[symbol]
        other = names.setdefault(each.pk, symbol)
        if other != symbol:
            why = f"{symbol} and {other} are one instrument"
            refusal = ("same_instrument", why, "Keep the rows of one of them")
        elif each.kind == InstrumentKind.OPTION or each.pricing == Pricing.MANUAL:
            why = f"{symbol} has no closes of its own: it is valued from its terms or by hand"
            refusal = ("no_closes", why, "Leave it out")
        else:
            continue
        _refuse_symbol(symbol, bars[symbol], told, *refusal)
        del known[symbol]
    return known


def _refuse_unknown(
    unknown: Sequence[str], bars: Mapping[str, Sequence[Line]], told: Uploaded, added: bool
) -> None:
    near = instruments.near(unknown[:MOST_SPELLED])
    for symbol in unknown:
        alike = ", ".join(each.symbol for each in near.get(symbol, ()))
        hint = f", known are {alike}" if alike else ""
        remedy = "Correct it, or add what is not known yet: add_symbols, on the page a tick"
        code, why = "unknown_symbol", f"{symbol} is not known{hint}"
        if added:
            code, why, remedy = symbols.RESERVED, symbols.not_added(symbol), symbols.REMEDY
        _refuse_symbol(symbol, bars[symbol], told, code, why, remedy)


def _refuse_symbol(
    symbol: str, lines: Sequence[Line], told: Uploaded, code: str, why: str, remedy: str
) -> None:
    """One verdict for all the rows of a symbol, at the first of them."""
    more = f"; {len(lines)} rows have it" if len(lines) > 1 else ""
    first = min(lines, key=lambda line: line.line)
    verdict = RowVerdict(
        first.line,
        "symbol",
        REFUSED,
        code,
        f"{why}{more}",
        remedy,
        symbol,
        first.bar.session_date,
        len(lines),
    )
    told.say(verdict)


def _verdict(line: Line, stopped: Stopped | None, *, stored: bool) -> RowVerdict:
    about: dict[str, Any] = {"symbol": line.bar.symbol, "session_date": line.bar.session_date}
    if stopped is None:
        return RowVerdict(line.line, "close", STORED if stored else UNCHANGED, **about)
    if stopped.reason == REJECTED:
        return RowVerdict(
            line.line,
            "close",
            LEFT_OUT,
            REJECTED,
            "a person rejected this price before",
            "Send another figure if that was wrong",
            **about,
        )
    verdict = HELD if stopped.verdict == bar_gate.HELD else REFUSED
    return _doubtful(line.line, "close", verdict, stopped.reason, about)


def _doubtful(
    line: int, column: str, verdict: str, reason: str, about: Mapping[str, Any]
) -> RowVerdict:
    """A figure the gate did not let through."""
    why = f"it {quarantine.in_words(reason)}"
    held = verdict == HELD
    remedy = "Accept or reject it on the quarantine page" if held else "Correct or remove it"
    return RowVerdict(line, column, verdict, reason, why, remedy, **about)


def _say_of_actions(bars: Mapping[str, Sequence[Line]], brought: Brought, told: Uploaded) -> None:
    """The cells of splits and dividends that were refused."""
    bad = {(each["symbol"], each["kind"], each["ex_date"]): each for each in brought.unrecorded}
    for symbol, lines in bars.items():
        for line in lines:
            day = line.bar.session_date
            told_of = {"split": line.split, "dividend": line.dividend}
            for column, event in told_of.items():
                warning = bad.get((symbol, column, day.isoformat())) if event else None
                if warning is not None:
                    words = (warning["code"], f"it stands there {warning['detail']}")
                    remedy = "Empty the cell, or correct what stands there"
                    told.say(RowVerdict(line.line, column, REFUSED, *words, remedy, symbol, day))


def _bad(verdict: Verdict) -> RowVerdict:
    return RowVerdict(
        verdict.line, verdict.column, REFUSED, verdict.code, verdict.why, verdict.remedy
    )


def _errors(rows: Iterable[RowVerdict]) -> list[dict[str, str]]:
    return [
        {
            "attr": f"{each.line}.{each.column}",
            "code": each.code,
            "detail": f"Line {each.line}, {each.column}: {each.why}. {each.remedy}.",
        }
        for each in rows
    ]


def _record(sent: Sent, told: Uploaded, by: Actor) -> None:
    bars = sent.sheet.bars
    days = [line.bar.session_date for lines in bars.values() for line in lines]
    days += [row.session_date for line in sent.sheet.yields for row in line.rows]
    audit.record(
        by=by,
        action=f"{told.kind}.imported",
        object_type="price_file",
        object_id=sent.checksum,
        after={
            "file_name": told.file_name,
            "counts": told.counts,
            "symbols": sorted(bars)[:MOST_SPELLED],
            "symbols_in_all": len(bars),
            "added": told.created[:MOST_SPELLED],
            "actions": told.recorded,
            "start": min(days).isoformat() if days else None,
            "end": max(days).isoformat() if days else None,
        },
    )
