"""Which column of a file is which field: the header found, its names understood, or mapped."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from etftrader.core.errors import BadInput

POSITIONS, TRADES, CASH, PRICES = "positions", "trades", "cash", "prices"
HEADER_WITHIN = 20  # lines in which a header is looked for
SAMPLES = 3  # values shown of a column

# three digits behind a comma could be thousands as well: they decide nothing
_COMMA_NUMBER = re.compile(r"[+-]?[0-9]{1,12},([0-9]{1,2}|[0-9]{4,8})\Z")
_POINT_NUMBER = re.compile(r"[+-]?[0-9]{1,12}\.[0-9]{1,8}\Z")


_YIELD = re.compile(r"dgs[0-9]{1,2}(mo)?\Z")
_HELD = {"quantity", "qty", "shares", "amount"}


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of one kind of file, and which of them are amounts."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    amounts: tuple[str, ...]

    @property
    def fields(self) -> tuple[str, ...]:
        """All of them, what is required first."""
        return self.required + self.optional


SHAPES = {
    POSITIONS: Shape(
        ("ticker", "quantity", "entry_price", "entry_date"),
        ("tags", "position_type", "currency", "cost_basis", "account", "fee", "cash"),
        ("quantity", "entry_price", "cost_basis"),
    ),
    TRADES: Shape(
        ("ticker", "quantity", "price", "trade_date"),
        (
            *("side", "fee", "executed_at", "tags", "currency", "reference", "account"),
            *("reverses", "reversed_by"),
        ),
        ("quantity", "price", "fee"),
    ),
    CASH: Shape(
        ("date", "type", "amount"),
        ("reason", "ticker", "currency", "reference", "account"),
        ("amount",),
    ),
}
# kind, spelling, field; the table that people edit begins with these
ALIASES = (
    (POSITIONS, "symbol", "ticker"),
    (POSITIONS, "qty", "quantity"),
    (POSITIONS, "shares", "quantity"),
    (POSITIONS, "price", "entry_price"),
    (POSITIONS, "cost", "entry_price"),
    (POSITIONS, "trade date", "entry_date"),
    (POSITIONS, "date", "entry_date"),
    (POSITIONS, "strategy", "tags"),
    (POSITIONS, "type", "position_type"),
    (TRADES, "symbol", "ticker"),
    (TRADES, "qty", "quantity"),
    (TRADES, "shares", "quantity"),
    (TRADES, "trade price", "price"),
    (TRADES, "date", "trade_date"),
    (TRADES, "action", "side"),
    (TRADES, "type", "side"),
    (TRADES, "commission", "fee"),
    (TRADES, "fees", "fee"),
    (TRADES, "strategy", "tags"),
    (TRADES, "order id", "reference"),
    (TRADES, "id", "reference"),
    (TRADES, "session date", "trade_date"),
    (TRADES, "time", "executed_at"),
    (TRADES, "trade time", "executed_at"),
    (CASH, "value date", "date"),
    (CASH, "transaction type", "type"),
    (CASH, "value", "amount"),
    (CASH, "description", "reason"),
    (CASH, "symbol", "ticker"),
    (CASH, "transaction id", "reference"),
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a file's header stands, and the column of each field that was found in it."""

    head: int
    columns: Mapping[str, int]
    missing: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()


def aliases_of(kind: str) -> dict[str, str]:
    """The spellings of a kind that the house knows from the start."""
    return {alias: field for each, alias, field in ALIASES if each == kind}


def normal(cell: str) -> str:
    """A column's name as it is compared: lower case, one blank between words."""
    return " ".join(cell.strip().strip("'").lower().replace("_", " ").split())


def print_of(cells: Sequence[str]) -> str:
    """The same header has the same text, whatever stands below it."""
    return hashlib.sha256("|".join(normal(cell) for cell in cells).encode()).hexdigest()


def find(
    lines: Sequence[Sequence[str]],
    kind: str,
    aliases: Mapping[str, str],
    remembered: Mapping[str, Mapping[str, int]] | None = None,
) -> Layout:
    """Find the header among the first lines, and the column of each field.

    Parameters
    ----------
    lines : sequence of sequences of str
        Cells of the file's first records.
    kind : str
        positions, trades or cash.
    aliases : mapping of str to str
        Normalised spelling to field.
    remembered : mapping, optional
        Header print to columns, as a person chose them before; these win.

    Returns
    -------
    Layout
        `missing` names the required fields without a column, `twice` those with two.
    """
    shape, best = SHAPES[kind], None
    for index, cells in enumerate(lines[:HEADER_WITHIN]):
        kept = (remembered or {}).get(print_of(cells))
        if kept and all(place < len(cells) for place in kept.values()):
            return Layout(index, dict(kept), _missing(kept, shape))
        columns = _columns(cells, shape, aliases)
        if best is None or len(_required(columns, shape)) > len(_required(best[1], shape)):
            best = index, columns
    index, columns = best or (0, {})
    if not _required(columns, shape):
        wide = (place for place, cells in enumerate(lines[:HEADER_WITHIN]) if _fits(cells, shape))
        index = next(wide, index)
    cells = lines[index] if lines else ()
    twice = tuple(name for name in shape.required if _stands_twice(name, cells, aliases))
    return Layout(index, columns, _missing(columns, shape), twice)


def holds_prices(lines: Sequence[Sequence[str]]) -> bool:
    """Whether one of a file's first lines names dates and closes or yields, and nothing held."""
    for cells in lines[:HEADER_WITHIN]:
        names = {normal(cell) for cell in cells}
        quoted = "close" in names or any(_YIELD.match(each) for each in names)
        if "date" in names and quoted and not names & _HELD:
            return True
    return False


def refuse_missing(layout: Layout, kind: str, header: Sequence[str]) -> None:
    """Raise BadInput that names the columns a file lacks, or has twice, and those it has."""
    if layout.twice:
        raise BadInput(
            f"The column {layout.twice[0]} stands there twice.",
            attr="file",
            code="duplicate_column",
            hint="Take one of them out, or say in columns which one is meant.",
        )
    if not layout.missing:
        return
    raise BadInput(
        f"The file has no column {', '.join(layout.missing)}.",
        attr="file",
        code="missing_columns",
        missing=list(layout.missing),
        header=[cell.strip()[:60] for cell in header],
        hint=f"The first line should read {','.join(SHAPES[kind].required)}.",
    )


def mapped(given: Mapping[str, int | str], header: Sequence[str], kind: str) -> dict[str, int]:
    """Read a mapping that a person chose.

    Parameters
    ----------
    given : mapping of field to column
        A column's name as it stands in the header, or its place from 0.

    Raises
    ------
    BadInput
        Of an unknown field or column, a column used twice, or a required field without one.
    """
    shape, names = SHAPES[kind], [normal(cell) for cell in header]
    columns: dict[str, int] = {}
    for name, column in given.items():
        if name not in shape.fields:
            raise BadInput(
                f"{name[:40]} is no field of {kind}: {', '.join(shape.fields)}.", attr="columns"
            )
        columns[name] = _place(column, names)
    places = list(columns.values())
    if len(set(places)) < len(places):
        raise BadInput("One column cannot be two fields.", attr="columns", code="column_twice")
    missing = _missing(columns, shape)
    if missing:
        raise BadInput(
            f"Choose a column for {', '.join(missing)}.",
            attr="columns",
            code="missing_columns",
            missing=list(missing),
        )
    return columns


def _place(column: int | str, names: Sequence[str]) -> int:
    if isinstance(column, str):
        if names.count(normal(column)) != 1:
            raise BadInput(
                f'"{column[:60]}" is not one column of the header; give its place from 0.',
                attr="columns",
                code="unknown_column",
            )
        return names.index(normal(column))
    if isinstance(column, bool) or not 0 <= column < len(names):
        raise BadInput(
            f"Columns are numbered 0 to {len(names) - 1}.", attr="columns", code="unknown_column"
        )
    return column


def has_decimal_comma(
    lines: Sequence[Sequence[str]], columns: Mapping[str, int], kind: str
) -> bool:
    """Whether amounts are written 12,50: some clearly are, and none is written 12.50."""
    places = [columns[name] for name in SHAPES[kind].amounts if name in columns]
    found = False
    for line in lines:
        for place in places:
            cell = line[place].strip() if place < len(line) else ""
            if _POINT_NUMBER.match(cell):
                return False
            found = found or bool(_COMMA_NUMBER.match(cell))
    return found


def _required(columns: Mapping[str, int], shape: Shape) -> set[str]:
    return columns.keys() & set(shape.required)


def _missing(columns: Mapping[str, int], shape: Shape) -> tuple[str, ...]:
    return tuple(name for name in shape.required if name not in columns)


def _stands_twice(name: str, cells: Sequence[str], aliases: Mapping[str, str]) -> bool:
    """Whether several columns could be it, and not exactly one bears its own name."""
    own = sum(normal(cell) == name.replace("_", " ") for cell in cells)
    return own != 1 and sum(_field(cell, aliases) == name for cell in cells) > 1


def _fits(cells: Sequence[str], shape: Shape) -> bool:
    return sum(bool(cell.strip()) for cell in cells) >= len(shape.required)


def _columns(cells: Sequence[str], shape: Shape, aliases: Mapping[str, str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for place, cell in enumerate(cells):
        name = _field(cell, aliases)
        # the field's own name wins over a spelling further left
        if name in shape.fields and (name not in found or normal(cell) == name.replace("_", " ")):
            found[name] = place
    return found


def _field(cell: str, aliases: Mapping[str, str]) -> str:
    name = normal(cell)
    return aliases.get(name, name.replace(" ", "_"))
