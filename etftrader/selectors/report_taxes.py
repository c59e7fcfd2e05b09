"""What a tax return asks of a book: its closed lots of a period, and its income."""

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal

from etftrader.reports.document import Block, Column, Figure, Figures, Table, Value
from marketdata.models import Instrument
from marketdata.selectors import terms
from portfolios.calculations.lots import ClosedLot, Method
from portfolios.models import Portfolio
from portfolios.selectors import income as read
from portfolios.selectors import lots
from portfolios.selectors.income import Earned, Income

ZERO = Decimal(0)
FIFO = (
    "First in, first out: the oldest units go first, each lot at its own cost. The book itself "
    "counts at average cost, so its realised P&L of a single sale may differ."
)
FEES = "Commissions are in no lot: they stand apart above, and reduce the gain."
SHORTS = "Of a short the cost is what buying it back took, the proceeds what its sale brought."
OWED = "A dividend counts on its ex-date; one that a short owes is below zero."
NO_ADVICE = "This is a list of bookings and no tax advice."


def closed_lots(*, portfolio: Portfolio, start: date | None, end: date) -> list[Block]:
    """Every lot that closed within a period, oldest sale first, and what they add up to."""
    first = start or date(end.year, 1, 1)
    found = [
        (told.instrument, lot)
        for told in lots.of_portfolio(portfolio=portfolio, method=Method.FIFO, until=end)
        for lot in told.lots.closed
        if first <= lot.closed_on <= end
    ]
    found.sort(key=lambda each: (each[1].closed_on, each[0].symbol, each[1].opened_on))
    names = terms.names(thing for thing, _ in found)
    rows = tuple(_lot(lot, names[thing.pk]) for thing, lot in found)
    costs = read.of_portfolio(portfolio=portfolio, start=first, until=end).costs
    return [_gains(rows, costs.get("commissions", ZERO)), _lots(rows), _by_instrument(found, names)]


def income(*, portfolio: Portfolio, start: date | None, end: date) -> list[Block]:
    """Dividends and interest of a period: their sums, by instrument, one by one; and the costs."""
    found = read.of_portfolio(portfolio=portfolio, start=start or date(end.year, 1, 1), until=end)
    return [_sums(found), _payers(found.earned), _earned(found.earned), _costs(found)]


def _lot(lot: ClosedLot, name: str) -> Sequence[Value]:
    cost, proceeds = _sides(lot)
    side = "long" if lot.quantity > 0 else "short"
    return (
        name, side, abs(lot.quantity), lot.opened_on, lot.closed_on, lot.days,
        proceeds, cost, lot.realized,
    )  # fmt: skip


def _sides(lot: ClosedLot) -> tuple[Decimal, Decimal]:
    """Cost and proceeds, both above zero: a short is sold first and bought back."""
    return (lot.cost, lot.proceeds) if lot.quantity > 0 else (-lot.proceeds, -lot.cost)


def _gains(rows: Sequence[Sequence[Value]], fees: Decimal) -> Figures:
    gain = _total(rows, 8)
    return Figures(
        "Realised",
        (
            Figure("Proceeds", _total(rows, 6), "money2"),
            Figure("Cost", _total(rows, 7), "money2"),
            Figure("Gain before commissions", gain, "signed:money2"),
            Figure("Commissions of the period", fees, "money2", "of purchases and sales"),
            Figure("Gain after them", gain - fees, "signed:money2"),
            Figure("Lots", len(rows), "text"),
        ),
    )


def _lots(rows: tuple[Sequence[Value], ...]) -> Table:
    columns = (
        Column("Instrument"),
        Column("Side"),
        Column("Quantity", "qty"),
        Column("Opened", "date"),
        Column("Closed", "date"),
        Column("Days", "int"),
        Column("Proceeds", "money2"),
        Column("Cost", "money2"),
        Column("Gain", "signed:money2"),
    )
    total = ("Total", *(None,) * 5, *(_total(rows, place) for place in (6, 7, 8)))
    note = " ".join((FIFO, FEES, SHORTS, NO_ADVICE))
    return Table("Closed lots", columns, rows, note, total if rows else None, "Nothing was closed.")


def _by_instrument(found: Sequence[tuple[Instrument, ClosedLot]], names: dict) -> Table:
    sums: dict[str, list[Decimal]] = {}
    for thing, lot in found:
        cost, proceeds = _sides(lot)
        kept = sums.setdefault(names[thing.pk], [ZERO, ZERO, ZERO])
        for place, amount in enumerate((proceeds, cost, lot.realized)):
            kept[place] += amount
    columns = (
        Column("Instrument"),
        Column("Proceeds", "money2"),
        Column("Cost", "money2"),
        Column("Gain", "signed:money2"),
    )
    rows = tuple((name, *sums[name]) for name in sorted(sums))
    return Table("By instrument", columns, rows, empty="Nothing was closed.")


def _sums(found: Income) -> Figures:
    earned = {kind: _of(found.earned, kind) for kind in (read.DIVIDEND, read.INTEREST, read.OTHER)}
    whole = sum(earned.values(), ZERO)
    open_ = sum((each.amount for each in found.earned if each.paid_on is None), ZERO)
    items = [
        Figure("Dividends", earned[read.DIVIDEND], "signed:money2", "less those owed on shorts"),
        Figure("Interest", earned[read.INTEREST], "signed:money2"),
    ]
    if earned[read.OTHER]:
        items.append(Figure("Other income", earned[read.OTHER], "signed:money2"))
    items += [
        Figure("Income", whole, "signed:money2"),
        Figure("Of it not yet paid", open_, "signed:money2"),
        Figure("Costs", sum(found.costs.values(), ZERO), "money2"),
    ]
    return Figures("Income", tuple(items))


def _of(earned: Iterable[Earned], kind: str) -> Decimal:
    return sum((each.amount for each in earned if each.kind == kind), ZERO)


def _payers(earned: Sequence[Earned]) -> Table:
    sums: dict[tuple[str, str], Decimal] = {}
    for each in earned:
        key = (each.symbol or "of no instrument", each.kind)
        sums[key] = sums.get(key, ZERO) + each.amount
    columns = (Column("Of"), Column("Type"), Column("Amount", "signed:money2"))
    rows = tuple((*key, sums[key]) for key in sorted(sums))
    total = ("Total", None, _total(rows, 2)) if rows else None
    return Table("By instrument", columns, rows, "", total, "Nothing was earned.")


def _earned(earned: Sequence[Earned]) -> Table:
    columns = (
        Column("Session", "date"),
        Column("Type"),
        Column("Of"),
        Column("Amount", "signed:money2"),
        Column("Paid", "date"),
    )
    rows = tuple(
        (each.session_date, each.kind, each.symbol, each.amount, each.paid_on) for each in earned
    )
    return Table("Bookings", columns, rows, f"{OWED} {NO_ADVICE}", empty="Nothing was earned.")


def _costs(found: Income) -> Table:
    columns = (Column("Type"), Column("Amount", "money2"))
    rows = tuple((name.capitalize(), found.costs[name]) for name in sorted(found.costs))
    total = ("Total", _total(rows, 1)) if rows else None
    return Table("Costs of the period", columns, rows, "", total, "There were none.")


def _total(rows: Iterable[Sequence[Value]], place: int) -> Decimal:
    return sum((each[place] for each in rows), ZERO)  # type: ignore[misc]
