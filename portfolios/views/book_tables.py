"""Tables of the books' pages, as the table partial draws them."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.paginator import Page
from django.urls import NoReverseMatch, reverse

from etftrader.core import formats
from etftrader.core.pages import paged
from portfolios.choices import EntryKind, PortfolioStatus, RowVerdict
from portfolios.models import ImportBatch, ImportRow
from portfolios.selectors.cash import Movement
from portfolios.selectors.ledger import REVERSAL
from portfolios.selectors.portfolios import Listed

KINDS = {
    RowVerdict.NEW: "ok",
    RowVerdict.WARNING: "watch",
    RowVerdict.DUPLICATE: "plain",
    RowVerdict.ERROR: "bad",
}

_CELLS = {
    "ticker": "Ticker",
    "quantity": "Quantity",
    "entry_price": "Price",
    "entry_date": "Date",
    "tags": "Tags",
}
IMPORT_COLUMNS = (
    {"key": "line", "label": "Line", "fmt": "int"},
    {"key": "verdict", "label": "Verdict", "kind": "tag"},
    *(
        {"key": name, "label": label, "priority": "" if name == "ticker" else "p3"}
        for name, label in _CELLS.items()
    ),
    {"key": "said", "label": "Message", "css": "wrap"},
)


def portfolios(rows: Iterable[Listed]) -> dict[str, Any]:
    """Every portfolio with its newest value."""
    return {
        "id": "portfolios",
        "caption": "Portfolios",
        "columns": [
            {"key": "name", "label": "Name", "sub": "description", "css": "fold"},
            {"key": "role", "label": "Your part", "priority": "p3"},
            {"key": "nav", "label": "NAV", "fmt": "money0", "term": "nav"},
            {"key": "day_pnl", "label": "Day", "fmt": "signed:money0", "tone": True},
            {"key": "positions", "label": "Positions", "fmt": "int", "priority": "p2"},
            {"key": "session", "label": "Close of", "priority": "p3"},
            {"key": "state", "label": "State", "kind": "tag"},
        ],
        "rows": [_portfolio(each) for each in rows],
        "empty": {
            "text": "No portfolio yet. Create one, or bring positions in from a file.",
            "url": reverse("portfolio_create"),
            "label": "New portfolio",
        },
    }


def _portfolio(each: Listed) -> dict[str, Any]:
    row, newest = each.portfolio, each.snapshot
    closed = row.status == PortfolioStatus.CLOSED
    kind = "plain" if closed else ("ok" if row.state == "active" else "watch")
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "url": _overview(row.pk),
        "role": each.role,
        "nav": newest.nav if newest else None,
        "nav_reason": "no snapshot yet",
        "day_pnl": newest.daily_pnl if newest else None,
        "day_pnl_reason": "no snapshot yet",
        "positions": each.positions,
        "session": newest.session_date.isoformat() if newest else "",
        "state": {"kind": kind, "text": "closed" if closed else row.state},
    }


def _overview(portfolio_id: Any) -> str:
    try:
        return reverse("overview", args=[portfolio_id])
    except NoReverseMatch:
        return reverse("portfolio_cash", args=[portfolio_id])


CASH_COLUMNS = (
    {"key": "what", "label": "Movement", "kind": "template", "css": "fold",
     "template": "portfolios/cell_movement.html"},
    {"key": "amount", "label": "Amount", "fmt": "signed:money2"},
    {"key": "fee", "label": "Fee in it", "fmt": "money2", "priority": "p3"},
    {"key": "balance", "label": "Balance", "fmt": "money2"},
    {"key": "at", "label": "Booked", "kind": "moment", "moment": "full", "priority": "p3"},
    {"key": "seq", "label": "Ledger no.", "fmt": "int", "priority": "p3"},
)  # fmt: skip
_KINDS = {
    EntryKind.DEPOSIT: "Deposit",
    EntryKind.WITHDRAWAL: "Withdrawal",
    EntryKind.FEE: "Fee",
    EntryKind.PAYMENT: "Dividend",
    EntryKind.SETTLEMENT: "Settlement",
    EntryKind.REVERSAL: "Reversal",
}


def cash(page: Page, rows: Sequence[Movement], portfolio_id: UUID) -> dict[str, Any]:
    """Everything that moved cash on one page of the ledger, and what was left each time."""
    return {
        "id": "cash",
        "caption": "Cash movements, newest first",
        "columns": CASH_COLUMNS,
        "rows": [_movement(row, portfolio_id) for row in rows],
        "page": page,
        "empty": {"text": "No cash has moved yet. The form beside books a deposit."},
    }


def _movement(row: Movement, portfolio_id: UUID) -> dict[str, Any]:
    traded = "Bought" if row.quantity > 0 else "Sold"
    units = formats.show(abs(row.quantity), "qty")
    return {
        "id": row.seq,
        "what": {
            "kind": _KINDS.get(EntryKind(row.kind), traded),
            "of": f"{units} {row.name}" if row.name else "",
            "url": _cause(row, portfolio_id),
            "session": row.session_date,
            "reason": row.reason,
        },
        "amount": row.amount,
        "fee": row.fee or None,
        "fee_reason": "no fee",
        "balance": row.balance,
        "at": row.booked_at,
        "seq": row.seq,
    }


def _cause(row: Movement, portfolio_id: UUID) -> str:
    """Where it can be read what caused it: the trade, else what was traded."""
    kind, _, key = row.source.removeprefix(REVERSAL).partition(":")
    if kind == "trade":
        return reverse("trade_detail", args=[portfolio_id, key])
    return reverse("quote", args=[row.symbol]) if row.symbol else ""


def imports(rows: Iterable[ImportBatch]) -> dict[str, Any]:
    """Files brought so far."""
    return {
        "id": "imports",
        "caption": "Imports, newest first",
        "columns": [
            {"key": "file", "label": "File", "sub": "portfolio"},
            {"key": "at", "label": "Checked", "kind": "moment", "moment": "full"},
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
                "at": row.created_at,
                "rows": row.counts.get("total", 0),
                "errors": row.counts.get("error", 0),
                "status": {
                    "kind": "ok" if row.status == "committed" else "plain",
                    "text": row.status,
                },
            }
            for row in rows
        ],
        "empty": {"text": "No file has been imported yet. The form beside checks one first."},
    }


def import_rows(page: Page, query: str) -> dict[str, Any]:
    """Rows of a file with their verdicts."""
    return paged(
        page,
        key="rows",
        caption="Rows of the file with their verdicts",
        columns=IMPORT_COLUMNS,
        row=_import_row,
        query=query,
        empty="No row has this verdict.",
    )


def _import_row(row: ImportRow) -> dict[str, Any]:
    read = row.parsed or {}
    places = row.batch.dialect["columns"]
    shown = {name: read.get(name) or _raw(row, places.get(name)) for name in _CELLS}
    said = [f"{m['field']}: {m['detail']} {m['hint']}".strip() for m in row.messages]
    verdict = RowVerdict(row.verdict)
    return {
        "id": row.pk,
        "line": row.ordinal,
        "verdict": {"kind": KINDS[verdict], "text": verdict.value},
        **shown,
        "said": " ".join(said),
    }


def _raw(row: ImportRow, place: int | None) -> str:
    """A cell as it stood in the file."""
    return row.raw[place] if place is not None and place < len(row.raw) else ""
