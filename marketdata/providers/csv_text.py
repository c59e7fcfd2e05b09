"""The text of a file, line by line: unpacked, decoded, split into cells, each step with a cap."""

import csv
import gzip
import io
import os
import stat
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from django.conf import settings

from marketdata.providers.base import ProviderFailed

GZIP_MAGIC = b"\x1f\x8b"
SEPARATORS = ",;\t"
# what is sent by mistake, by how it begins
FOREIGN = (
    (b"PK\x03\x04", "a spreadsheet or an archive", "Save the sheet as CSV and send that"),
    (b"\xd0\xcf\x11\xe0", "a spreadsheet of an old kind", "Save the sheet as CSV and send that"),
    (b"%PDF", "a PDF document", "Ask its source for a CSV file"),
    (b"<", "a web page or XML", "Download the file itself; a sign-in page may have come instead"),
)

Content = Path | bytes  # a file of a folder, or what was sent


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one line cannot be used, and what would mend it. Line 1 is the header."""

    line: int
    column: str
    code: str
    why: str
    remedy: str


class FileRefused(ProviderFailed):
    """The file as a whole cannot be read; nothing after the line named was taken."""

    code = "file_refused"

    def __init__(self, verdict: Verdict) -> None:
        words = f"line {verdict.line}, {verdict.column}: {verdict.why}. {verdict.remedy}."
        super().__init__(words, code=verdict.code, line=verdict.line, column=verdict.column)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may hold; bytes are counted after unpacking."""

    max_bytes: int = 512_000_000
    rows: int = 5_000_000
    columns: int = 50
    cell: int = 4_096
    line: int = 65_536
    blank: int = 5_000_000
    larger: str = "Split the file"  # what to do with a file that holds more


def configured() -> Limits:
    """Return the limits the settings name."""
    return Limits(
        max_bytes=getattr(settings, "CSV_MAX_BYTES", 512_000_000),
        rows=getattr(settings, "CSV_MAX_ROWS", 5_000_000),
    )


def refused(line: int, column: str, code: str, why: str, remedy: str) -> FileRefused:
    """Make the refusal of a whole file."""
    return FileRefused(Verdict(line, column, code, why, remedy))


def recognise(content: Content) -> None:
    """Say what a file is that is plainly no table. Raises FileRefused with `not_a_table`."""
    with _opened(content) as raw:
        try:
            first = raw.read(64)
        except (OSError, EOFError, zlib.error):
            return  # reading it tells where
    for beginning, what, remedy in FOREIGN:
        if first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(beginning):
            why = f"this is {what}, not a CSV file"
            raise refused(1, "file", "not_a_table", why, remedy)


def rows_of(source: Content, limits: Limits) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of every line that is not blank. Raises FileRefused."""
    taken = blank = 0
    with _opened(source) as raw:
        lines = _Lines(raw, limits)
        reader = csv.reader(lines, delimiter=lines.separator(), strict=True)
        while True:
            try:
                cells = next(reader, None)
            except csv.Error as failure:
                raise refused(
                    reader.line_num,
                    "quotes",
                    "bad_quotes",
                    f"the quoting is broken ({failure})",
                    "Close every quote and quote cells that hold one",
                ) from failure
            if cells is None:
                return
            if not cells:
                blank += 1
                _judge_blank(reader.line_num, blank, limits)
                continue
            taken += 1
            _judge(reader.line_num, cells, taken, limits)
            yield reader.line_num, cells


def _judge_blank(line: int, blank: int, limits: Limits) -> None:
    if blank > limits.blank:
        why = f"there are more than {limits.blank:,} blank lines"
        raise refused(line, "file", "too_many_rows", why, "Remove them")


def _judge(line: int, cells: list[str], taken: int, limits: Limits) -> None:
    if taken > limits.rows + 1:
        why = f"there are more than {limits.rows:,} rows"
        raise refused(line, "file", "too_many_rows", why, limits.larger)
    if len(cells) > limits.columns:
        why = f"there are more than {limits.columns} columns"
        raise refused(line, "row", "too_many_columns", why, "Write one line a symbol and day")
    if any(len(cell) > limits.cell for cell in cells):
        why = f"a cell is longer than {limits.cell:,} characters"
        raise refused(line, "cell", "cell_too_large", why, "Shorten it")


def _opened(source: Content) -> "IO[bytes] | _Unzipped":
    """Open what was given, through gzip when its first bytes say so."""
    raw = io.BytesIO(source) if isinstance(source, bytes) else _regular(source)
    if raw.read(2) != GZIP_MAGIC:
        raw.seek(0)
        return raw
    raw.seek(0)
    return _Unzipped(raw)


def _regular(path: Path) -> IO[bytes]:
    """Open a regular file, no link and no pipe."""
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as failure:
        why = f"{path.name} cannot be opened"
        raise refused(0, "file", "unreadable_file", why, "Check its rights") from failure
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        why = f"{path.name} is no regular file"
        raise refused(0, "file", "unreadable_file", why, "Put the file itself there")
    return os.fdopen(number, "rb")


class _Unzipped(gzip.GzipFile):
    """A gzip file that closes what it was given."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw_file = raw
        super().__init__(fileobj=raw, mode="rb")

    def close(self) -> None:
        super().close()
        self._raw_file.close()


class _Lines:
    """Decoded lines of a file, each one and all together below their caps."""

    def __init__(self, raw: "IO[bytes] | _Unzipped", limits: Limits) -> None:
        self._raw, self._limits = raw, limits
        self._number = self._taken = 0
        self._first: str | None = self._next()

    def separator(self) -> str:
        """Return what separates the columns of the header: comma, semicolon or tab."""
        return max(SEPARATORS, key=(self._first or "").count)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._first if self._number == 1 and self._first is not None else self._next()
        self._first = None
        if not line:
            raise StopIteration
        return line

    def _next(self) -> str:
        self._number += 1
        try:
            raw = self._raw.readline(self._limits.line)
        except (OSError, EOFError, zlib.error) as failure:
            why = "the packed file is damaged or cut off here"
            raise self._refused("bad_gzip", why, "Pack it again") from failure
        self._taken += len(raw)
        if self._taken > self._limits.max_bytes:
            why = f"the file is larger than {self._limits.max_bytes:,} bytes unpacked"
            raise self._refused("file_too_large", why, self._limits.larger)
        if len(raw) >= self._limits.line and not raw.endswith(b"\n"):
            why = f"the line is longer than {self._limits.line:,} bytes"
            raise self._refused("line_too_long", why, "End lines with a line feed")
        try:
            text = raw.decode("utf-8-sig" if self._number == 1 else "utf-8")
        except UnicodeDecodeError as failure:
            why = f"byte {failure.start + 1} is not UTF-8"
            raise self._refused("bad_encoding", why, "Save the file as UTF-8") from failure
        if "\x00" in text:
            why = "a control character stands here"
            raise self._refused("bad_encoding", why, "Save the file as text")
        return text

    def _refused(self, code: str, why: str, remedy: str) -> FileRefused:
        return refused(self._number, "line", code, why, remedy)
