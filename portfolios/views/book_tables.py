"""Tables of the books' pages, as the table partial draws them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any
from uuid import UUID

from django.core.paginator import Page
from django.urls import NoReverseMatch, reverse

from etftrader.core import formats
from portfolios.choices import EntryKind, PortfolioStatus
from portfolios.models import Portfolio
from portfolios.selectors.cash import Movement
from portfolios.selectors.ledger import REVERSAL
from portfolios.selectors.portfolios import Listed


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
    closed = row.status != PortfolioStatus.ACTIVE
    kind = "plain" if closed else ("ok" if row.state == "active" else "watch")
    return {
        "id": row.pk,
        "name": row.name,
        "description": row.description,
        "url": _overview(row.pk),
        "role": each.role,
        "currency": row.base_currency,
        "nav": newest.nav if newest else None,
        "nav_reason": "no snapshot yet",
        "day_pnl": newest.daily_pnl if newest else None,
        "day_pnl_reason": "no snapshot yet",
        "positions": each.positions,
        "session": newest.session_date.isoformat() if newest else "",
        "state": {"kind": kind, "text": row.status if closed else row.state},
    }


def _overview(portfolio_id: Any) -> str:
    try:
        return reverse("overview", args=[portfolio_id])
    except NoReverseMatch:
        return reverse("portfolio_cash", args=[portfolio_id])


CASH_COLUMNS = (
    {"key": "what", "label": "Movement", "kind": "template", "css": "fold",
     "template": "portfolios/cell_movement.html",
     "parts": (("kind", "Movement"), ("of", "Of"), ("session", "Session"), ("reason", "Reason"))},
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
    EntryKind.INTEREST: "Interest",
    EntryKind.TAX: "Tax",
    EntryKind.BORROW_FEE: "Borrow fee",
    EntryKind.TRANSFER: "Transfer",
    EntryKind.PAYMENT: "Dividend",
    EntryKind.SETTLEMENT: "Settlement",
    EntryKind.REVERSAL: "Reversal",
}

AGAIN = ("date", "type", "amount", "currency", "reason", "ticker", "reference")
_WORDS = {
    EntryKind.DEPOSIT: "deposit",
    EntryKind.WITHDRAWAL: "withdrawal",
    EntryKind.FEE: "fee",
    EntryKind.INTEREST: "interest",
    EntryKind.PAYMENT: "dividend",
}


def cash(
    page: Page, rows: Sequence[Movement], portfolio: Portfolio, able: Collection[int] = ()
) -> dict[str, Any]:
    """Everything that moved cash on one page of the ledger, and what was left each time."""
    undone = {row.source.removeprefix(REVERSAL) for row in rows if row.source.startswith(REVERSAL)}
    return {
        "id": "cash",
        "caption": "Cash movements, newest first",
        "columns": CASH_COLUMNS,
        "rows": [
            _movement(row, portfolio.pk, row.seq in able)
            | {"again": None if row.source in undone else _again(row, portfolio)}
            for row in rows
        ],
        "again": AGAIN,
        "page": page,
        "empty": {"text": "No cash has moved yet. The form beside books a deposit."},
    }


def _again(row: Movement, portfolio: Portfolio) -> dict[str, Any] | None:
    """The movement as an import of cash reads it; None for what is no cash of its own."""
    kind = _WORDS.get(EntryKind(row.kind))
    if kind is None:
        return None
    return {
        "date": row.session_date.isoformat(),
        "type": kind,
        "amount": row.amount,
        "currency": portfolio.base_currency,
        "reason": row.reason,
        "ticker": row.symbol,
        "reference": f"{row.seq}",
    }


def _movement(row: Movement, portfolio_id: UUID, able: bool) -> dict[str, Any]:
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
            "back": _take_back(portfolio_id, row.seq) if able else "",
        },
        "amount": row.amount,
        "fee": row.fee or None,
        "fee_reason": "no fee",
        "balance": row.balance,
        "at": row.booked_at,
        "seq": row.seq,
    }


def _take_back(portfolio_id: UUID, seq: int) -> str:
    return reverse("cash_reverse", args=[portfolio_id, seq]) + "#reverse"


def _cause(row: Movement, portfolio_id: UUID) -> str:
    """Where it can be read what caused it: the trade, else what was traded."""
    kind, _, key = row.source.removeprefix(REVERSAL).partition(":")
    if kind == "trade":
        return reverse("trade_detail", args=[portfolio_id, key])
    return reverse("quote", args=[row.symbol]) if row.symbol else ""
