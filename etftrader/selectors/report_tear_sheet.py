"""The tear sheet as a document: performance of a period in figures, charts and tables."""

from collections.abc import Sequence
from datetime import date

from etftrader.core.errors import NotEnoughData
from etftrader.core.formats import show
from etftrader.reports.document import (
    Block,
    Chart,
    Column,
    Figure,
    Figures,
    Grid,
    Line,
    Table,
    Value,
)
from portfolios.calculations.periods import CUSTOM, OPENING, Period
from portfolios.models import Portfolio
from portfolios.selectors.performance import Beside, TearSheet, tear_sheet

MONTHS = tuple("Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split())
FORMATS = {"fraction": "pct2", "fraction a year": "pct2", "ratio": "ratio2"}
LABELS = {
    "cumulative_return": "Total return",
    "annual_return": "Annual return",
    "money_weighted_return": "Money-weighted",
    "money_weighted_annual": "Money-weighted, a year",
    "annual_volatility": "Volatility",
    "sharpe": "Sharpe",
    "sortino": "Sortino",
    "max_drawdown": "Max drawdown",
    "calmar": "Calmar",
    "downside_deviation": "Downside deviation",
    "skew": "Skew",
    "excess_kurtosis": "Excess kurtosis",
    "hit_rate": "Hit rate",
    "alpha": "Alpha",
    "beta": "Beta",
    "correlation": "Correlation",
    "tracking_error": "Tracking error",
    "information_ratio": "Information ratio",
}
RETURNS = (
    "cumulative_return",
    "annual_return",
    "money_weighted_return",
    "money_weighted_annual",
    "alpha",
)
BOTH = "needs a gain and a loss"


def blocks(*, portfolio: Portfolio, start: date | None, end: date) -> list[Block]:
    """Everything the performance page says, in its order.

    Raises NotEnoughData for a book without a snapshot in the period.
    """
    period = Period(CUSTOM, start, end) if start is not None else Period(OPENING, end=end)
    found = tear_sheet(portfolio=portfolio, period=period, as_of=end)
    if not found.rows:
        raise NotEnoughData("There is no snapshot in that period: nothing can be told of it.")
    parts: list[Block] = [_figures(found), _curve(found), _under_water(found)]
    parts += [_beside(each) for each in found.beside]
    parts += [_months(found), _falls(found)]
    if found.books is not None:
        parts += [_contributions(found), _income_and_costs(found), _trades(found)]
    return [*parts, _formulas(found)]


def _figures(found: TearSheet) -> Figures:
    money = (
        Figure("Gain of the period", found.pnl, "signed:money2", "flows taken out"),
        Figure("Net flows", found.flows, "signed:money2"),
        Figure("VaR 95%, 1 day", found.var, "pct2", "of equity" if found.var else "not computed"),
    )
    return Figures(
        "Performance",
        (*(_figure(name, each) for name, each in found.figures.items()), *money),
    )


def _figure(name: str, each: object) -> Figure:
    unit, value = each.unit, each.value  # type: ignore[attr-defined]
    fmt = FORMATS[unit]
    return Figure(
        LABELS[name],
        value,
        f"signed:{fmt}" if name in RETURNS else fmt,
        each.detail if value is None else "",  # type: ignore[attr-defined]
    )


def _curve(found: TearSheet) -> Chart:
    base = found.rows[0].twr_index or 1.0
    mine = tuple(row.twr_index / base - 1.0 for row in found.rows)
    lines = [Line(found.name, mine)]
    for each in found.beside:
        first = each.level[0] if each.level else None
        values = tuple(
            None if level is None or not first else level / first - 1.0 for level in each.level
        )
        lines.append(Line(each.symbol, values))
    told = ", ".join(
        f"{line.name} {show(line.values[-1], 'signed:pct2')}"
        for line in lines
        if line.values[-1] is not None
    )
    days = tuple(row.session_date for row in found.rows)
    return Chart("Cumulative return", f"{told}.", days, tuple(lines), "pct1")


def _under_water(found: TearSheet) -> Chart:
    deepest = min(found.falls, default=0.0)
    said = f"At most {abs(deepest):.2%} below the highest value so far."
    days = tuple(row.session_date for row in found.rows) if found.falls else ()
    return Chart("Under water", said, days, (Line("Drawdown", found.falls),), "pct1", area=True)


def _beside(each: Beside) -> Figures:
    series = ", its price series: dividends are not in it" if each.is_price_series else ""
    return Figures(
        f"Beside {each.symbol}{series}",
        tuple(_figure(name, figure) for name, figure in each.figures.items()),
    )


def _months(found: TearSheet) -> Grid:
    rows = tuple((str(each.year), (*each.months, each.total)) for each in found.years)
    note = "Time-weighted; the first and the last month may be parts."
    return Grid("Months", (*MONTHS, "Year"), rows, "signed:pct1", note)


def _falls(found: TearSheet) -> Table:
    columns = (
        Column("Peak", "date"),
        Column("Trough", "date"),
        Column("Recovered", "date"),
        Column("Depth", "pct2"),
        Column("Days to trough", "qty"),
        Column("Days in all", "qty"),
    )
    rows = tuple(
        (
            each.peak,
            each.trough,
            each.recovery or "not yet",
            each.depth,
            each.days_to_trough,
            each.length_days,
        )
        for each in found.drawdowns
    )
    return Table("Deepest drawdowns", columns, rows, empty="There was no drawdown.")


def _contributions(found: TearSheet) -> Table:
    assert found.books is not None
    columns = (
        Column("Symbol"),
        Column("Name"),
        Column("Price", "signed:money2"),
        Column("Income", "signed:money2"),
        Column("Fees", "money2"),
        Column("Together", "signed:money2"),
    )
    parts = sorted(found.books.parts, key=lambda each: -each.contribution.pnl)
    rows: tuple[Sequence[Value], ...] = tuple(
        (
            each.symbol,
            each.name,
            each.contribution.price,
            each.contribution.income,
            each.contribution.fees,
            each.contribution.pnl,
        )
        for each in parts
    )
    total = ("Gain of the period", None, None, None, None, found.books.pnl)
    return Table("Contributions", columns, rows, "", total if rows else None)


def _income_and_costs(found: TearSheet) -> Table:
    assert found.books is not None
    rows = tuple(
        [("Income", name, amount) for name, amount in found.books.income.items()]
        + [("Costs", name, amount) for name, amount in found.books.costs.items()]
    )
    columns = (Column(""), Column("Of"), Column("Amount", "money2"))
    return Table("Income and costs", columns, rows, empty="There was neither income nor cost.")


def _trades(found: TearSheet) -> Figures:
    assert found.books is not None
    trades = found.books.trades
    none = "no round trip closed"
    lossless = "no round trip lost" if trades.trips else none
    return Figures(
        "Closed round trips",
        (
            Figure("Round trips", len(trades.trips), "text"),
            Figure("Won", trades.wins, "text"),
            Figure("Lost", trades.losses, "text"),
            Figure("Win rate", trades.figures.win_rate, "pct1", none),
            Figure("Profit factor", trades.figures.profit_factor, "ratio2", lossless),
            Figure("Payoff ratio", trades.figures.payoff_ratio, "ratio2", BOTH),
            Figure("Expectancy", trades.figures.expectancy, "signed:money2", none),
            Figure("Best", trades.best, "signed:money2", none),
            Figure("Worst", trades.worst, "signed:money2", none),
            Figure("Average days held", trades.average_days, "int", none),
        ),
    )


def _formulas(found: TearSheet) -> Table:
    figures = list(found.figures.items())
    for each in found.beside[:1]:
        figures += list(each.figures.items())
    rows = tuple((LABELS[name], each.formula) for name, each in figures if each.formula)
    columns = (Column("Figure"), Column("How it was made"))
    return Table("Formulas", columns, rows, empty="Nothing was computed.")
