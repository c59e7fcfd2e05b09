"""What a document says, whatever it is written as: figures, tables and charts in their order."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

AT_A_CLOSE = "positions"  # the kind that tells of no stretch of time
Value = str | int | float | Decimal | date | datetime | bool | None


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure with the format pages use for it; None with its reason."""

    label: str
    value: Value
    fmt: str = "text"
    note: str = ""  # how it was made, or why it is missing

    @property
    def is_change(self) -> bool:
        """Whether it is a gain or a loss, and coloured as one."""
        return self.fmt.startswith("signed")


@dataclass(frozen=True, slots=True)
class Figures:
    """A strip of figures."""

    title: str
    items: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table; `fmt` is that of pages, empty for text."""

    name: str
    fmt: str = ""
    sheet: bool = False  # in files of cells alone: a page has no room for it

    @property
    def is_number(self) -> bool:
        """Whether its cells stand right and are numbers in a spreadsheet."""
        return bool(self.fmt) and not self.fmt.startswith(("text", "date"))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under columns; `total` is a last row of the same width."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Sequence[Value], ...]
    note: str = ""
    total: Sequence[Value] | None = None
    empty: str = "There is none."

    @property
    def on_paper(self) -> "Table":
        """Without the columns that stand in files of cells alone."""
        places = [place for place, each in enumerate(self.columns) if not each.sheet]

        def kept(cells: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(cells[place] for place in places)

        total = None if self.total is None else kept(self.total)
        rows = tuple(kept(cells) for cells in self.rows)
        return replace(self, columns=kept(self.columns), rows=rows, total=total)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None where nothing is known."""

    name: str
    values: tuple[float | None, ...]
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over sessions; an area hangs from zero."""

    title: str
    conclusion: str  # what it shows, in a sentence
    days: tuple[date, ...]
    lines: tuple[Line, ...]
    fmt: str = "ratio2"
    area: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """Months under years, a value in each cell; None where the book was not held."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[float | None, ...]], ...]
    fmt: str = "signed:pct1"
    note: str = ""


Block = Figures | Table | Chart | Grid


@dataclass(frozen=True, slots=True)
class Document:
    """A document about one portfolio at one close."""

    kind: str
    title: str
    portfolio: str
    portfolio_id: str
    currency: str
    as_of: datetime  # of the close its figures are of
    start: date | None
    end: date
    source: str  # of its prices, in words
    blocks: tuple[Block, ...]
    notes: tuple[str, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)  # with which it can be made again

    @property
    def facts(self) -> tuple[str, ...]:
        """The line below the title."""
        first = "At the close of " if self.kind == AT_A_CLOSE else "Since opening, to "
        if self.start:
            first = f"{self.start:%-d %b %Y} to "
        return (f"{first}{self.end:%-d %b %Y}", self.currency, self.source)
