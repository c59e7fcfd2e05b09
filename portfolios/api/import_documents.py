"""Imports on the wire: the file, its columns, its rows; and files that are downloaded."""

from collections.abc import Sequence
from typing import Any

from django.http import HttpResponse

from etftrader.core.api.fields import moment as told
from portfolios.calculations.csv_layout import SHAPES
from portfolios.models import ImportBatch, ImportRow

BASE = "/api/v1"
DIALECT = ("encoding", "delimiter", "header_line", "decimal_comma")


def import_batch(row: ImportBatch) -> dict[str, Any]:
    """An import."""
    result = row.result or {}
    url = f"{BASE}/imports/{row.pk}"
    return {
        "id": str(row.pk),
        "url": url,
        "portfolio": str(row.portfolio_id),
        "kind": row.kind,
        "file_name": row.file_name,
        "file_hash": row.file_hash,
        "dialect": {name: row.dialect.get(name) for name in DIALECT},
        "status": row.status,
        "counts": row.counts,
        "totals": row.totals,
        "duplicates": row.duplicates,
        "session_date": row.session_date.isoformat(),
        "created": result.get("created"),
        "updated": result.get("updated"),
        "skipped": result.get("skipped"),
        "bad_rows": row.counts.get("error", 0),
        "warnings": row.counts.get("warning", 0),
        "rows_url": f"{url}/rows",
        "mapping_url": f"{url}/mapping",
        "commit_url": f"{url}/commit" if row.status in ("checked", "booking") else None,
        "undo_url": f"{url}/undo" if row.status in ("booking", "committed", "undoing") else None,
        "errors_url": f"{url}/errors.csv" if row.counts.get("error") else None,
        "version": row.version,
        "created_at": told(row.created_at),
        "committed_at": told(row.committed_at) if row.committed_at else None,
        "undone_at": told(row.undone_at) if row.undone_at else None,
        "undo_reason": row.undo_reason,
    }


def import_mapping(row: ImportBatch, samples: Sequence[Sequence[str]]) -> dict[str, Any]:
    """Columns of an import with sample values, and the fields they are."""
    shape, said = SHAPES[row.kind], row.dialect
    field_of = {place: name for name, place in said["columns"].items()}
    return {
        "import": str(row.pk),
        "kind": row.kind,
        "columns": said["columns"],
        "header": [
            {"place": place, "name": name, "field": field_of.get(place), "samples": shown}
            for place, (name, shown) in enumerate(zip(said["header"], samples, strict=True))
        ],
        "required": list(shape.required),
        "optional": list(shape.optional),
        "decimal_comma": said["decimal_comma"],
        "remembered": said.get("remembered", False),
        "symbols": said.get("symbols", {}),
        "version": row.version,
    }


def download(data: bytes, name: str) -> HttpResponse:
    """A CSV file under a name of ours."""
    response = HttpResponse(data, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def import_row(row: ImportRow) -> dict[str, Any]:
    """A row of an import with its verdict."""
    return {
        "row": row.ordinal,
        "verdict": row.verdict,
        "raw": row.raw,
        "fixed": row.fixed,
        "decision": row.decision,
        "parsed": row.parsed,
        "messages": row.messages,
        "source": row.source,
        "version": row.version,
    }
