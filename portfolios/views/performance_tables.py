"""Strip and tables of a tear sheet, as the page's partials take them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from etftrader.core.formats import show
from portfolios.selectors.performance import Beside, TearSheet
from portfolios.selectors.performance_figures import Figure

MOST_PARTS, MOST_TRIPS = 60, 50
LABELS = {
    "cumulative_return": ("Total return", "signed:pct2"),
    "annual_return": ("Annual return", "signed:pct2"),
    "money_weighted_return": ("Money-weighted", "signed:pct2"),
    "money_weighted_annual": ("Money-weighted, a year", "signed:pct2"),
    "annual_volatility": ("Volatility", "pct2"),
    "sharpe": ("Sharpe", "ratio2"),
    "sortino": ("Sortino", "ratio2"),
    "downside_deviation": ("Downside deviation", "pct2"),
    "max_drawdown": ("Max drawdown", "pct2"),
    "calmar": ("Calmar", "ratio2"),
    "skew": ("Skew", "ratio2"),
    "excess_kurtosis": ("Excess kurtosis", "ratio2"),
    "hit_rate": ("Hit rate", "pct1"),
    "alpha": ("Alpha", "signed:pct2"),
    "beta": ("Beta", "ratio2"),
    "correlation": ("Correlation", "ratio2"),
    "tracking_error": ("Tracking error", "pct2"),
    "information_ratio": ("Information ratio", "ratio2"),
}
TONED = ("cumulative_return", "annual_return", "money_weighted_return", "max_drawdown", "alpha")
STRIP = (
    "cumulative_return",
    "annual_return",
    "money_weighted_return",
    "annual_volatility",
    "sharpe",
    "sortino",
    "max_drawdown",
)
STRIP_BESIDE = ("alpha", "beta", "information_ratio")
ANNUAL = ("annual_return", "money_weighted_annual")
NAMES = {
    "dividends": "Dividends",
    "interest": "Interest",
    "other_income": "Other income",
    "commissions": "Commissions of fills",
    "borrowing": "Borrowing of shares",
    "taxes": "Taxes",
    "other_fees": "Other fees",
}
FIGURE = "portfolios/cell_figure.html"
Table = dict[str, Any]


def strip(found: TearSheet) -> list[dict[str, Any]]:
    """The ten figures above everything; those beside a benchmark are of the first one."""
    shown = [_kpi(found.figures[name], found) for name in STRIP]
    first = found.beside[0] if found.beside else None
    for name in STRIP_BESIDE:
        if first is not None:
            shown.append(_kpi(first.figures[name], found, f"against {first.symbol}"))
        else:
            label, fmt = LABELS[name]
            why = "no benchmark" if found.rows else "no snapshot yet"
            shown.append({"key": name, "label": label, "fmt": fmt, "value": None, "reason": why})
    return shown


def _kpi(figure: Figure, found: TearSheet, sub: str = "") -> dict[str, Any]:
    label, fmt = LABELS[figure.key]
    if figure.value is not None and figure.key in ANNUAL and found.is_short:
        sub = "short history"
    if figure.value is not None and figure.key == "money_weighted_return":
        annual = found.figures["money_weighted_annual"]
        sub = sub or (
            f"{show(annual.value, 'signed:pct2')} a year" if annual.value is not None else ""
        )
    return {
        "key": figure.key,
        "label": label,
        "fmt": fmt,
        "value": figure.value,
        "reason": figure.detail,
        "formula": figure.formula,
        "sub": sub or (f"{found.sessions} sessions" if figure.key == "cumulative_return" else ""),
        "tone": figure.key in TONED,
    }


def figures(found: TearSheet) -> Table:
    """Every figure of the portfolio alone, with the formula it was made by."""
    return {
        "id": "figures",
        "caption": "Figures of the portfolio and how each was computed",
        "columns": [
            {"key": "name", "label": "Figure"},
            {"key": "value", "label": "Value", "kind": "template", "template": FIGURE, "css": "r"},
            {"key": "formula", "label": "How", "css": "wrap", "priority": "p3"},
        ],
        "rows": [_row(figure, found) for figure in found.figures.values()],
        "empty": {"text": "No snapshot yet."},
    }


def _row(figure: Figure, found: TearSheet) -> dict[str, Any]:
    label, fmt = LABELS[figure.key]
    short = figure.key in ANNUAL and figure.value is not None and found.is_short
    return {
        "id": figure.key,
        "name": f"{label} (short history)" if short else label,
        "value": {"value": figure.value, "fmt": fmt, "reason": figure.detail},
        "formula": figure.formula,
    }


def beside(found: TearSheet) -> Table:
    """Each benchmark, and the portfolio against it."""
    return {
        "id": "beside",
        "caption": "The portfolio against its benchmarks",
        "columns": [
            {"key": "symbol", "label": "Benchmark", "sub": "basis"},
            {"key": "return", "label": "Its return", "fmt": "signed:pct2", "tone": True},
            {"key": "alpha", "label": "Alpha", "fmt": "signed:pct2", "tone": True, "term": "alpha"},
            {"key": "beta", "label": "Beta", "fmt": "ratio2", "term": "beta"},
            {
                "key": "correlation",
                "label": "Correlation",
                "fmt": "ratio2",
                "term": "correlation",
                "priority": "p3",
            },
            {
                "key": "tracking_error",
                "label": "Tracking error",
                "fmt": "pct2",
                "term": "tracking_error",
                "priority": "p3",
            },
            {
                "key": "information_ratio",
                "label": "Information ratio",
                "fmt": "ratio2",
                "term": "information_ratio",
                "priority": "p3",
            },
        ],
        "rows": [_against(each) for each in found.beside],
        "empty": {"text": "No benchmark has prices here."},
    }


def _against(each: Beside) -> dict[str, Any]:
    row: dict[str, Any] = {
        "symbol": each.symbol,
        "basis": "prices alone" if each.is_price_series else "with dividends",
        "return": each.cumulative_return,
        "return_reason": "no price at both ends",
    }
    for name, figure in each.figures.items():
        row |= {name: figure.value, f"{name}_reason": figure.detail}
    return row


def drawdowns(found: TearSheet) -> Table:
    """The five deepest falls."""
    return {
        "id": "drawdowns",
        "caption": "The five deepest falls",
        "columns": [
            {"key": "depth", "label": "Depth", "fmt": "pct2", "tone": True},
            {"key": "peak", "label": "High", "fmt": "et:date"},
            {"key": "trough", "label": "Low", "fmt": "et:date", "priority": "p3"},
            {"key": "recovery", "label": "Made up", "fmt": "et:date"},
            {"key": "days", "label": "Days", "fmt": "int"},
        ],
        "rows": [
            {
                "depth": each.depth,
                "peak": each.peak,
                "trough": each.trough,
                "recovery": each.recovery,
                "recovery_reason": "not made up yet",
                "days": each.length_days,
            }
            for each in found.drawdowns
        ],
        "empty": {"text": "It never fell below an earlier high."},
    }


def parts(found: TearSheet, most: int = MOST_PARTS) -> Table:
    """What each position gave; the last row is the period's gain."""
    assert found.books is not None
    rows: list[dict[str, Any]] = [
        {
            "id": each.symbol or "none",
            "symbol": each.symbol or each.name,
            "name": each.name if each.symbol else "",
            "price": each.contribution.price,
            "income": each.contribution.income,
            "fees": -each.contribution.fees,
            "pnl": each.contribution.pnl,
        }
        for each in found.books.parts
    ]
    if len(rows) > most:
        half = most // 2
        rest = rows[half:-half]
        rows = [*rows[:half], _together(f"{len(rest)} others", rest), *rows[-half:]]
    if found.books.difference:
        rows.append({"symbol": "Unexplained", "name": "", "pnl": found.books.difference})
    widest = [float(row["pnl"]) for row in rows] or [0.0]
    for row in rows:
        row["bar"] = {
            "value": row["pnl"],
            "low": min(*widest, 0.0),
            "high": max(*widest, 0.0),
        }
    return {
        "id": "parts",
        "caption": "Gain of the period by position",
        "columns": [
            {"key": "symbol", "label": "Position", "sub": "name", "css": "fold"},
            {"key": "price", "label": "Price", "fmt": "signed:money2", "priority": "p3"},
            {"key": "income", "label": "Income", "fmt": "signed:money2", "priority": "p3"},
            {"key": "fees", "label": "Fees", "fmt": "signed:money2", "priority": "p3"},
            {"key": "pnl", "label": "Gain", "fmt": "signed:money2", "tone": True},
            {"key": "bar", "label": "Scale", "kind": "hbar", "priority": "p3"},
        ],
        "rows": rows,
        "totals": _together("Gain of the period", rows) if rows else None,
        "empty": {"text": "Nothing was held in this period."},
    }


def _together(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    sums = {
        key: sum((row.get(key, Decimal(0)) for row in rows), Decimal(0))
        for key in ("price", "income", "fees", "pnl")
    }
    return {"symbol": name, "name": "", **sums}


def money(found: TearSheet) -> Table:
    """From the equity at the base to that at the end; income and costs, which lie in the gain."""
    assert found.books is not None
    rows = [
        {"what": f"Equity at {found.start:%-d %b %Y}", "amount": found.rows[0].nav},
        {"what": "Money in less money out", "amount": found.flows, "signed": True},
        {"what": "Gain", "amount": found.pnl, "signed": True},
        *_lines("of it income: ", found.books.income, 1),
        *_lines("of it costs: ", found.books.costs, -1),
        {"what": f"Equity at {found.end:%-d %b %Y}", "amount": found.rows[-1].nav},
    ]
    return {
        "id": "money",
        "caption": "Equity, flows, income and costs of the period",
        "columns": [
            {"key": "what", "label": "What"},
            {"key": "amount", "label": found.currency, "fmt": "money2"},
        ],
        "rows": rows,
    }


def _lines(before: str, sums: Mapping[str, Decimal], sign: int) -> list[dict[str, Any]]:
    return [
        {"what": f"{before}{NAMES[key].lower()}", "amount": sign * amount}
        for key, amount in sorted(sums.items())
    ]


def trades(found: TearSheet) -> Table:
    """Closed round trips in figures."""
    assert found.books is not None
    told, made = found.books.trades, found.books.trades.figures
    lossless = "no round trip lost" if told.trips else "no round trip closed"
    rows = [
        ("Round trips closed", len(told.trips), "int", ""),
        ("Won and lost", f"{told.wins} and {told.losses}", "text", ""),
        ("Win rate", made.win_rate, "pct1", "no round trip closed"),
        ("Profit factor", made.profit_factor, "ratio2", lossless),
        ("Payoff ratio", made.payoff_ratio, "ratio2", "needs a gain and a loss"),
        ("Expectancy, a trip", made.expectancy, "signed:money2", "no round trip closed"),
        ("Best", told.best, "signed:money2", "no round trip closed"),
        ("Worst", told.worst, "signed:money2", "no round trip closed"),
        ("Average days held", told.average_days, "int", "no round trip closed"),
    ]
    return {
        "id": "trades",
        "caption": "Closed round trips of the period",
        "columns": [
            {"key": "name", "label": "Figure"},
            {"key": "value", "label": "Value", "kind": "template", "template": FIGURE, "css": "r"},
        ],
        "rows": [
            {"name": name, "value": {"value": value, "fmt": fmt, "reason": why}}
            for name, value, fmt, why in rows
        ],
    }


def trips(found: TearSheet, most: int = MOST_TRIPS) -> Table | None:
    """The newest closed round trips, each with its gain."""
    assert found.books is not None
    told = found.books.trades
    if not told.trips:
        return None
    return {
        "id": "trips",
        "caption": "Closed round trips, the newest first",
        "columns": [
            {"key": "symbol", "label": "Position"},
            {"key": "side", "label": "Side", "priority": "p3"},
            {"key": "opened", "label": "Opened", "fmt": "et:date", "priority": "p3"},
            {"key": "closed", "label": "Closed", "fmt": "et:date"},
            {"key": "pnl", "label": "Net gain", "fmt": "signed:money2", "tone": True},
        ],
        "rows": [
            {
                "symbol": told.symbols[each.instrument_id],
                "side": "long" if each.is_long else "short",
                "opened": each.opened,
                "closed": each.closed,
                "pnl": each.pnl,
            }
            for each in told.trips[::-1][:most]
        ],
    }
