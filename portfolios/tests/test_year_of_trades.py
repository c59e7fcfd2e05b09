"""A year of real stocks traded at random: equity is explained daily, deposits change no return.

Two books trade alike, long and short, through Apple's and NextEra's splits of four for one,
Pfizer's spin-off and every dividend. One of them has money put in before the day's moves and taken
out after them, as daily returns count it, and invested in the mixture that stands. Seeded faults: a flow counted as a gain, a split or dividend forgotten.
"""

import csv
import gzip
import random
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from etftrader.core.money import to_money
from marketdata.providers.base import BarRow, DividendRow, SplitRow
from marketdata.selectors import calendar
from marketdata.services import bar_store
from marketdata.services import corporate_actions as market
from portfolios.models import Portfolio, PortfolioSnapshot, Position
from portfolios.services import corporate_actions, snapshots, verification
from portfolios.tests.factories import deposit, fill, make_instrument, make_portfolio

FIRST, LAST = date(2019, 12, 16), date(2020, 12, 11)
SYMBOLS = ("AAPL", "JNJ", "NEE", "PFE", "XOM")
CASH = Decimal(1_000_000)
CENT = Decimal("0.005")
SAME = 2e-7  # of the index: what six places of a share leave

pytestmark = pytest.mark.django_db


@pytest.fixture
def by_day(shared_folder: Path) -> dict[date, list[dict[str, str]]]:
    found: dict[date, list[dict[str, str]]] = {}
    with gzip.open(shared_folder / "data/stock_daily_2016_2020.csv.gz", "rt", newline="") as file:
        for line in csv.DictReader(file):
            day = date.fromisoformat(line["date"])
            if line["symbol"] in SYMBOLS and FIRST <= day <= LAST:
                found.setdefault(day, []).append(line)
    return found


def bar(line: dict[str, str]) -> BarRow:
    prices = {name: float(line[name]) for name in ("open", "high", "low", "close", "adj_close")}
    day = date.fromisoformat(line["date"])
    return BarRow(
        symbol=line["symbol"],
        session_date=day,
        volume=int(line["volume"]),
        source="csv",
        price_basis="close",
        **prices,
    )


def told(line: dict[str, str]) -> Iterator[SplitRow | DividendRow]:
    day, symbol = date.fromisoformat(line["date"]), line["symbol"]
    if float(line["split"]) != 1:
        yield SplitRow(symbol, day, float(line["split"]), "csv")
    if float(line["dividend"]):
        yield DividendRow(symbol, day, float(line["dividend"]), "USD", "cash", "csv")


class Side:
    """One book, and how much larger than the other it is."""

    def __init__(self, name: str) -> None:
        fields = {"allow_short": True, "whole_shares": False}
        self.book = make_portfolio(name=name, cash=CASH, session_date=FIRST, **fields)
        self.scale = Decimal(1)
        self.flows = 0

    def trade(self, symbol: str, units: Decimal, price: Decimal, fee: Decimal, day: date) -> None:
        """The same trade as the other book's, to scale."""
        fund = make_instrument(symbol)
        mine = to_money(units * self.scale)
        fill(self.book, fund, mine, price, fee=to_money(fee * self.scale), session_date=day,
             source=f"trade:{day}:{symbol}")  # fmt: skip

    def grow(
        self, share: Decimal, row: PortfolioSnapshot, closes: dict[str, Decimal], day: date
    ) -> None:
        """Put a share of all there is in, or take it out, at these closes, in the same mixture."""
        amount = (row.nav * share).quantize(Decimal("0.01"))
        if share > 0:
            deposit(self.book, amount, session_date=day, source=f"flow:{day}")
        held = Position.objects.open().filter(portfolio=self.book).select_related("instrument")
        for each in held.order_by("instrument__symbol"):
            symbol = each.instrument.symbol
            fill(self.book, each.instrument, to_money(each.quantity * share), closes[symbol],
                 session_date=day, source=f"grow:{day}:{symbol}")  # fmt: skip
        if share < 0:
            deposit(self.book, amount, session_date=day, source=f"flow:{day}")
        self.scale *= 1 + amount / row.nav
        self.flows += 1


def test_a_year_of_trades_is_explained_daily_and_deposits_change_no_return(by_day):
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    sessions = calendar.between(FIRST, LAST)
    assert sorted(by_day) == sessions
    funds = {symbol: make_instrument(symbol, kind="stock") for symbol in SYMBOLS}
    still, moving = Side("Still"), Side("Moving")
    ids = [still.book.pk, moving.book.pk]
    booked = dict.fromkeys(("splits", "dividends"), 0)
    traded, closes, two = 0, {}, None

    for day in sessions:
        rows = by_day[day]
        market.record(rows=[each for line in rows for each in told(line)], session_date=day)
        market.apply_due(session_date=day)
        counts = corporate_actions.book_due(session_date=day, portfolio_ids=ids)["counts"]
        booked = {name: number + counts[name] for name, number in booked.items()}
        flow = Decimal(dice.randint(5, 40)) / 100 if dice.random() < 0.15 else Decimal(0)
        inward = dice.random() < 0.6
        if (
            flow
            and inward
            and two is not None
            and not any(True for line in rows for _ in told(line))
        ):
            moving.grow(flow, two, closes, day)
        bar_store.upsert([bar(line) for line in rows], funds)
        closes = {line["symbol"]: Decimal(line["close"]).quantize(CENT / 50) for line in rows}
        for line in dice.sample(rows, dice.choice((0, 1, 1, 2))):
            price = Decimal(str(round(dice.uniform(float(line["low"]), float(line["high"])), 4)))
            units = Decimal(dice.choice((-1, 1)) * dice.randint(1, 9_000)) / 100
            fee = Decimal(dice.randint(0, 500)) / 100
            for side in (still, moving):
                side.trade(line["symbol"], units, price, fee, day)
            traded += 1
        if flow and not inward:
            [row] = snapshots.take(portfolio_ids=[moving.book.pk], session_date=day)
            moving.grow(-flow, row, closes, day)
        one, two = sorted(
            snapshots.take(portfolio_ids=ids, session_date=day),
            key=lambda row: ids.index(row.portfolio_id),
        )
        assert abs(one.identity_gap) < CENT, (seed, day)
        assert abs(two.identity_gap) < CENT, (seed, day)
        assert two.twr_index == pytest.approx(one.twr_index, rel=SAME), (seed, day)

    assert booked["splits"] >= 2
    assert booked["dividends"] >= 10
    assert (traded > 150, moving.flows > 5, still.flows) == (True, True, 0), seed
    last = PortfolioSnapshot.objects.filter(portfolio=moving.book).order_by("session_date").last()
    assert last is not None
    assert last.nav != PortfolioSnapshot.objects.get(portfolio=still.book, session_date=LAST).nav
    for side in (still, moving):
        assert Portfolio.objects.get(pk=side.book.pk).ledger_seq > 150
        assert verification.verify(portfolio_id=side.book.pk) == [], seed
