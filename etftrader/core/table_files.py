"""Tables of pages as files: every row of the present filter, in the columns on screen."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db import transaction
from django.http import HttpRequest, HttpResponse

from etftrader.core import audit, tables, workbooks
from etftrader.core.actor import Actor
from etftrader.core.api import limits
from etftrader.core.errors import BadInput, DomainError, NotFound
from etftrader.core.formats import number

CSV, XLSX, JSON = "csv", "xlsx", "json"
AGAIN = "import"  # CSV in the columns an import reads
LABELS = {CSV: "CSV", XLSX: "XLSX", JSON: "JSON"}
TYPES = {
    CSV: "text/csv; charset=utf-8",
    AGAIN: "text/csv; charset=utf-8",
    XLSX: workbooks.TYPE,
    JSON: "application/json",
}
EXPORT, FORMAT, PAGE = "export", "format", "page"
MAX_ROWS = tables.MAX_ROWS
_ACTS = ("actions", "template")  # without a label they hold buttons, no figures
_SAYS = ("text", "value", "level", "words", "name")  # where a cell of several keeps its word


class TooOften(DomainError):
    """More files a minute than are made for a person."""

    code, status = "throttled", 429


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a file."""

    key: str
    label: str
    fmt: str
    read: Callable[[Mapping[str, Any]], Any]


def wanted(request: HttpRequest) -> str:
    """Id of the table an address asks for as a file; empty for a page."""
    return request.GET.get(EXPORT, "")[:64] if request.method == "GET" else ""


def at_most(request: HttpRequest, usual: int) -> int:
    """How many rows a table draws: a page's worth, or all a file holds."""
    return MAX_ROWS if wanted(request) else usual


def page_of(request: HttpRequest, rows: Any, size: int, *, count: int | None = None) -> Page:
    """The page of rows an address asks for; of a file the one page that has them all.

    Parameters
    ----------
    request : HttpRequest
    rows : QuerySet or list
    size : int
        Rows a page.
    count : int, optional
        How many there are, where that is known.

    Raises
    ------
    BadInput
        A file of more than 100,000 rows: a filter is the way out.
    """
    paginator = Paginator(rows, at_most(request, size))
    if count is not None:
        paginator.count = count
    if wanted(request):
        _check(paginator.count)
        return paginator.get_page(1)
    return paginator.get_page(request.GET.get(PAGE))


def menu(request: HttpRequest, table: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the export menu of a table offers; nothing where there is no row to take along."""
    if request.method != "GET" or not table.get("rows") or not table.get("id"):
        return []
    kept = [
        (name, value)
        for name, values in request.GET.lists()
        for value in values
        if name not in (EXPORT, FORMAT, PAGE)
    ]
    formats = [*LABELS.items(), *([(AGAIN, "CSV to import")] if table.get("again") else [])]
    return [
        {
            "label": label,
            "url": "?" + urlencode([*kept, (EXPORT, table["id"]), (FORMAT, kind)]),
            "download": True,
        }
        for kind, label in formats
    ]


def answer(request: HttpRequest, context: Mapping[str, Any]) -> HttpResponse:
    """The file of the table an address names, and a line of the audit that it was taken.

    Raises
    ------
    NotFound
        The page has no such table.
    BadInput
        An unknown format, or more rows than a file holds.
    TooOften
        Ten files a minute were made for this person.
    """
    actor, table = Actor.of(request), find(context, wanted(request))
    kind = request.GET.get(FORMAT, CSV)
    if table is None or (kind == AGAIN and not table.get("again")):
        raise NotFound("This page has no such table.")
    if kind not in TYPES:
        raise BadInput("A table comes as csv, xlsx or json.", attr=FORMAT)
    standing = limits.count(f"user:{actor.user_id}", EXPORT)
    if not standing.allowed:
        raise TooOften(
            "Ten files a minute are made for a person: try again in a moment.",
            retry_after=max(1, round(standing.wait_s)),
        )
    data, count = _written(table, kind)
    with transaction.atomic():
        audit.record(
            by=actor,
            action="export.table",
            object_type="table",
            object_id=str(table["id"])[:64],
            after={"path": request.path, "format": kind, "rows": count, "bytes": len(data)},
        )
    response = HttpResponse(data, content_type=TYPES[kind])
    name = _file_name(table, request.GET.get("as_of", ""), CSV if kind == AGAIN else kind)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    response["Cache-Control"] = "no-store"
    return response


def find(context: Any, table_id: str) -> Mapping[str, Any] | None:
    """The table of that id among what a page shows; None where there is none."""
    if isinstance(context, Mapping):
        if context.get("id") == table_id and "columns" in context and "rows" in context:
            return context
        inner: Iterable[Any] = context.values()
    elif isinstance(context, list | tuple):
        inner = context
    else:
        return None
    return next((got for each in inner if (got := find(each, table_id)) is not None), None)


def columns(table: Mapping[str, Any]) -> list[Column]:
    """The columns of a table that say something, each under a name of its own."""
    found: list[Column] = []
    for each in table["columns"]:
        key, label, kind = each["key"], each.get("label", ""), each.get("kind", "")
        if kind == "actions" or (kind in _ACTS and not label):
            continue
        parts = each.get("parts")  # a cell of several words is a column for each
        if parts:
            found += [Column(f"{key}.{name}", told, "", _part(key, name)) for name, told in parts]
        else:
            found.append(Column(key, label or _words(key), each.get("fmt", ""), _cell(key)))
        sub = each.get("sub", "")
        if sub and any(row.get(sub) for row in table["rows"]):
            found.append(Column(sub, _words(sub), "", _cell(sub)))
    for key, label in table.get("beside", ()):  # what the page says in words
        found.append(Column(key, label, "", _cell(key)))
    if any(row.get("group") for row in table["rows"]):
        found.append(Column("group", "Group", "", _cell("group")))
    return _named_apart(found)


def lines(table: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Its rows; sums of others are none."""
    return (row for row in table["rows"] if row.get("css") != "total")


def _written(table: Mapping[str, Any], kind: str) -> tuple[bytes, int]:
    if kind == AGAIN:
        names = table["again"]
        rows = [row["again"] for row in lines(table) if row.get("again")]
        rows.reverse()  # pages show the newest first, an import books in the file's order
        return tables.write(names, [[each.get(name) for name in names] for each in rows]), len(rows)
    shown = [*columns(table), *(_missing(table) if kind == CSV else ())]
    found = list(lines(table))
    _check(len(found))
    if kind == JSON:
        return _document(table, shown, found), len(found)
    head = [each.label for each in shown]
    body = ([_plain(each.read(row), each.fmt) for each in shown] for row in found)
    if kind == XLSX:
        return workbooks.write(head, body, title=str(table.get("caption", ""))), len(found)
    return tables.write(head, body), len(found)


def _missing(table: Mapping[str, Any]) -> list[Column]:
    """What an import reads and the columns on screen do not say, under the import's own names."""
    told = {each.label.lower() for each in columns(table)}
    names = [name for name in table.get("again", ()) if _words(name).lower() not in told]
    return [Column(f"again.{name}", _words(name), "", _part("again", name)) for name in names]


def _document(
    table: Mapping[str, Any], shown: Sequence[Column], found: Sequence[Mapping[str, Any]]
) -> bytes:
    """Amounts as text, what is missing as null with its reason beside."""

    def told(row: Mapping[str, Any]) -> dict[str, Any]:
        values = {each.key: _plain(each.read(row), each.fmt) for each in shown}
        reasons = {
            f"{key}_reason": str(row[f"{key}_reason"])
            for key, value in values.items()
            if value is None and row.get(f"{key}_reason")
        }
        return values | reasons

    document = {
        "table": str(table.get("caption", "")),
        "columns": [{"key": each.key, "label": each.label} for each in shown],
        "rows": [told(row) for row in found],
    }
    return json.dumps(document, default=_said, ensure_ascii=False, allow_nan=False).encode()


def _said(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")
    return value.isoformat() if isinstance(value, date) else str(value)


def _check(count: int) -> None:
    if count > MAX_ROWS:
        raise BadInput(
            f"A file holds {MAX_ROWS:,} rows and this table has {count:,}: narrow it by filters.",
            attr=FORMAT,
            code="too_many_rows",
        )


def _cell(key: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: row.get(key)


def _part(key: str, name: str) -> Callable[[Mapping[str, Any]], Any]:
    return lambda row: (row.get(key) or {}).get(name)


def _plain(value: Any, fmt: str) -> Any:
    """A cell as a number, a moment or a text; None for what says nothing."""
    if isinstance(value, Mapping):
        value = next((value[name] for name in _SAYS if name in value), None)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if value is None or isinstance(value, bool | int | date | datetime):
        return value
    if isinstance(value, float | Decimal):
        return value if number(value) is not None else None
    if isinstance(value, list | tuple):
        return ";".join(str(each) for each in value) or None
    text = str(value)
    if fmt and fmt != "text" and not fmt.startswith("et"):
        return number(text)
    return text if text.strip() else None


def _words(key: str) -> str:
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


def _named_apart(found: Sequence[Column]) -> list[Column]:
    seen: set[str] = set()
    told: list[Column] = []
    for each in found:
        label = each.label if each.label not in seen else f"{each.label} ({each.key})"
        seen.add(label)
        told.append(Column(each.key, label, each.fmt, each.read))
    return told


def _file_name(table: Mapping[str, Any], as_of: str, ending: str) -> str:
    name = str(table["id"]).removesuffix("-table")
    day = f"-{as_of}" if len(as_of) == 10 and as_of.replace("-", "").isdigit() else ""
    return f"{name}{day}.{ending}"
