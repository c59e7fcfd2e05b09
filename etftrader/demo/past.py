"""The past of a demo book: flows, fills at that day's close, round trips, in order of session."""

from datetime import date
from decimal import Decimal
from typing import NamedTuple

from etftrader.core.actor import Actor
from etftrader.core.money import to_fill_price
from etftrader.demo import overlay
from etftrader.demo.books import DemoBook
from marketdata.models import Instrument
from marketdata.selectors import calendar, prices
from portfolios.models import Portfolio
from portfolios.services import ledger
from trading.services import history

# within one session: money in, then sales (short sales bring cash), then purchases, money out
_IN, _SELL, _BUY, _OUT = range(4)


class Deed(NamedTuple):
    """One thing that happened, sortable."""

    session_date: date
    order: int
    symbol: str
    quantity: int
    amount: Decimal
    label: str


def book(
    *, portfolio: Portfolio, demo: DemoBook, start: date, fund: Instrument | None, by: Actor
) -> None:
    """Book a demo portfolio's past through the services; twice is once.

    Options trade on the session before the start, at the middle of their quote in cents.
    """
    contracts = overlay.symbols(demo.options, start)
    before = _ago(start, 1)
    deeds = sorted(_deeds(demo, start, contracts))
    closes = _closes([deed for deed in deeds if deed.symbol not in contracts], start)
    closes |= {
        (symbol, before): price for symbol, price in overlay.middles(contracts, before).items()
    }
    opened = calendar.previous(start, demo.opened_ago)
    for place, deed in enumerate(deeds):
        if deed.symbol:
            _fill(portfolio, deed, closes[deed.symbol, deed.session_date], by)
        else:
            ledger.book_flow(
                portfolio_id=portfolio.pk,
                amount=deed.amount,
                session_date=deed.session_date,
                source=f"demo:{deed.label}",
                reason="Deposit" if deed.amount > 0 else "Withdrawal",
                by=by,
            )
        if place == 0 and fund is not None:
            # subscribed for cash on the first day: there is no market to send an order to
            ledger.book_fill(
                portfolio_id=portfolio.pk,
                instrument=fund,
                quantity=Decimal(1),
                price=Decimal("250000"),
                fee=Decimal(0),
                source="demo:private-fund",
                session_date=opened,
            )


def _deeds(demo: DemoBook, start: date, contracts: list[str]) -> list[Deed]:
    nothing = Decimal(0)
    deeds = []
    for place, flow in enumerate(demo.flows):
        amount = Decimal(flow.amount)
        order = _IN if amount > 0 else _OUT
        deeds.append(Deed(_ago(start, flow.sessions_ago), order, "", 0, amount, f"flow-{place}"))
    trades = [
        (symbol, quantity, demo.opened_ago, "open") for symbol, quantity in demo.holdings.items()
    ]
    for place, trip in enumerate(demo.round_trips):
        trades.append((trip.symbol, trip.quantity, trip.opened_ago, f"trip-{place}-in"))
        trades.append((trip.symbol, -trip.quantity, trip.closed_ago, f"trip-{place}-out"))
    trades += [
        (symbol, each.contracts, 1, "overlay")
        for symbol, each in zip(contracts, demo.options, strict=True)
    ]
    for symbol, quantity, ago, label in trades:
        order = _BUY if quantity > 0 else _SELL
        deeds.append(Deed(_ago(start, ago), order, symbol, quantity, nothing, f"{label}-{symbol}"))
    return deeds


def _ago(start: date, sessions: int) -> date:
    return calendar.previous(start, sessions)


def _closes(deeds: list[Deed], start: date) -> dict[tuple[str, date], Decimal]:
    """The real close of each symbol on each session it was traded."""
    traded = {(deed.symbol, deed.session_date) for deed in deeds if deed.symbol}
    panel = prices.panel(symbols={symbol for symbol, _ in traded}, until=start)
    column = {symbol: place for place, symbol in enumerate(panel.symbols)}
    row = {session: place for place, session in enumerate(panel.sessions.tolist())}
    return {
        (symbol, session): to_fill_price(panel.close[row[session], column[symbol]])
        for symbol, session in traded
    }


def _fill(portfolio: Portfolio, deed: Deed, price: Decimal, by: Actor) -> None:
    history.book(
        portfolio_id=portfolio.pk,
        symbol=deed.symbol,
        side="buy" if deed.quantity > 0 else "sell",
        quantity=Decimal(abs(deed.quantity)),
        price=price,
        session_date=deed.session_date,
        client_order_id=f"demo-{deed.label}",
        by=by,
    )
