"""The running totals of portfolios, in the shape a replay of the ledger gives."""

from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Sum

from portfolios.calculations.cost_basis import Holding
from portfolios.calculations.postings import Totals
from portfolios.choices import LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Position

ZERO = Decimal(0)
_SUMMED = [
    LedgerAccount.EXTERNAL,
    LedgerAccount.FEES,
    LedgerAccount.ACCRUED,
    LedgerAccount.INCOME,
]


def totals(*, portfolios: Iterable[Portfolio]) -> dict[UUID, Totals]:
    """Return each portfolio's totals from its projections: two queries for any number."""
    wanted = list(portfolios)
    held: dict[UUID, dict[UUID, Holding]] = {each.pk: {} for each in wanted}
    rows = Position.objects.filter(portfolio__in=wanted).values_list(
        "portfolio_id", "instrument_id", "quantity", "cost_basis", "realized_pnl"
    )
    for portfolio_id, instrument_id, quantity, cost, realized in rows:
        held[portfolio_id][instrument_id] = Holding(quantity, cost, realized)
    sums = {
        (portfolio_id, account): total
        for portfolio_id, account, total in LedgerEntry.objects.filter(
            portfolio__in=wanted, account__in=_SUMMED
        )
        .values_list("portfolio_id", "account")
        .annotate(total=Sum("amount"))
        .order_by()
    }
    return {
        each.pk: Totals(
            seq=each.ledger_seq,
            hash=each.ledger_hash,
            cash=each.cash,
            flows=-sums.get((each.pk, LedgerAccount.EXTERNAL), ZERO),
            fees=sums.get((each.pk, LedgerAccount.FEES), ZERO),
            accrued=sums.get((each.pk, LedgerAccount.ACCRUED), ZERO),
            dividends=-sums.get((each.pk, LedgerAccount.INCOME), ZERO),
            holdings=held[each.pk],
        )
        for each in wanted
    }


def fees_and_income(
    *, portfolio_id: UUID, after: date | None, until: date
) -> tuple[Decimal, Decimal]:
    """Return the fees and the dividends of the sessions after one and up to another."""
    rows = LedgerEntry.objects.filter(
        portfolio_id=portfolio_id,
        account__in=[LedgerAccount.FEES, LedgerAccount.INCOME],
        session_date__lte=until,
    )
    if after is not None:
        rows = rows.filter(session_date__gt=after)
    sums = dict(rows.order_by().values_list("account").annotate(total=Sum("amount")))
    return sums.get(LedgerAccount.FEES, ZERO), -sums.get(LedgerAccount.INCOME, ZERO)
