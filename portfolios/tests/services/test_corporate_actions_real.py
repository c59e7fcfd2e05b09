"""Half a year of real prices: Apple's and NextEra's splits of four for one, Pfizer's spin-off."""

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from marketdata.models import CorporateAction
from marketdata.providers.base import BarRow, DividendRow, SplitRow
from marketdata.selectors import calendar
from marketdata.services import bar_store
from marketdata.services import corporate_actions as market
from portfolios.models import LedgerEntry, PortfolioSnapshot, Position
from portfolios.services import corporate_actions, snapshots, verification
from portfolios.tests.factories import fill, make_instrument, make_portfolio

FIRST, LAST = date(2020, 7, 1), date(2020, 12, 11)
CASH = Decimal(1_000_000)
UNITS = {"AAPL": 100, "NEE": 33, "PFE": 101}
PAID_LATER = {("AAPL", date(2020, 8, 7)): date(2020, 8, 13)}

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_day(shared_folder: Path) -> dict[date, list[dict[str, str]]]:
    found: dict[date, list[dict[str, str]]] = {}
    with gzip.open(shared_folder / "data/stock_daily_2016_2020.csv.gz", "rt", newline="") as file:
        for line in csv.DictReader(file):
            day = date.fromisoformat(line["date"])
            if line["symbol"] in UNITS and FIRST <= day <= LAST:
                found.setdefault(day, []).append(line)
    return found


def bar(line: dict[str, str]) -> BarRow:
    return BarRow(
        symbol=line["symbol"],
        session_date=date.fromisoformat(line["date"]),
        open=float(line["open"]),
        high=float(line["high"]),
        low=float(line["low"]),
        close=float(line["close"]),
        adj_close=float(line["adj_close"]),
        volume=int(line["volume"]),
        source="csv",
        price_basis="close",
    )


def told(line: dict[str, str]) -> Iterator[SplitRow | DividendRow]:
    day, symbol = date.fromisoformat(line["date"]), line["symbol"]
    if float(line["split"]) != 1:
        yield SplitRow(symbol, day, float(line["split"]), "csv")
    if float(line["dividend"]):
        yield DividendRow(symbol, day, float(line["dividend"]), "USD", "cash", "csv")


def morning(day, rows):
    """The step before the session's prices: what is in effect today, in data and in books."""
    market.record(rows=[each for line in rows for each in told(line)], session_date=day)
    for (symbol, ex_date), pays in PAID_LATER.items():
        CorporateAction.objects.filter(instrument__symbol=symbol, ex_date=ex_date).update(
            pay_date=pays
        )
    market.apply_due(session_date=day)
    return corporate_actions.book_due(session_date=day)["counts"]


def test_long_and_short_keep_the_identity_through_splits_and_dividends(by_day):
    sessions = calendar.between(FIRST, LAST)
    assert sorted(by_day) == sessions
    funds = {symbol: make_instrument(symbol, kind="stock") for symbol in UNITS}
    sides = {
        sign: make_portfolio(
            name=f"{sign:+}",
            cash=CASH,
            session_date=FIRST,
            allow_short=True,
            whole_shares=sign > 0,
        )
        for sign in (1, -1)
    }
    ids = [each.pk for each in sides.values()]
    # counted here from the raw file alone
    units = {
        sign: {name: Decimal(sign * number) for name, number in UNITS.items()} for sign in sides
    }
    cash = dict.fromkeys(sides, CASH)
    last: dict[str, Decimal] = {}
    totals = dict.fromkeys(("splits", "in_lieu", "dividends", "payments"), 0)

    for day in sessions:
        for name, number in morning(day, by_day[day]).items():
            if name in totals:
                totals[name] += number
        for line in by_day[day]:
            symbol, ratio = line["symbol"], Decimal(line["split"])
            for sign, held in units.items():
                cash[sign] += held[symbol] * Decimal(line["dividend"])
                held[symbol] *= ratio
                if sign > 0 and held[symbol] % 1:
                    fraction = held[symbol] % 1
                    cash[sign] += fraction * round(last[symbol] / ratio, 4)
                    held[symbol] -= fraction
            last[symbol] = Decimal(line["close"])
        for symbol, fund in funds.items():
            rows = [bar(line) for line in by_day[day] if line["symbol"] == symbol]
            bar_store.upsert(rows, {symbol: fund})
            bar_store.pack_series(fund, rows)
            if day == FIRST:
                for sign, portfolio in sides.items():
                    fill(portfolio, fund, sign * UNITS[symbol], last[symbol], session_date=FIRST)
                    cash[sign] -= sign * UNITS[symbol] * last[symbol]
        taken = snapshots.take(portfolio_ids=ids, session_date=day)
        for sign, portfolio in sides.items():
            [row] = [each for each in taken if each.portfolio_id == portfolio.pk]
            worth = cash[sign] + sum(units[sign][name] * last[name] for name in UNITS)
            assert row.nav == pytest.approx(worth, abs=Decimal("0.00001")), (day, sign)
            assert abs(row.identity_gap) < Decimal("0.005")
            assert row.flows == (CASH if day == FIRST else 0)
            of_lines = sum(each.daily_pnl or 0 for each in row.positions.all())
            if day != FIRST and not LedgerEntry.objects.filter(
                portfolio=portfolio, session_date=day, source__endswith=":lieu"
            ):
                # a close divided by 1.054 keeps six places of a share
                assert row.daily_pnl == pytest.approx(of_lines, abs=Decimal("0.001"))

    assert totals == {"splits": 6, "in_lieu": 1, "dividends": 12, "payments": 12}
    assert [verification.verify(portfolio_id=each) for each in ids] == [[], []]
    long = Position.objects.get(portfolio=sides[1], instrument=funds["AAPL"])
    [bought] = [Decimal(one["close"]) for one in by_day[FIRST] if one["symbol"] == "AAPL"]
    assert (long.quantity, long.cost_basis) == (400, 100 * bought)
    _twice_changes_nothing(ids, sessions, by_day)


def _twice_changes_nothing(ids, sessions, by_day):
    def state():
        rows = PortfolioSnapshot.objects.order_by("portfolio", "session_date")
        return LedgerEntry.objects.count(), list(rows.values_list("nav", "revision", "twr_index"))

    before = state()
    for day in sessions:
        assert set(morning(day, by_day[day]).values()) == {0}
    # the past valued again from bars the splits have restated
    snapshots.take_range(portfolio_ids=ids, sessions=sessions)
    after = state()

    assert after == before
    assert {revision for _, revision, _ in after[1]} == {1}
