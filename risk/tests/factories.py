"""Real prices of the bundle, and books on them, for the tests of risk."""

from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.contrib.auth.models import Group

from etftrader.core import actor
from marketdata.models import DailyBar, Instrument, InstrumentAlias, PriceSeries
from marketdata.providers.bundled import BundledProvider
from marketdata.selectors import calendar
from marketdata.selectors.sessions import at_close
from marketdata.services import bar_store, instruments, price_sync
from portfolios.models import Account, Customer, Membership, Portfolio, User
from portfolios.services import ledger, snapshots
from risk.services import covariance, limits, stop_loss, var

START = date(2016, 6, 22)
CLOSE = calendar.close_time(START)
BARS_SINCE = date(2016, 3, 15)
HOUSE = actor.system("tests")

# Factor Rotation of the demo: shares bought at the close of 2016-03-31
ROTATION = {
    "SPY": 321, "MTUM": 992, "QUAL": 1135, "USMV": 1720, "VLUE": 1300, "XLK": 1487, "XLU": 1330,
    "XLE": 1066, "VGK": 1360, "EWG": 2565, "EWU": 2104, "EWJ": 1446, "EEM": 1927, "TLT": 505,
    "LQD": 555,
}  # fmt: skip
ROTATION_CASH = Decimal("10326.72")  # after the round trip in FXI, product.md 2.5


@lru_cache(maxsize=1)
def _bundle():
    """The bundle read once a test run."""
    source = BundledProvider(until=date(2016, 7, 1))
    table = source.instruments()
    rows = {
        each.symbol: list(source.bars([each.symbol], date(2008, 1, 2), date(2016, 7, 1)))
        for each in table
    }
    return table, rows


_KEPT: dict[date, list[list[Any]]] = {}


def load_bundle(until: date = START) -> None:
    """Every bundled instrument with its whole series, and its bars since March 2016.

    The table of bars is what takes long to write; marks and stops read only its newest rows.
    Rows the services wrote once are written as they are the next time.
    """
    if until in _KEPT and not Instrument.objects.exists():
        for rows in _KEPT[until]:
            type(rows[0]).objects.bulk_create(rows)
        return
    empty = not Instrument.objects.exists()
    _write_bundle(until)
    if empty:
        tables = (Instrument, InstrumentAlias, DailyBar, PriceSeries)
        kept = [list(table.objects.all()) for table in tables]
        _KEPT[until] = [rows for rows in kept if rows]


def _write_bundle(until: date) -> None:
    table, rows = _bundle()
    for symbol, instrument in instruments.load_reference(rows=table).items():
        known = [row for row in rows[symbol] if row.session_date <= until]
        recent = [row for row in known if row.session_date >= BARS_SINCE]
        bar_store.upsert(recent, {symbol: instrument})
        bar_store.pack_series(instrument, known)


def advance(until: date) -> None:
    """The prices of the sessions up to one."""
    price_sync.sync(session_date=until)


def make_user(email: str = "owner@example.com", **facts) -> User:
    """A person who may sign in."""
    user = User.objects.filter(email=email).first()
    return user or User.objects.create_user(email=email, password="secret-Pass-1", **facts)


def make_portfolio(*, owner: User | None = None, name: str = "Book", cash=1_000_000, **facts):
    """A portfolio with cash, booked through the ledger."""
    user = owner or make_user()
    customer, _ = Customer.objects.get_or_create(user=user, defaults={"name": "Owner"})
    account, _ = Account.objects.get_or_create(customer=customer, name="Account")
    portfolio = Portfolio.objects.create(
        account=account, name=name, opened_on=date(2016, 3, 31), **facts
    )
    Membership.objects.create(portfolio=portfolio, user=user, role="owner", can_trade=True)
    if cash:
        ledger.book_flow(
            portfolio_id=portfolio.pk,
            amount=Decimal(cash),
            session_date=date(2016, 3, 31),
            source="test:cash",
            by=HOUSE,
        )
    portfolio.refresh_from_db()
    return portfolio


def hold(portfolio, symbol: str, quantity, session_date: date = date(2016, 3, 31)) -> None:
    """Buy or sell short at the real close of a session, without costs."""
    instrument = Instrument.objects.get(symbol=symbol)
    bar = instrument.bars.get(session_date=session_date)
    ledger.book_fill(
        portfolio_id=portfolio.pk,
        instrument=instrument,
        quantity=Decimal(quantity),
        price=bar.close,
        fee=Decimal(0),
        source=f"test:{symbol}:{quantity}:{session_date}",
        session_date=session_date,
    )
    portfolio.refresh_from_db()


def make_rotation(owner: User | None = None):
    """Factor Rotation with its shares, and the cash the story gives it."""
    portfolio = make_portfolio(owner=owner, name="Factor Rotation")
    for symbol, shares in ROTATION.items():
        hold(portfolio, symbol, shares)
    ledger.book_flow(
        portfolio_id=portfolio.pk,
        amount=ROTATION_CASH - portfolio.cash,
        session_date=date(2016, 5, 31),
        source="test:round-trip",
        by=HOUSE,
    )
    portfolio.refresh_from_db()
    return portfolio


def make_private(portfolio, value=250_000) -> Instrument:
    """A fund only its owner values, held once."""
    owner = portfolio.memberships.get(role="owner").user
    fund = instruments.create_private(owner_id=owner.pk, symbol="PRIVATE-FUND", name="Private")
    instruments.value_manually(
        instrument=fund, session_date=date(2016, 3, 31), price=Decimal(value)
    )
    hold(portfolio, fund.symbol, 1)
    return fund


def closing(session_date: date = START):
    """The market clock's moment at a close."""
    return at_close(session_date)


def make_measured(day: date) -> Portfolio:
    """The rotation on the bundle with everything the night of a session leaves; a trader owns it."""
    load_bundle()
    owner = make_user()
    owner.groups.add(Group.objects.get(name="Trader"))
    portfolio = make_rotation(owner)
    covariance.compute_daily(session_date=day)
    covariance.ensure_stressed(session_date=day)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)
    var.compute(portfolio_ids=[portfolio.pk], session_date=day)
    limits.evaluate(portfolio_ids=[portfolio.pk], session_date=day)
    stop_loss.evaluate(portfolio_ids=[portfolio.pk], session_date=day)
    return portfolio
