"""A book with a history long enough for every figure: fills, flips, flows, fees, a dividend."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np

from marketdata.models import CorporateAction, Instrument, TreasuryYield
from marketdata.selectors import calendar
from marketdata.services import corporate_actions as market
from portfolios.models import Portfolio
from portfolios.services import corporate_actions, snapshots
from portfolios.tests.factories import (
    deposit,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
)

FIRST = date(2015, 9, 14)
LAST = date(2016, 6, 22)


@dataclass(frozen=True)
class World:
    """The book, its sessions and its funds."""

    book: Portfolio
    sessions: list[date]
    funds: dict[str, Instrument]


def walk(seed: int, count: int, start: float = 100.0) -> list[Decimal]:
    """Closes of a fund, four places."""
    steps = np.random.default_rng(seed).normal(0.0004, 0.011, count - 1)
    levels = start * np.concatenate([[1.0], np.cumprod(1.0 + steps)])
    return [Decimal(f"{level:.4f}") for level in levels]


def make_world(first: date = FIRST, last: date = LAST, **fields: Any) -> World:
    """Two hundred sessions of a book that trades, pays fees, and takes money in and out."""
    days = calendar.between(first, last)
    funds = {}
    for seed, symbol in enumerate(("AAA", "BBB", "SPY", "QQQ"), start=1):
        funds[symbol] = make_instrument(symbol)
        make_closes(funds[symbol], dict(zip(days, walk(seed, len(days)), strict=True)))
    TreasuryYield.objects.bulk_create(
        TreasuryYield(session_date=day, tenor="3M", percent=0.25, source="bundled") for day in days
    )
    make_clock(days[-1])
    book = make_portfolio(
        cash=100_000, session_date=days[0], allow_short=True, whole_shares=False, **fields
    )
    trade(book, funds, days)
    snapshots.take_range(portfolio_ids=[book.pk], sessions=days)
    book.refresh_from_db()
    return World(book, days, funds)


def trade(book: Portfolio, funds: dict[str, Instrument], days: list[date]) -> None:
    """Buys, sells, a flip to short and back, a round trip in one day; deposits, a withdrawal."""
    prices = {name: walk(seed, len(days)) for seed, name in enumerate(("AAA", "BBB"), start=1)}
    acts: list[tuple[int, str, str]] = [
        (0, "AAA", "300"),
        (5, "BBB", "120"),
        (12, "AAA", "-100"),
        (30, "BBB", "-200"),  # through zero
        (40, "", "5000"),
        (41, "", "-2500"),
        (60, "BBB", "80"),  # flat again
        (70, "AAA", "dividend"),
        (90, "AAA", "-200"),
        (110, "", "12000"),
        (120, "AAA", "150.5"),
        (130, "BBB", "40"),
        (130, "BBB", "-40"),
    ]
    for place, name, amount in acts:
        if place >= len(days):
            break
        if not name:
            deposit(book, amount, session_date=days[place], source=f"flow:{place}")
            continue
        if amount == "dividend":
            pay(funds[name], days[place])
            continue
        price = prices[name][place]
        fill(book, funds[name], amount, price, fee="1.25", session_date=days[place])


def pay(fund: Instrument, day: date) -> None:
    """Fifty cents a unit, owed from the day on."""
    made = CorporateAction.objects.create(
        instrument=fund, kind="dividend", ex_date=day, amount=Decimal("0.50"), source="csv"
    )
    market.apply(action=made)
    action = CorporateAction.objects.select_related("instrument").get(pk=made.pk)
    corporate_actions.apply(action=action, session_date=day)
