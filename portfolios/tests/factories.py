"""Plain makers for the tests of the books: people, portfolios, instruments with prices."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.contrib.auth.models import Group

from etftrader.core import clock
from etftrader.core.actor import Actor, system
from marketdata.models import DailyBar, Instrument, PriceSeries, ReplayClock
from marketdata.selectors import calendar
from portfolios.models import Account, Customer, Membership, Portfolio, User
from portfolios.services import ledger
from portfolios.services.booking import Booking

HOUSE = system("tests")
MONDAY, TUESDAY, WEDNESDAY = date(2016, 6, 20), date(2016, 6, 21), date(2016, 6, 22)
_EPOCH = date(1970, 1, 1)


def make_user(email: str = "owner@example.com", **fields: Any) -> User:
    """A person in the group Trader; the same one for the same address."""
    user = User.objects.filter(email=email).first()
    if user is None:
        user = User.objects.create_user(email=email, password="a-long-Secret-9", **fields)
        user.groups.set(Group.objects.filter(name="Trader"))
    return user


def actor(user: User | None = None) -> Actor:
    """The actor a user is."""
    return Actor.of_user(user or make_user())


def make_portfolio(
    *,
    owner: User | None = None,
    name: str = "Book",
    cash: Any = 0,
    session_date: date = MONDAY,
    **fields: Any,
) -> Portfolio:
    """A portfolio, with a deposit when there is cash."""
    user = owner or make_user()
    customer, _ = Customer.objects.get_or_create(user=user, defaults={"name": user.email})
    account, _ = Account.objects.get_or_create(customer=customer, name="Account")
    portfolio = Portfolio.objects.create(account=account, name=name, **fields)
    Membership.objects.create(portfolio=portfolio, user=user, role="owner", can_trade=True)
    if cash:
        deposit(portfolio, cash, session_date=session_date, source="test:cash")
        portfolio.refresh_from_db()
    return portfolio


def make_instrument(symbol: str = "AAA", **fields: Any) -> Instrument:
    """A fund; the same one for the same symbol."""
    values = {"name": f"Fund {symbol}", "kind": "etf", "price_basis": "close"}
    found, _ = Instrument.objects.get_or_create(symbol=symbol, defaults=values | fields)
    return found


def make_closes(instrument: Instrument, closes: dict[date, Any]) -> None:
    """Real closes, in the table of record and in the packed series."""
    days = sorted(closes)
    DailyBar.objects.bulk_create(
        DailyBar(
            instrument=instrument,
            session_date=day,
            source="bundled",
            close=Decimal(str(closes[day])),
            price_basis="close",
        )
        for day in days
    )
    level = np.array([float(closes[day]) for day in days])
    PriceSeries.objects.create(
        instrument=instrument,
        first_session=days[0],
        last_session=days[-1],
        sessions=np.array([(day - _EPOCH).days for day in days], dtype="float64"),
        close=level,
        total_return=level,
        volume=np.full(level.size, np.nan),
    )


def make_clock(session_date: date = WEDNESDAY) -> ReplayClock:
    """The market clock at a session's close."""
    return ReplayClock.objects.create(
        start=session_date - timedelta(days=365),
        session_date=session_date,
        as_of=calendar.close_time(session_date),
        moved_at=clock.now(),
    )


def deposit(
    portfolio: Portfolio, amount: Any, *, session_date: date = MONDAY, source: str = "d:1"
) -> Booking:
    """Cash in, or out with a minus."""
    return ledger.book_flow(
        portfolio_id=portfolio.pk,
        amount=Decimal(str(amount)),
        session_date=session_date,
        source=source,
        by=HOUSE,
    )


def fill(
    portfolio: Portfolio,
    instrument: Instrument,
    quantity: Any,
    price: Any,
    *,
    fee: Any = 0,
    session_date: date = MONDAY,
    source: str = "",
    rate: Any = None,
) -> Booking:
    """Buy, or sell with a minus; `rate` is of the instrument's currency in the book's."""
    return ledger.book_fill(
        portfolio_id=portfolio.pk,
        instrument=instrument,
        quantity=Decimal(str(quantity)),
        price=Decimal(str(price)),
        fee=Decimal(str(fee)),
        source=source or f"test:{instrument.symbol}:{quantity}:{price}:{session_date}",
        session_date=session_date,
        rate=None if rate is None else Decimal(str(rate)),
    )


def opening(
    portfolio: Portfolio,
    instrument: Instrument,
    quantity: Any,
    price: Any,
    *,
    session_date: date = MONDAY,
    source: str = "",
    rate: Any = None,
) -> Booking:
    """A holding brought in."""
    return ledger.book_opening(
        portfolio_id=portfolio.pk,
        instrument=instrument,
        quantity=Decimal(str(quantity)),
        price=Decimal(str(price)),
        session_date=session_date,
        source=source or f"test:opening:{instrument.symbol}:{quantity}",
        rate=None if rate is None else Decimal(str(rate)),
    )
