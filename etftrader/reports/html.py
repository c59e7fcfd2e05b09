"""Documents as one HTML file: its style and its charts inside, nothing is fetched."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.template.loader import render_to_string

from etftrader.reports.document import Block, Chart, Document, Figures, Grid, Line, Table

PLACE = "/* sheets */"  # in the template, before anything people have written
SHEETS = ("tokens.css", "base.css", "components.css")  # of the pages; then its own


def as_html(document: Document) -> bytes:
    """Write a document as a page that needs no network; light or dark as its reader has it."""
    folder = Path(settings.BASE_DIR) / "static" / "css"
    sheets = [*(folder / name for name in SHEETS), Path(__file__).with_name("report.css")]
    style = "\n".join(each.read_text(encoding="utf-8") for each in sheets)
    context = {"document": document, "blocks": [_block(each) for each in document.blocks]}
    page = render_to_string("reports/document.html", context)
    return page.replace(PLACE, style, 1).encode()


def _block(block: Block) -> dict[str, Any]:
    kinds = {Figures: "figures", Table: "table", Chart: "chart", Grid: "grid"}
    block = block.on_paper if isinstance(block, Table) else block
    shown: dict[str, Any] = {"kind": kinds[type(block)], "block": block}
    if isinstance(block, Chart):
        shown["chart"] = _chart(block)
    if isinstance(block, Table):
        rows = [*block.rows, *([block.total] if block.total is not None else [])]
        shown["rows"] = [list(zip(block.columns, cells, strict=True)) for cells in rows]
        shown["has_total"] = block.total is not None
    return shown


def _chart(block: Chart) -> dict[str, Any]:
    return {
        "id": block.title.lower().replace(" ", "-"),
        "title": block.title,
        "conclusion": block.conclusion,
        "x": list(block.days),
        "series": [_line(each) for each in block.lines],
        "fmt": block.fmt,
        **({"floor": 0.0} if block.area else {}),
        "width": 900,
        "height": 260,
        "empty": "There is no history yet.",
    }


def _line(line: Line) -> dict[str, Any]:
    dash = {"dash": "4 3"} if line.dashed else {}
    return {"name": line.name, "values": list(line.values), **dash}
