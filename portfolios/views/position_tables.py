"""Tables of one position's page: its lots and its bookings."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from etftrader.core.formats import eastern
from portfolios.calculations.lots import ClosedLot, Lot, LotBook
from portfolios.choices import EntryKind
from portfolios.selectors.position_page import Entry

KINDS = {
    EntryKind.FILL: "Trade",
    EntryKind.OPENING: "Brought in",
    EntryKind.SPLIT: "Split",
    EntryKind.REVERSAL: "Reversal",
    EntryKind.SETTLEMENT: "Settlement",
    EntryKind.TRANSFER: "Transfer",
    EntryKind.DIVIDEND: "Dividend",
}


def lots(found: LotBook, multiplier: Decimal, price: Decimal | None) -> dict[str, Any]:
    """Open lots first, then the closed ones, newest first."""
    still = [_open(each, multiplier, price) for each in found.open]
    gone = [_closed(each, multiplier) for each in reversed(found.closed)]
    return {
        "id": "lots-table",
        "caption": "Lots of this position",
        "columns": [
            {"key": "opened", "label": "Opened"},
            {"key": "closed", "label": "Closed"},
            {"key": "quantity", "label": "Quantity", "fmt": "qty"},
            {"key": "cost", "label": "Cost a unit", "fmt": "price", "priority": "p3"},
            {"key": "gain", "label": "Gain", "fmt": "signed:money0", "tone": True},
        ],
        "rows": still + gone,
        "empty": {"text": "Nothing was bought or sold up to this session."},
    }


def _open(each: Lot, multiplier: Decimal, price: Decimal | None) -> dict[str, Any]:
    units = each.quantity * multiplier
    return {
        "opened": eastern(each.opened_on),
        "closed": "open",
        "quantity": each.quantity,
        "cost": each.cost / units if units else None,
        "gain": units * price - each.cost if price is not None else None,
        "gain_reason": "no price is known",
    }


def _closed(each: ClosedLot, multiplier: Decimal) -> dict[str, Any]:
    units = each.quantity * multiplier
    return {
        "opened": eastern(each.opened_on),
        "closed": eastern(each.closed_on),
        "quantity": each.quantity,
        "cost": each.cost / units if units else None,
        "gain": each.realized,
    }


def bookings(entries: Sequence[Entry]) -> dict[str, Any]:
    """Every booking, newest first."""
    return {
        "id": "bookings-table",
        "caption": "Bookings of this position",
        "columns": [
            {"key": "day", "label": "Session"},
            {"key": "kind", "label": "Booking"},
            {"key": "quantity", "label": "Quantity", "fmt": "signed:qty"},
            {"key": "price", "label": "Price", "fmt": "price"},
            {"key": "paid", "label": "Amount", "fmt": "money2", "priority": "p2"},
            {"key": "fee", "label": "Fee", "fmt": "money2", "priority": "p3"},
            {"key": "source", "label": "Source", "priority": "p3", "css": "fold"},
            {"key": "reason", "label": "Reason", "priority": "p3", "css": "wrap"},
            {"key": "seq", "label": "No.", "fmt": "int", "priority": "p3"},
        ],
        "rows": [_booking(each) for each in entries],
        "empty": {"text": "Nothing was booked up to this session."},
    }


def _booking(each: Entry) -> dict[str, Any]:
    taken = ", taken back" if each.undone and each.kind != EntryKind.REVERSAL else ""
    return {
        "day": eastern(each.session_date),
        "kind": KINDS.get(EntryKind(each.kind), each.kind.capitalize()) + taken,
        "quantity": each.quantity,
        "price": each.price,
        "price_reason": "units without money, or money without units",
        "paid": each.paid,
        "fee": each.fee or None,
        "fee_reason": "none",
        "source": each.source.partition(":")[0],
        "reason": each.reason or " ",
        "seq": each.seq,
    }
