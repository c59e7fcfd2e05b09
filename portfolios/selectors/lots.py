"""The lots of what a portfolio holds or held, read from its ledger."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from marketdata.models import Instrument
from portfolios.calculations.lots import LotBook, Method, lots
from portfolios.calculations.postings import Posting
from portfolios.models import Portfolio
from portfolios.selectors import ledger as books


@dataclass(frozen=True, slots=True)
class Told:
    """One instrument's lots."""

    instrument: Instrument
    lots: LotBook


def of_portfolio(
    *,
    portfolio: Portfolio,
    method: Method = Method.FIFO,
    until: date | None = None,
    instrument_ids: Iterable[UUID] | None = None,
) -> list[Told]:
    """Return the lots of each instrument by symbol, as booked up to a session: two queries."""
    wanted = None if instrument_ids is None else list(instrument_ids)
    one = wanted[0] if wanted is not None and len(wanted) == 1 else None
    rows = books.postings(portfolio_ids=[portfolio.pk], instrument_id=one).get(portfolio.pk, [])
    history: dict[UUID, list[Posting]] = {}
    for each in rows:
        moved = each.traded
        known = until is None or each.session_date <= until
        if moved is not None and known and (wanted is None or moved[0] in wanted):
            history.setdefault(moved[0], []).append(each)
    named = Instrument.objects.filter(pk__in=history).order_by("symbol")
    return [Told(each, lots(history[each.pk], each.multiplier, method)) for each in named]


def cost_per_unit(cost: Decimal, quantity: Decimal, multiplier: Decimal) -> Decimal:
    """Return what a unit of a lot has cost, not rounded."""
    return cost / (quantity * multiplier)
