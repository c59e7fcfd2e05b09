"""Real prices through the provider of files, a night at a time: equity is explained to the cent.

43 funds, 24 stocks, the VIX and the yields come in as the product brings them in. Books hold
Apple and NextEra through their splits of four for one, Pfizer through its spin-off, all of them
through their dividends, long and short, with whole and with fractional shares. What they must be
worth is counted here from the raw files alone.
"""

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from itertools import chain as joined
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.selectors import calendar, prices
from marketdata.services import corporate_actions as market
from marketdata.services import price_sync, universes
from portfolios.models import LedgerEntry, PortfolioSnapshot, Position
from portfolios.services import corporate_actions, snapshots, verification
from portfolios.tests.factories import HOUSE, fill, make_portfolio

pytestmark = pytest.mark.django_db
FIRST, LAST = date(2020, 8, 3), date(2020, 11, 30)
SESSIONS = calendar.between(FIRST, LAST)
CASH = Decimal(1_000_000)
CENT = Decimal("0.005")
PRICE = Decimal("0.0001")
FILES = {
    "funds": "etf_daily_2016_2021",
    "stocks": "stock_daily_2016_2020",
    "^VIX": "vix_daily_1990_2026",
    "yields": "ust_cmt_yields_2005_2026",
}
SPLITS = {("AAPL", date(2020, 8, 31)): 4, ("NEE", date(2020, 10, 27)): 4}
HELD = {
    "long": {"AAPL": 100, "NEE": 33, "PFE": 101, "SPY": 40, "TLT": 25},
    "short": {"AAPL": -100, "NEE": -33, "PFE": -101, "QQQ": -10},
    "fractions": {"AAPL": "12.345678", "NEE": "0.5", "PFE": "33.333333", "IWM": "7.25"},
}


@dataclass
class Book:
    """What one portfolio holds, counted by hand."""

    units: dict[str, Decimal]
    whole: bool
    cash: Decimal = CASH
    worth: dict[date, Decimal] = field(default_factory=dict)

    def morning(self, row: dict[str, str], last: dict[str, Decimal]) -> None:
        """Take a dividend and a split of a stock into account, before the day's price."""
        symbol = row["symbol"]
        units = self.units.get(symbol)
        if units is None:
            return
        self.cash += to_cash(units * Decimal(row["dividend"]))
        ratio = Decimal(row["split"])
        units = (units * ratio).quantize(Decimal("0.000001"), ROUND_HALF_UP)
        if self.whole and units % 1 and ratio != 1:
            fraction = units % 1
            price = (last[symbol] / ratio).quantize(PRICE, ROUND_HALF_UP)
            self.cash += to_cash(fraction * price)
            units -= fraction
        self.units[symbol] = units


def to_cash(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.000001"), ROUND_HALF_UP)


@pytest.fixture
def raw(shared_folder: Path, tmp_path: Path, settings: Any) -> dict[date, list[dict[str, str]]]:
    """The files' lines of the half-year, by day; the same lines in a folder of the provider."""
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    by_day: dict[date, list[dict[str, str]]] = {day: [] for day in SESSIONS}
    for name, file in FILES.items():
        lines = list(read(shared_folder / "data" / f"{file}.csv.gz"))
        inside = [line for line in lines if FIRST <= date.fromisoformat(line["date"]) <= LAST]
        with (tmp_path / f"{name}.csv").open("w", newline="") as target:
            writer = csv.DictWriter(target, list(lines[0]))
            writer.writeheader()
            writer.writerows(inside)
        if name in ("funds", "stocks"):
            for line in inside:
                by_day[date.fromisoformat(line["date"])].append(line)
    return by_day


def read(path: Path) -> Iterator[dict[str, str]]:
    with gzip.open(path, "rt", newline="") as file:
        yield from csv.DictReader(file)


def night(day: date, ids: list[Any]) -> dict[str, int]:
    """What the timetable does with a session that has closed; counts what was booked."""
    price_sync.sync(session_date=day)
    market.apply_due(session_date=day)  # the sync has done so already: twice is once
    booked: dict[str, int] = corporate_actions.book_due(session_date=day, portfolio_ids=ids)[
        "counts"
    ]
    snapshots.take(portfolio_ids=ids, session_date=day)
    return booked


def test_equity_is_explained_to_the_cent_through_splits_and_dividends(raw: Any) -> None:
    price_sync.load_history(until=FIRST)
    assert Instrument.objects.count() == 44 + 24 + 1
    held = Instrument.objects.filter(symbol__in={*joined.from_iterable(HELD.values())})
    universes.keep(
        name="Held", instrument_ids=[each.pk for each in held], session_date=FIRST, by=HOUSE
    )
    books = {
        name: Book({symbol: Decimal(units) for symbol, units in told.items()}, name != "fractions")
        for name, told in HELD.items()
    }
    nightly = {name: opened(name, book, raw[FIRST]) for name, book in books.items()}
    # the same books, of whose actions and snapshots nobody thinks until the end
    late = {name: opened(f"{name}, late", book, raw[FIRST]) for name, book in books.items()}
    last = closes(raw[FIRST])
    for name, book in books.items():
        book.cash -= sum(book.units[symbol] * last[symbol] for symbol in book.units)
        snapshots.take(portfolio_ids=[nightly[name].pk], session_date=FIRST)
        book.worth[FIRST] = CASH
    ids = [each.pk for each in nightly.values()]
    totals = dict.fromkeys(("splits", "in_lieu", "dividends", "payments"), 0)

    for day in SESSIONS[1:]:
        for row in raw[day]:
            for book in books.values() if "dividend" in row else ():
                book.morning(row, last)
        last |= closes(raw[day])
        for name, number in night(day, ids).items():
            if name in totals:
                totals[name] += number
        for name, book in books.items():
            worth = sum(units * last[symbol] for symbol, units in book.units.items())
            book.worth[day] = book.cash + worth
            taken = PortfolioSnapshot.objects.get(portfolio=nightly[name], session_date=day)
            assert abs(taken.nav - book.worth[day]) < CENT, (day, name)
            assert abs(taken.identity_gap) < CENT

    assert totals == {"splits": 9, "in_lieu": 2, "dividends": 15, "payments": 15}
    assert not QuarantinedPrice.objects.exists()
    for name, portfolio in nightly.items():
        for symbol, units in books[name].units.items():
            held = Position.objects.get(portfolio=portfolio, instrument__symbol=symbol)
            assert held.quantity == units, (name, symbol)
        assert verification.verify(portfolio_id=portfolio.pk) == []
    _prices_are_restated_consistently(raw)
    _late_knowledge_gives_the_same_worth(books, late)
    _twice_changes_nothing(ids)


def opened(name: str, book: Book, rows: list[dict[str, str]]) -> Any:
    portfolio = make_portfolio(
        name=name,
        cash=CASH,
        session_date=FIRST,
        allow_short=name.startswith("short"),
        whole_shares=book.whole,
    )
    for symbol, units in book.units.items():
        fund = Instrument.objects.get(symbol=symbol)
        fill(portfolio, fund, units, closes(rows)[symbol], session_date=FIRST)
    return portfolio


def closes(rows: list[dict[str, str]]) -> dict[str, Decimal]:
    return {row["symbol"]: Decimal(row["close"]).quantize(PRICE, ROUND_HALF_UP) for row in rows}


def _prices_are_restated_consistently(raw: Any) -> None:
    """Stored in today's shares, shown in those of the day, without a step that nobody made."""
    for (symbol, ex_date), ratio in SPLITS.items():
        fund = Instrument.objects.get(symbol=symbol)
        bars = dict(DailyBar.objects.filter(instrument=fund).values_list("session_date", "close"))
        assert sorted(bars) == SESSIONS
        for day in SESSIONS:
            traded = closes(raw[day])[symbol]
            shares = ratio if day < ex_date else 1
            assert abs(bars[day] * shares - traded) < PRICE, (symbol, day)
            shown = prices.marks(instruments=[fund], session_date=day)[fund.pk]
            assert shown.price == traded, (symbol, day)
        series = PriceSeries.objects.get(instrument=fund)
        assert np.abs(np.diff(np.log(series.close))).max() < 0.12
        assert series.close.tolist() == pytest.approx([float(bars[day]) for day in SESSIONS])
    actions = CorporateAction.objects.filter(instrument__symbol__in=HELD["long"])
    assert set(actions.values_list("status", flat=True)) == {"applied"}


def _late_knowledge_gives_the_same_worth(books: dict[str, Book], late: dict[str, Any]) -> None:
    ids = [each.pk for each in late.values()]
    corporate_actions.book_due(session_date=LAST, portfolio_ids=ids)
    snapshots.take_range(portfolio_ids=ids, sessions=SESSIONS)
    for name, portfolio in late.items():
        rows = PortfolioSnapshot.objects.filter(portfolio=portfolio)
        found = dict(rows.values_list("session_date", "nav"))
        assert sorted(found) == SESSIONS
        for day, worth in books[name].worth.items():
            assert abs(found[day] - worth) < CENT, (day, name)


def _twice_changes_nothing(ids: list[Any]) -> None:
    def state() -> list[Any]:
        rows = PortfolioSnapshot.objects.order_by("portfolio", "session_date")
        bars = DailyBar.objects.order_by("instrument", "session_date")
        return [
            LedgerEntry.objects.count(),
            list(rows.values_list("nav", "revision", "twr_index")),
            list(bars.values_list("instrument", "session_date", "close", "revision")),
        ]

    before = state()
    for day in SESSIONS[-3:]:
        assert set(night(day, ids).values()) == {0}
    snapshots.take_range(portfolio_ids=ids, sessions=SESSIONS)

    assert state() == before
