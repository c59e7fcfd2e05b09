"""What each kind of report says: gathered at one close, as one document for every format."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from etftrader.choices import ReportKind
from etftrader.core.errors import NotEnoughData
from etftrader.reports.document import (
    Block,
    Column,
    Document,
    Figure,
    Figures,
    Table,
    Value,
)
from etftrader.selectors import report_taxes, report_tear_sheet
from marketdata.providers import sources
from marketdata.selectors import calendar, terms
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot, Position
from portfolios.selectors import cash, positions, snapshots
from portfolios.selectors.valuation import ValuedLine
from portfolios.services import csv_export
from trading.models import Trade
from trading.selectors import trades

MOST_ROWS = 20_000  # of one table
OF_A_YEAR = (ReportKind.TAX_YEAR, ReportKind.INCOME)
# of a holding, under the names an import knows them by
AS_IMPORTED = {
    "position_type": "Position type",
    "entry_price": "Entry price",
    "entry_date": "Entry date",
    "currency": "Currency",
    "cost_basis": "Cost basis",
}
PRICES = "Prices are of {} at the close; what has no price is left out of the sums it is named in."
BUNDLED = "Bundled historical prices for demonstration; not current, not for investment decisions."


def document_of(*, portfolio: Portfolio, kind: str, start: date | None, end: date) -> Document:
    """Gather a report of one portfolio up to a close.

    Of closed lots and income a period without a start is the year of its end.
    Raises NotEnoughData where the book has nothing to tell of that stretch, and for a table of
    more than 20,000 rows.
    """
    if kind in OF_A_YEAR and start is None:
        start = date(end.year, 1, 1)
    title, blocks = _KINDS[ReportKind(kind)](portfolio, start, end)
    bundled = sources.is_replay()
    source = "bundled history" if bundled else "live sources"
    return Document(
        kind=kind,
        title=title,
        portfolio=portfolio.name,
        portfolio_id=str(portfolio.pk),
        currency=portfolio.base_currency,
        as_of=calendar.close_time(end),
        start=start,
        end=end,
        source=f"prices of {source}",
        blocks=tuple(blocks),
        notes=(PRICES.format(source), *((BUNDLED,) if bundled else ())),
        inputs={"kind": kind, "start": start, "end": end, "portfolio": str(portfolio.pk)},
    )


def _positions(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    return "Positions", [_worth(portfolio, end), _held(portfolio, end)]


def _trades(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    return "Trades", [_traded(portfolio, start, end)]


def _archive(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    return "Full archive", [
        _worth(portfolio, end),
        _held(portfolio, end),
        _traded(portfolio, start, end),
        _money(portfolio, start, end),
        _values(portfolio, start, end),
        _ledger(portfolio, start, end),
    ]


def _tear_sheet(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    return "Tear sheet", report_tear_sheet.blocks(portfolio=portfolio, start=start, end=end)


def _tax_year(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    blocks = report_taxes.closed_lots(portfolio=portfolio, start=start, end=end)
    return f"Closed lots, {_stretch(start, end)}", _short_enough(blocks)


def _income(portfolio: Portfolio, start: date | None, end: date) -> tuple[str, list[Block]]:
    blocks = report_taxes.income(portfolio=portfolio, start=start, end=end)
    return f"Income, {_stretch(start, end)}", _short_enough(blocks)


def _stretch(start: date | None, end: date) -> str:
    """The year, where it is one up to its end, else both days."""
    whole = start == date(end.year, 1, 1)
    return str(end.year) if whole else f"{start} to {end}"


def _short_enough(blocks: list[Block]) -> list[Block]:
    for each in blocks:
        if isinstance(each, Table):
            _bounded(each.rows)
    return blocks


_KINDS: dict[ReportKind, Callable[[Portfolio, date | None, date], tuple[str, list[Block]]]] = {
    ReportKind.TEAR_SHEET: _tear_sheet,
    ReportKind.POSITIONS: _positions,
    ReportKind.TRADES: _trades,
    ReportKind.TAX_YEAR: _tax_year,
    ReportKind.INCOME: _income,
    ReportKind.ARCHIVE: _archive,
}


def _worth(portfolio: Portfolio, end: date) -> Figures:
    row = _snapshot(portfolio, end)
    return Figures(
        "At the close",
        (
            Figure("Net asset value", row.nav, "money2"),
            Figure("Cash", row.cash, "money2"),
            Figure("Day P&L", row.daily_pnl, "signed:money2"),
            Figure("Gross exposure", row.gross_exposure, "money2"),
            Figure("Net exposure", row.net_exposure, "money2"),
            Figure("Realised P&L", row.realized_pnl, "signed:money2"),
            Figure("Unrealised P&L", row.unrealized_pnl, "signed:money2"),
            Figure("VaR 95%, 1 day", row.var_95_1d, "money0", _why(row.risk_reason)),
            Figure("Positions", row.position_count, "text"),
            Figure("Coverage", row.coverage, "pct1", "of gross exposure has a current price"),
        ),
    )


def _snapshot(portfolio: Portfolio, end: date) -> PortfolioSnapshot:
    row = snapshots.at(portfolio_id=portfolio.pk, session_date=end)
    if row is None:
        raise NotEnoughData(f"The book was not valued at the close of {end}.")
    return row


def _held(portfolio: Portfolio, end: date) -> Table:
    found = positions.at(portfolio=portfolio, session_date=end)
    lines = found.valuation.lines if found is not None else ()
    columns = (
        Column("Symbol"),
        Column("Quantity", "qty"),
        Column("Price", "price"),
        Column("Exposure", "money2"),
        Column("Weight", "pct1"),
        Column("Cost", "money2"),
        Column("Unrealised", "signed:money2"),
        Column("Day P&L", "signed:money2"),
        Column("Note"),
        *(Column(name, sheet=True) for name in AS_IMPORTED.values()),
    )
    again = _again(portfolio, lines, end)
    rows: list[Sequence[Value]] = [
        (
            each.line.symbol,
            each.line.quantity,
            each.price,
            each.exposure,
            each.weight,
            each.cost,
            each.unrealized_pnl,
            each.day_pnl,
            _why(each.reason),
            *again[each.line.instrument_id],
        )
        for each in sorted(lines, key=lambda line: line.line.symbol)
    ]
    sums = (_sum(rows, place) for place in (3, 4, 5, 6, 7))
    total = ("Total", None, None, *sums, *(None,) * (1 + len(AS_IMPORTED)))
    note = "Exposure is signed: a short is negative."
    return Table("Positions", columns, tuple(rows), note, total if rows else None, "All is cash.")


def _again(
    portfolio: Portfolio, lines: Sequence[ValuedLine], end: date
) -> dict[UUID, tuple[Value, ...]]:
    """What an import reads of each holding; empty where it was closed, or opened anew, since."""
    rows = Position.objects.filter(portfolio=portfolio, opened_on__lte=end)
    opened = dict(rows.exclude(quantity=0).values_list("instrument_id", "opened_on"))
    held = [replace(each.line, opened_on=opened.get(each.line.instrument_id)) for each in lines]
    costs = csv_export.own_costs(portfolio, [each for each in held if each.opened_on])
    found: dict[UUID, tuple[Value, ...]] = {}
    for each in held:
        cost = costs.get(each.instrument_id)
        if cost is None:
            found[each.instrument_id] = (None,) * len(AS_IMPORTED)
            continue
        about = each.symbol, each.quantity, each.multiplier, cost, each.opened_on, each.currency
        told = csv_export.line(csv_export.Holding(*about), ())
        said = dict(zip(csv_export.HEADER, told, strict=True))
        found[each.instrument_id] = tuple(said[name] for name in AS_IMPORTED)
    return found


def _traded(portfolio: Portfolio, start: date | None, end: date) -> Table:
    found = trades.of_portfolio(portfolio.pk).filter(session_date__lte=end)
    if start is not None:
        found = found.filter(session_date__gte=start)
    fills = _bounded(found.order_by("executed_at", "pk"))
    names = terms.names(each.instrument for each in fills)
    columns = (
        Column("Session", "date"),
        Column("Instrument"),
        Column("Side"),
        Column("Quantity", "qty"),
        Column("Price", "price:4"),
        Column("Commission", "money2"),
        Column("Spread", "money2"),
        Column("Impact", "money2"),
        Column("Realised", "signed:money2"),
        Column("Priced"),
    )
    rows = tuple(_trade(each, names[each.instrument_id]) for each in fills)
    total = ("Total", *(None,) * 4, *(_sum(rows, place) for place in (5, 6, 7, 8)), None)
    return Table("Trades", columns, rows, "", total if rows else None, "Nothing was traded.")


def _trade(each: Trade, name: str) -> Sequence[Value]:
    return (
        each.session_date,
        name,
        each.side,
        each.quantity,
        each.price,
        each.commission,
        each.spread_cost,
        each.impact_cost,
        each.realized_pnl,
        each.get_price_source_display(),
    )


def _money(portfolio: Portfolio, start: date | None, end: date) -> Table:
    found = cash.papers(portfolio_id=portfolio.pk, until=end)
    if start is not None:
        found = found.filter(session_date__gte=start)
    columns = (
        Column("Session", "date"),
        Column("Type"),
        Column("Amount", "signed:money2"),
        Column("External", "text"),
        Column("Reason"),
    )
    rows = tuple(
        (
            each.session_date,
            each.get_type_display(),
            each.amount,
            "yes" if each.external_flow else "no",
            each.reason,
        )
        for each in _bounded(found)[::-1]
    )
    return Table("Cash transactions", columns, rows, empty="No money came in or went out.")


def _values(portfolio: Portfolio, start: date | None, end: date) -> Table:
    found = snapshots.series(portfolio_id=portfolio.pk, until=end, start=start)
    columns = (
        Column("Session", "date"),
        Column("NAV", "money2"),
        Column("Cash", "money2"),
        Column("Flows", "signed:money2"),
        Column("Day P&L", "signed:money2"),
        Column("Day return", "signed:pct2"),
        Column("Drawdown", "pct2"),
        Column("VaR 95%", "money0"),
    )
    rows = tuple(
        (
            each.session_date,
            each.nav,
            each.cash,
            each.flows,
            each.daily_pnl,
            each.daily_return,
            each.drawdown,
            each.var_95_1d,
        )
        for each in found
    )
    return Table("Value by session", columns, rows, empty="There is no snapshot of that stretch.")


def _ledger(portfolio: Portfolio, start: date | None, end: date) -> Table:
    found = LedgerEntry.objects.filter(portfolio=portfolio, session_date__lte=end)
    if start is not None:
        found = found.filter(session_date__gte=start)
    columns = tuple(
        Column(name, fmt)
        for name, fmt in (
            ("Number", "qty"), ("Leg", "qty"), ("Session", "date"), ("Kind", ""), ("Account", ""),
            ("Unit", ""), ("Amount", "price:6"), ("Source", ""), ("Reason", ""), ("Hash", ""),
        )
    )  # fmt: skip
    rows = tuple(
        (
            each.seq,
            each.leg,
            each.session_date,
            each.kind,
            each.account,
            each.instrument.symbol if each.instrument else each.currency,
            each.amount,
            each.source,
            each.reason,
            each.hash,
        )
        for each in _bounded(found.select_related("instrument").order_by("seq", "leg"))
    )
    note = f"The ledger's head is {portfolio.ledger_hash}."
    return Table("Ledger", columns, rows, note, empty="Nothing was booked.")


def _bounded(found: Any) -> list[Any]:
    rows = list(found[: MOST_ROWS + 1])
    if len(rows) > MOST_ROWS:
        raise NotEnoughData(
            f"A report holds {MOST_ROWS:,} rows a table: choose a shorter period.",
            code="too_many_rows",
        )
    return rows


def _sum(rows: Iterable[Sequence[Value]], place: int) -> Value:
    known = [each[place] for each in rows if each[place] is not None]
    if not known:
        return None
    start = Decimal(0) if isinstance(known[0], Decimal) else 0.0
    return sum(known, start)  # type: ignore[arg-type,return-value]


def _why(reason: str) -> str:
    return reason.replace("_", " ")
