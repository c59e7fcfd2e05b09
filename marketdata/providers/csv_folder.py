"""A folder of long files as a source of prices and yields, and what changed in it since a look."""

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

from marketdata.providers import csv_files
from marketdata.providers.base import (
    BarRow,
    DividendRow,
    Failure,
    InstrumentRow,
    ProviderFailed,
    SplitRow,
    SymbolHistory,
    YieldRow,
)
from marketdata.providers.csv_text import FileRefused, Limits, Verdict

ENDINGS = (".csv", ".csv.gz")
PIECE = 1024 * 1024
MOST_FILES = 10_000
LONGEST_BREAK = timedelta(days=10)  # a close before it is not the previous one
MOST_VERDICTS = 1_000  # kept a file: enough to mend its export

Told = TypeVar("Told", csv_files.Line, csv_files.YieldLine)


@dataclass(frozen=True, slots=True)
class FileState:
    """One file as it was seen; `checksum` is SHA-256 of its bytes."""

    name: str
    size: int
    mtime_ns: int
    checksum: str


@dataclass(frozen=True, slots=True)
class Changes:
    """What a folder holds against what was known; `state` is what to know next time."""

    new: tuple[str, ...]
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    state: Mapping[str, FileState]


class CsvProvider:
    """Prices and yields of every file in one folder; nothing after `until` exists here.

    A file without a column `symbol` is named after its symbol: SPY.csv, ^VIX.csv.gz. The verdicts
    of the last reading stand in `verdicts`, the first thousand a file; a refused file fails alone.
    """

    name = csv_files.NAME

    def __init__(self, *, folder: Path, until: date, limits: Limits | None = None) -> None:
        self._folder, self._until, self._limits = folder, until, limits
        self.verdicts: dict[str, list[Verdict]] = {}

    def instruments(self) -> list[InstrumentRow]:
        """The files name symbols and describe nothing."""
        return []

    def symbols(self) -> list[str]:
        """Every symbol that has a usable row, in order."""
        return sorted({line.bar.symbol for line in self._prices()})

    def last_session(self) -> date:
        """The newest day with a price that can be held; levels alone make no session.

        Raises ProviderFailed when there is none.
        """
        traded, levels = date.min, date.min
        for line in self._prices():
            if line.bar.symbol.startswith("^"):
                levels = max(levels, line.bar.session_date)
            else:
                traded = max(traded, line.bar.session_date)
        newest = levels if traded == date.min else traded
        if newest == date.min:
            raise ProviderFailed("the folder has no usable price", code="empty_answer")
        return newest

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """One answer for each symbol, its rows by day; where files overlap, the first wins."""
        wanted = dict.fromkeys(symbols)
        lines: dict[str, dict[date, csv_files.Line]] = {symbol: {} for symbol in wanted}
        anchors: dict[str, BarRow] = {}
        for line in self._prices():
            symbol, day = line.bar.symbol, line.bar.session_date
            if symbol not in lines:
                continue
            if start <= day <= end:
                lines[symbol].setdefault(day, line)
            elif day < start and (symbol not in anchors or anchors[symbol].session_date < day):
                anchors[symbol] = line.bar
        for symbol in wanted:
            found = [lines[symbol][day] for day in sorted(lines[symbol])]
            yield _history(symbol, found, anchors.get(symbol))

    def ends(self, session_date: date) -> tuple[dict[str, float], dict[str, float]]:
        """Previous close and close of one session, of the symbols that have both.

        Both in the shares of the session. Raises ProviderFailed when no symbol has both.
        """
        previous: dict[str, float] = {}
        close: dict[str, float] = {}
        first = session_date - LONGEST_BREAK
        for answer in self.histories(self.symbols(), first, session_date):
            if len(answer.bars) < 2 or answer.bars[-1].session_date != session_date:
                continue
            split = [each.ratio for each in answer.splits if each.ex_date == session_date]
            previous[answer.symbol] = answer.bars[-2].close / (split[0] if split else 1.0)
            close[answer.symbol] = answer.bars[-1].close
        if not close:
            raise ProviderFailed("no such session", session_date=session_date.isoformat())
        return previous, close

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """Bars of the symbols that have any, by symbol, then day."""
        for answer in self.histories(symbols, start, end):
            yield from answer.bars

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """Yields by day, then tenor; where files overlap, the first wins."""
        found: dict[tuple[date, str], YieldRow] = {}
        for path in self._files("yields"):
            for line in self._told(
                path, csv_files.yields(path, until=self._until, limits=self._limits)
            ):
                for row in line.rows:
                    if start <= row.session_date <= end:
                        found.setdefault((row.session_date, row.tenor), row)
        order = list(csv_files.TENORS.values())
        yield from sorted(
            found.values(), key=lambda row: (row.session_date, order.index(row.tenor))
        )

    def _prices(self) -> Iterator[csv_files.Line]:
        for path in self._files("bars"):
            symbol = path.name.split(".csv")[0].upper()
            lines = csv_files.bars(path, symbol=symbol, until=self._until, limits=self._limits)
            yield from self._told(path, lines)

    def _files(self, kind: str) -> list[Path]:
        self.verdicts = {}
        found = []
        for name in listed(self._folder):
            path = self._folder / name
            try:
                if csv_files.kind_of(path, self._limits) == kind:
                    found.append(path)
            except FileRefused as refusal:
                self.verdicts[name] = [refusal.verdict]
        return found

    def _told(self, path: Path, lines: Iterable[Told | Verdict]) -> Iterator[Told]:
        """The good lines of one file; what is said of the others is kept."""
        said = self.verdicts.setdefault(path.name, [])
        try:
            for line in lines:
                if not isinstance(line, Verdict):
                    yield line
                elif len(said) < MOST_VERDICTS:
                    said.append(line)
        except FileRefused as refusal:
            said.append(refusal.verdict)


def newest_day(folder: Path) -> date:
    """Return the last day the folder has prices of; read again only when a file changed.

    Raises ProviderFailed.
    """
    return _newest_day(folder, tuple(_stamp(folder / name) for name in listed(folder)))


@lru_cache(maxsize=4)
def _newest_day(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> date:
    return CsvProvider(folder=folder, until=date.max).last_session()


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        told = path.stat(follow_symlinks=False)
    except OSError:
        return path.name, 0, 0
    return path.name, told.st_size, told.st_mtime_ns


def look(folder: Path, known: Mapping[str, FileState]) -> Changes:
    """Return what is new, changed or gone in a folder. Writes nothing, remembers nothing.

    A file of the same size and time is not read again; one that was only touched is not changed.
    """
    state: dict[str, FileState] = {}
    for name in listed(folder):
        seen = _state(folder / name, known.get(name))
        if seen is not None:
            state[name] = seen
    return compare(state, known)


def compare(state: Mapping[str, FileState], known: Mapping[str, FileState]) -> Changes:
    """Return the difference of two looks at a folder, by content."""
    return Changes(
        new=tuple(sorted(state.keys() - known.keys())),
        changed=tuple(
            sorted(
                name
                for name in state.keys() & known.keys()
                if state[name].checksum != known[name].checksum
            )
        ),
        gone=tuple(sorted(known.keys() - state.keys())),
        state=dict(state),
    )


def listed(folder: Path) -> list[str]:
    """Return the names of the CSV files in a folder, in order. Raises ProviderFailed."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(
                entry.name
                for entry in entries
                if entry.name.lower().endswith(ENDINGS)
                and not entry.name.startswith(".")
                and entry.is_file(follow_symlinks=False)
            )
    except OSError as failure:
        raise ProviderFailed(
            "the folder of CSV files cannot be read; check CSV_FOLDER and its rights"
        ) from failure
    if len(names) > MOST_FILES:
        raise ProviderFailed(f"the folder holds more than {MOST_FILES:,} CSV files")
    return names


def _state(path: Path, before: FileState | None) -> FileState | None:
    """Read the state of one file; None when it went away or is no regular file."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    told = os.fstat(number)
    if not stat.S_ISREG(told.st_mode):
        os.close(number)
        return None
    with os.fdopen(number, "rb") as raw:
        if before and (before.size, before.mtime_ns) == (told.st_size, told.st_mtime_ns):
            return before
        digest = hashlib.sha256()
        while piece := raw.read(PIECE):
            digest.update(piece)
    return FileState(path.name, told.st_size, told.st_mtime_ns, digest.hexdigest())


def _history(symbol: str, lines: Sequence[csv_files.Line], anchor: BarRow | None) -> SymbolHistory:
    if not lines:
        words = "no file has a usable row of this symbol in the time asked for"
        return SymbolHistory(symbol, failure=Failure(symbol, "provider_not_found", words))
    dividends: list[DividendRow] = [line.dividend for line in lines if line.dividend]
    splits: list[SplitRow] = [line.split for line in lines if line.split]
    bars = tuple(line.bar for line in lines)
    return SymbolHistory(symbol, bars, tuple(dividends), tuple(splits), anchor=anchor)
