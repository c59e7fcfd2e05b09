"""What a holding cost in the currency its prices are in, from the rates its bookings kept."""

from decimal import Decimal
from itertools import groupby

from etftrader.core.money import to_money
from portfolios.calculations import postings
from portfolios.calculations.postings import Leg, Posting
from portfolios.choices import EntryKind
from portfolios.models import LedgerEntry, Position
from portfolios.selectors.ledger import REVERSAL

COLUMNS = (
    "seq", "kind", "source", "session_date", "account", "instrument_id", "amount", "exchange_rate",
)  # fmt: skip


def average(position: Position) -> Decimal:
    """Average cost of a unit held, in the instrument's currency.

    Within one currency that is the position's own; else its bookings are replayed at the rates
    they were made with: one query.
    """
    units = position.quantity * position.instrument.multiplier
    if position.instrument.currency == position.portfolio.base_currency:
        return position.cost_basis / units
    rows = LedgerEntry.objects.filter(portfolio_id=position.portfolio_id)
    moved = rows.filter(instrument_id=position.instrument_id).values("seq")
    legs = rows.filter(seq__in=moved).order_by("seq", "leg").values_list(*COLUMNS)
    found = [_posting(list(group)) for _, group in groupby(legs, key=lambda row: row[0])]
    scale = {position.instrument_id: position.instrument.multiplier}
    held = postings.replay(found, scale).holdings[position.instrument_id]
    return held.cost_basis / units


def _posting(rows: list[tuple]) -> Posting:
    seq, kind, source, day = rows[0][:4]
    return Posting(
        seq=seq,
        kind=kind,
        source=source,
        session_date=day,
        hash="",
        legs=tuple(Leg(row[4], row[5], _own(row)) for row in rows),
        reverses=source.removeprefix(REVERSAL) if kind == EntryKind.REVERSAL else "",
    )


def _own(row: tuple) -> Decimal:
    """Money at the rate it was booked with; units as they are."""
    amount, rate = row[6], row[7]
    return amount if row[5] is not None or rate is None else to_money(amount / rate)
