"""One document, five ways of writing it down."""

import re
from collections.abc import Callable

from etftrader.reports import sheets
from etftrader.reports.document import Document

TYPES = {
    "html": "text/html; charset=utf-8",
    "pdf": "application/pdf",
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "json": "application/json",
}


def _pdf(document: Document) -> bytes:
    from etftrader.reports.pdf import as_pdf  # its fonts and drawing are for workers alone

    return as_pdf(document)


def _html(document: Document) -> bytes:
    from etftrader.reports.html import as_html

    return as_html(document)


WRITERS: dict[str, Callable[[Document], bytes]] = {
    "html": _html,
    "pdf": _pdf,
    "csv": sheets.as_csv,
    "xlsx": sheets.as_xlsx,
    "json": sheets.as_json,
}


def write(document: Document, file_format: str) -> bytes:
    """The document's file. Raises KeyError for a format there is not."""
    return WRITERS[file_format](document)


def file_name(portfolio: str, kind: str, end: object, file_format: str) -> str:
    """A name any system takes, from words people know it by."""
    word = re.sub(r"[^a-z0-9]+", "-", portfolio.lower()).strip("-") or "portfolio"
    return f"{word[:40]}-{kind.replace('_', '-')}-{end}.{file_format}"
