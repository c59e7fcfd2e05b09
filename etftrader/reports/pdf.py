"""Documents as PDF, A4: the product's own type and colours, real text, page numbers."""

import math
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from etftrader.core import formats
from etftrader.reports import pdf_charts
from etftrader.reports.document import Chart, Column, Document, Figures, Grid, Table, Value

FONTS = Path("static/vendor/inter-print/5.3.0")
WEIGHTS = {"": 400, "B": 600}
SUBSETS = ("latin-ext", "greek", "cyrillic")
MARGIN, WIDTH = 16.0, 178.0  # millimetres, of A4
A_ROW, A_ROW_HIGH = 5, 14.5  # figures side by side
CELL = 1.4  # air at both sides of a table's cell
NARROW = 14.0  # no column of words is less
MEASURED = 12  # cells of a column: the longest
INK, SECOND, RULE, ACCENT = (18, 24, 31), (70, 82, 94), (220, 225, 222), (58, 79, 196)
GAIN, LOSS = (11, 110, 120), (191, 58, 12)
_WORDS = str.maketrans({"√": "sqrt ", "≥": ">=", "≤": "<=", "Δ": "change ", "⁴": "^4"})


class Paper(FPDF):
    """One document on pages with a footer."""

    def __init__(self, document: Document) -> None:
        super().__init__(format="A4", unit="mm")
        self.document = document
        self.set_margins(MARGIN, MARGIN, MARGIN)
        self.c_margin = 0.0  # words begin where the lines do
        self.set_auto_page_break(auto=True, margin=MARGIN + 4)
        self.set_title(f"{document.title}, {document.portfolio}")
        self.set_lang("en")
        self.set_creator("ETFTrader")
        self.set_creation_date(document.as_of)  # the same figures are the same file
        _fonts(self)
        self.add_page()

    def footer(self) -> None:
        """Whose, of when, and which page."""
        self.set_y(-MARGIN)
        _type(self, 7.5, colour=SECOND)
        of = f"{self.document.portfolio}, as of {formats.eastern(self.document.as_of, 'full')}"
        self.cell(WIDTH * 0.75, 4, said(of))
        self.cell(0, 4, f"{self.page_no()} of {{nb}}", align="R")


def as_pdf(document: Document) -> bytes:
    """Write a document on as many pages as it needs.

    Raises ValueError for a block it does not know.
    """
    paper = Paper(document)
    _head(paper, document)
    for block in document.blocks:
        _block(paper, block, document.currency)
    _notes(paper, document)
    return bytes(paper.output())


def said(text: object) -> str:
    """Text in the letters the fonts have."""
    return str(text).translate(_WORDS)


def shown(value: Value, fmt: str, currency: str = "USD") -> str:
    """A value as pages show it."""
    if value is None:
        return formats.DASH
    if isinstance(value, datetime):
        return formats.eastern(value, "short")
    if isinstance(value, date):
        return f"{value:%-d %b %Y}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not fmt or fmt.startswith(("text", "date")):
        return said(value)
    text = formats.show(value, formats.in_currency(fmt, currency))
    return said(text)


def _fonts(paper: Paper) -> None:
    folder = Path(settings.BASE_DIR) / FONTS
    for style, weight in WEIGHTS.items():
        for subset in ("latin", *SUBSETS):
            family = "Inter" if subset == "latin" else f"Inter-{subset}"
            paper.add_font(family, style, folder / f"inter-{subset}-{weight}-normal.woff")
    paper.set_fallback_fonts([f"Inter-{each}" for each in SUBSETS])


def _type(paper: FPDF, size: float, *, bold: bool = False, colour: Any = INK) -> None:
    paper.set_font("Inter", style="B" if bold else "", size=size)
    paper.set_text_color(*colour)


def _head(paper: Paper, document: Document) -> None:
    _type(paper, 9, bold=True, colour=ACCENT)
    paper.cell(0, 5, "ETFTrader", new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    _type(paper, 19, bold=True)
    paper.multi_cell(0, 9, said(document.portfolio), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    _type(paper, 10, colour=SECOND)
    facts = "  ·  ".join((document.title, *document.facts))
    paper.multi_cell(0, 5, said(facts), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(4)


def _block(paper: Paper, block: Any, currency: str) -> None:
    if paper.will_page_break(_height(block)):
        paper.add_page()
    _type(paper, 11, bold=True)
    paper.cell(0, 7, said(block.title), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    if isinstance(block, Figures):
        _figures(paper, block, currency)
    elif isinstance(block, Table):
        _table(paper, block.on_paper, currency)
    elif isinstance(block, Grid):
        _grid(paper, block)
    else:
        pdf_charts.draw(paper, block, left=MARGIN, width=WIDTH)
        _type(paper, 8, colour=SECOND)
        paper.multi_cell(0, 4, said(block.conclusion), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
    paper.ln(5)


def _height(block: Any) -> float:
    """What must fit below the pen; a table goes on over the page."""
    if isinstance(block, Figures):
        return 8.0 + A_ROW_HIGH * math.ceil(len(block.items) / A_ROW)
    return {Chart: pdf_charts.HEIGHT + 14.0, Grid: 30.0, Table: 24.0}[type(block)]


def _figures(paper: Paper, block: Figures, currency: str) -> None:
    wide = WIDTH / A_ROW
    for start in range(0, len(block.items), A_ROW):
        row = block.items[start : start + A_ROW]
        if paper.will_page_break(15):
            paper.add_page()
        top = paper.get_y()
        paper.set_draw_color(*RULE)
        paper.line(MARGIN, top, MARGIN + WIDTH, top)
        for place, each in enumerate(row):
            left = MARGIN + place * wide
            paper.set_xy(left, top + 1.2)
            _type(paper, 7.5, colour=SECOND)
            paper.cell(wide, 4, said(each.label))
            paper.set_xy(left, top + 5.2)
            _type(paper, 12, bold=True, colour=_tone(each.value, each.fmt))
            paper.cell(wide, 6, shown(each.value, each.fmt, currency))
            if each.value is None and each.note:
                paper.set_xy(left, top + 10.6)
                _type(paper, 6.5, colour=SECOND)
                paper.cell(wide, 3, said(each.note)[:34])
        paper.set_xy(MARGIN, top + A_ROW_HIGH)


def _table(paper: Paper, block: Table, currency: str) -> None:
    if not block.rows:
        _type(paper, 9, colour=SECOND)
        paper.cell(0, 5, said(block.empty), new_x=XPos.LMARGIN, new_y=YPos.NEXT)
        return
    widths = _widths(paper, block, currency)
    _type(paper, 8)
    paper.set_draw_color(*RULE)
    paper.set_fill_color(0)  # any other is taken for the ground of every row
    head = FontFace(emphasis="BOLD", color=SECOND, fill_color=(244, 246, 244))
    with paper.table(
        borders_layout="HORIZONTAL_LINES",
        col_widths=widths,
        headings_style=head,
        line_height=4.4,
        text_align=tuple("RIGHT" if each.is_number else "LEFT" for each in block.columns),
        width=WIDTH,
        padding=(0.5, CELL),
    ) as table:
        table.row([said(each.name) for each in block.columns])
        for cells in block.rows:
            _row(table, block.columns, cells, currency)
        if block.total is not None:
            _row(table, block.columns, block.total, currency, FontFace(emphasis="BOLD"))
    if block.note:
        _type(paper, 8, colour=SECOND)
        paper.multi_cell(0, 4, said(block.note), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _row(
    table: Any,
    columns: Sequence[Column],
    cells: Sequence[Value],
    currency: str,
    style: FontFace | None = None,
) -> None:
    row = table.row()
    for column, value in zip(columns, cells, strict=True):
        is_gap = style is not None and value is None  # in the row of totals
        row.cell("" if is_gap else shown(value, column.fmt, currency), style=style)


def _widths(paper: Paper, block: Table, currency: str) -> list[float]:
    """Millimetres of each column: numbers stand whole, words share what is left."""
    _type(paper, 8, bold=True)
    rows = [*block.rows, *([block.total] if block.total else [])]
    widths = []
    for place, column in enumerate(block.columns):
        cells = {shown(row[place], column.fmt, currency) for row in rows} | {said(column.name)}
        longest = sorted(cells, key=len)[-MEASURED:]
        widths.append(max(map(paper.get_string_width, longest)) + 2.0 * CELL + 0.5)
    words = [place for place, column in enumerate(block.columns) if not column.is_number]
    spare = WIDTH - sum(widths)
    if spare >= 0.0:
        return [width + spare / len(widths) for width in widths]
    room = spare + sum(widths[place] for place in words)
    if room < NARROW * len(words):
        return [width * WIDTH / sum(widths) for width in widths]
    words.sort(key=widths.__getitem__)
    for done, place in enumerate(words):  # the narrowest first: what it leaves is for the others
        widths[place] = min(widths[place], room / (len(words) - done))
        room -= widths[place]
    return widths


def _grid(paper: Paper, block: Grid) -> None:
    _type(paper, 7.5)
    name, wide = 14.0, (WIDTH - 14.0) / len(block.columns)
    paper.set_text_color(*SECOND)
    paper.cell(name, 5, "")
    for each in block.columns:
        paper.cell(wide, 5, said(each), align="C")
    paper.ln(5)
    scale = max((abs(v) for _, row in block.rows for v in row if v is not None), default=0.0)
    for label, values in block.rows:
        paper.set_text_color(*INK)
        paper.cell(name, 6, said(label))
        for value in values:
            paper.set_fill_color(*pdf_charts.wash(value, scale))
            text = "" if value is None else shown(value, block.fmt)
            paper.cell(wide, 6, text, align="C", fill=True)
        paper.ln(6)
    if block.note:
        _type(paper, 8, colour=SECOND)
        paper.multi_cell(0, 4, said(block.note), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _notes(paper: Paper, document: Document) -> None:
    _type(paper, 7.5, colour=SECOND)
    for each in document.notes:
        paper.multi_cell(0, 3.8, said(each), new_x=XPos.LMARGIN, new_y=YPos.NEXT)


def _tone(value: Value, fmt: str) -> Any:
    """Changes are coloured, other figures are not."""
    known = formats.number(value)
    if known is None or not fmt.startswith("signed") or not known:
        return INK
    return GAIN if known > 0 else LOSS
