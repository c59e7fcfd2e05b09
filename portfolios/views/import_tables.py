"""Tables of the import wizard, as the table partial draws them."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.core.paginator import Page
from django.urls import reverse

from etftrader.core.pages import paged
from portfolios.calculations.csv_layout import CASH, POSITIONS, TRADES
from portfolios.choices import RowVerdict
from portfolios.models import ImportBatch, ImportRow

KINDS = {
    RowVerdict.NEW: "ok",
    RowVerdict.UPDATE: "ok",
    RowVerdict.UNCHANGED: "plain",
    RowVerdict.WARNING: "watch",
    RowVerdict.DUPLICATE: "plain",
    RowVerdict.ERROR: "bad",
}
STATUS = {"committed": "ok", "undone": "watch", "booking": "watch", "undoing": "watch"}
CELLS: dict[str, Sequence[tuple[str, str]]] = {
    POSITIONS: (
        ("ticker", "Ticker"),
        ("quantity", "Quantity"),
        ("entry_price", "Price"),
        ("entry_date", "Date"),
        ("tags", "Tags"),
    ),
    TRADES: (
        ("ticker", "Ticker"),
        ("quantity", "Quantity"),
        ("price", "Price"),
        ("trade_date", "Date"),
        ("fee", "Fee"),
    ),
    CASH: (("type", "Type"), ("amount", "Amount"), ("date", "Date"), ("reason", "Reason")),
}


def imports(rows: Iterable[ImportBatch]) -> dict[str, Any]:
    """Files brought so far."""
    return {
        "id": "imports",
        "caption": "Imports, newest first",
        "columns": [
            {"key": "file", "label": "File", "sub": "portfolio", "css": "fold"},
            {"key": "kind", "label": "Holds", "priority": "p3"},
            {"key": "at", "label": "Checked", "kind": "moment", "moment": "full", "priority": "p3"},
            {"key": "rows", "label": "Rows", "fmt": "int"},
            {"key": "errors", "label": "Errors", "fmt": "int"},
            {"key": "status", "label": "Status", "kind": "tag"},
        ],
        "rows": [
            {
                "id": row.pk,
                "url": reverse("import_detail", args=[row.pk]),
                "file": row.file_name,
                "portfolio": row.portfolio.name,
                "kind": row.kind,
                "at": row.created_at,
                "rows": row.counts.get("total", 0),
                "errors": row.counts.get("error", 0),
                "status": {"kind": STATUS.get(row.status, "plain"), "text": row.status},
            }
            for row in rows
        ],
        "empty": {"text": "No file has been imported yet. The form beside checks one first."},
    }


def import_rows(page: Page, batch: ImportBatch, query: str, *, fixable: bool) -> dict[str, Any]:
    """Rows of a file with their verdicts; each leads to where it is mended."""
    cells = CELLS[batch.kind]
    columns: list[dict[str, Any]] = [
        {"key": "line", "label": "Line", "fmt": "int"},
        {"key": "verdict", "label": "Verdict", "kind": "tag"},
    ]
    for place, (name, label) in enumerate(cells):
        columns.append({"key": name, "label": label, "priority": "p3" if place else ""})
    columns.append({"key": "said", "label": "Message", "css": "wrap"})
    if fixable:
        columns.append({"key": "act", "label": "", "kind": "actions"})
    names = [name for name, _ in cells]

    def row(each: ImportRow) -> dict[str, Any]:
        told = _row(each, batch, names)
        if fixable and each.messages:
            url = f"?{query}&page={page.number}&row={each.ordinal}#panel-fix".replace("?&", "?")
            told["act"] = [{"label": "Mend", "url": url}]
        return told

    return paged(
        page,
        key="rows",
        caption="Rows of the file with their verdicts",
        columns=columns,
        row=row,
        query=query,
        empty="No row has this verdict.",
    )


def _row(row: ImportRow, batch: ImportBatch, names: Sequence[str]) -> dict[str, Any]:
    read = row.parsed or {}
    stood = cells_of(row, batch)
    said = [f"{m['field']}: {m['detail']} {m['hint']}".strip() for m in row.messages]
    verdict = RowVerdict(row.verdict)
    return {
        "id": row.pk,
        "line": row.ordinal,
        "verdict": {"kind": KINDS[verdict], "text": verdict.value},
        **{name: read.get(name) or stood.get(name, "") for name in names},
        "said": " ".join(said),
    }


def cells_of(row: ImportRow, batch: ImportBatch) -> dict[str, str]:
    """Field to what stands in the file, or was written instead."""
    places = batch.dialect["columns"]
    stood = {name: row.raw[place] for name, place in places.items() if place < len(row.raw)}
    return stood | row.fixed
