"""Lists as files: `?format=csv` or `xlsx` gives every row of the filtered list, in one table."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import transaction
from django.http import HttpResponse

from etftrader.core import audit, tables, workbooks
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput

JSON, CSV, XLSX = "json", "csv", "xlsx"
FORMATS = (JSON, CSV, XLSX)
TYPES = {CSV: "text/csv; charset=utf-8", XLSX: workbooks.TYPE}
MAX_ROWS, PART = 100_000, 1_000
# leading zeros are part of a name, and more digits than a float holds stay text
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,8})?")
Tell = Callable[[Sequence[Any]], Iterable[Mapping[str, Any]]]


def asked(request: Any) -> str:
    """The format a list was asked for; JSON without a word. Raises BadInput."""
    text = request.query_params.get("format", JSON)
    if text not in FORMATS:
        raise BadInput("A list comes as json, csv or xlsx.", attr="format")
    return text


def answer(*, rows: Any, tell: Tell, by: Actor, path: str, kind: str) -> HttpResponse:
    """A file of every row, and a line of the audit that it was taken.

    Parameters
    ----------
    rows : QuerySet or list
        Filtered and ordered.
    tell : callable
        Documents of a part of the rows, in order.
    by : Actor
    path : str
        Of the list; the file is named by it.
    kind : str
        CSV or XLSX.

    Raises
    ------
    BadInput
        More rows than a file holds: filters are the way out.
    """
    found = [flat(each) for part in _parts(rows) for each in tell(part)]
    header = list(dict.fromkeys(name for each in found for name in each))
    body = [[each.get(name) for name in header] for each in found]
    name = "-".join(word for word in path.strip("/").split("/")[2:] if "-" not in word[8:9])
    data = (
        tables.write(header, body)
        if kind == CSV
        else workbooks.write(header, body, title=name or "list")
    )
    with transaction.atomic():
        audit.record(
            by=by,
            action="export.list",
            object_type="list",
            object_id=name[:64] or "list",
            after={"path": path, "format": kind, "rows": len(body), "bytes": len(data)},
        )
    response = HttpResponse(data, content_type=TYPES[kind])
    response["Content-Disposition"] = f'attachment; filename="{name or "list"}.{kind}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A document as one row: members of members are `a.b`, lists of words `x;y`."""
    row: dict[str, Any] = {}
    for name, value in document.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping):
            row |= flat(value, f"{key}.")
        else:
            row[key] = _scalar(value)
    return row


def _scalar(value: Any) -> Any:
    if isinstance(value, str):
        return Decimal(value) if _NUMBER.fullmatch(value) else value
    if isinstance(value, list | tuple):
        if all(isinstance(each, str) for each in value):
            return ";".join(value)
        return json.dumps(value, default=str, ensure_ascii=False)
    return value


def _parts(rows: Any) -> Iterator[Sequence[Any]]:
    """The rows in parts, so that what belongs to them is read a few queries a part."""
    total = rows.count() if hasattr(rows, "order_by") else len(rows)
    if total > MAX_ROWS:
        raise BadInput(
            f"A file holds {MAX_ROWS:,} rows and this list has {total:,}: narrow it by filters.",
            attr="format",
            code="too_many_rows",
        )
    if not hasattr(rows, "order_by"):
        source = iter(rows)
        while part := list(islice(source, PART)):
            yield part
        return
    for start in range(0, total, PART):
        yield list(rows[start : start + PART])
