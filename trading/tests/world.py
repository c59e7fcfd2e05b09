"""A small market of made-up instruments, and books in it, for trading's tests.

AAA at 100 and BBB at 50, both with a daily volatility of 2 % and a correlation of 0.25; the
session of 2016-06-23 is being played unless a test says otherwise.
"""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
from django.contrib.auth.models import Group

from etftrader.core import clock
from etftrader.core.actor import Actor
from marketdata.models import DailyBar, Instrument, PriceSeries, Quote, ReplayClock
from marketdata.selectors import calendar, sessions
from marketdata.selectors.sessions import Moment
from portfolios.models import Account, Customer, Membership, Portfolio, User
from portfolios.services import ledger
from risk.models import CovarianceSnapshot
from risk.selectors import covariance
from trading.services.tickets import Ticket

YESTERDAY, TODAY, TOMORROW = date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24)
PRICES = {"AAA": Decimal(100), "BBB": Decimal(50)}
SIGMA, RHO = 0.02, 0.25
HALF_SPREAD_BP = 2.0
_EPOCH = date(1970, 1, 1)


def make_market(*, playing: bool = True, matrix: bool = True) -> None:
    """Instruments with their closes of the 22nd, a matrix, a clock, and quotes if it plays."""
    for symbol, price in PRICES.items():
        instrument = make_instrument(symbol)
        make_bar(instrument, YESTERDAY, price)
    if matrix:
        make_matrix()
    bar = 30
    opened = calendar.open_time(TODAY)
    ReplayClock.objects.create(
        start=YESTERDAY,
        session_date=YESTERDAY,
        as_of=opened + timedelta(minutes=bar) if playing else calendar.close_time(YESTERDAY),
        playing=TODAY if playing else None,
        bar=bar if playing else 0,
        moved_at=clock.now(),
    )
    if playing:
        for symbol, price in PRICES.items():
            quote(symbol, price)


def make_instrument(symbol: str, **fields: Any) -> Instrument:
    """One fund, half-spread 2 bp, no volume known."""
    values = {
        "name": f"Fund {symbol}",
        "kind": "etf",
        "price_basis": "close",
        "assumed_half_spread_bp": HALF_SPREAD_BP,
    }
    return Instrument.objects.create(symbol=symbol, **(values | fields))


def make_bar(instrument: Instrument, day: date, price: Decimal, **row: Any) -> None:
    """A real close, in the table of record and in the packed series."""
    DailyBar.objects.create(
        instrument=instrument,
        session_date=day,
        source="bundled",
        close=price,
        price_basis="close",
        **row,
    )
    days = np.array([(day - _EPOCH).days], dtype="float64")
    close = np.array([float(price)])
    known = PriceSeries.objects.filter(instrument=instrument).first()
    if known is not None:
        days, close = np.append(known.sessions, days), np.append(known.close, close)
        known.delete()
    PriceSeries.objects.create(
        instrument=instrument,
        first_session=_EPOCH + timedelta(days=int(days[0])),
        last_session=day,
        sessions=days,
        close=close,
        total_return=close,
        volume=np.full(close.size, np.nan),
    )


def make_volume(symbol: str, shares: int) -> None:
    """Twenty sessions of real volume up to the 22nd."""
    days = calendar.between(date(2016, 5, 1), YESTERDAY)[-20:]
    series = PriceSeries.objects.get(instrument__symbol=symbol)
    series.first_session = days[0]
    series.sessions = np.array([(day - _EPOCH).days for day in days], dtype="float64")
    series.close = series.total_return = np.full(20, float(PRICES[symbol]))
    series.volume = np.full(20, float(shares))
    series.save()


def make_matrix(day: date = YESTERDAY) -> CovarianceSnapshot:
    """The daily covariance of AAA and BBB."""
    correlations = np.array([[1.0, RHO], [RHO, 1.0]])
    return CovarianceSnapshot.objects.create(
        kind="daily",
        session_date=day,
        labels=["AAA", "BBB"],
        matrix=covariance.pack(SIGMA**2 * correlations),
        window_start=date(2015, 6, 22),
        window_end=day,
        observations=252,
        method="ewma",
        checksum="0" * 64,
    )


def quote(symbol: str, price: Decimal, *, age_s: int = 0) -> None:
    """A simulated quote of the moment, or of some seconds before."""
    Quote.objects.update_or_create(
        instrument=Instrument.objects.get(symbol=symbol),
        defaults={
            "price": price,
            "previous_close": PRICES[symbol],
            "session_date": TODAY,
            "as_of": sessions.now() - timedelta(seconds=age_s),
            "source": "SIM",
        },
    )


def next_bar(prices: dict[str, Decimal] | None = None) -> Moment:
    """One minute later, with new quotes."""
    now = ReplayClock.objects.get()
    now.as_of += timedelta(minutes=1)
    now.bar += 1
    now.save()
    for symbol, price in (PRICES | (prices or {})).items():
        quote(symbol, price)
    return sessions.moment()


def open_session() -> Moment:
    """Begin to play the 23rd: its first bar."""
    ReplayClock.objects.update(
        playing=TODAY, bar=1, as_of=calendar.open_time(TODAY) + timedelta(minutes=1)
    )
    for symbol, price in PRICES.items():
        quote(symbol, price)
    return sessions.moment()


def close_session(prices: dict[str, Decimal] | None = None, **rows: dict[str, Any]) -> Moment:
    """The 23rd ends at its real closes; a symbol's further figures go by its name."""
    for symbol, price in (PRICES | (prices or {})).items():
        make_bar(Instrument.objects.get(symbol=symbol), TODAY, price, **rows.get(symbol, {}))
    ReplayClock.objects.update(
        playing=None, bar=0, session_date=TODAY, as_of=calendar.close_time(TODAY)
    )
    return sessions.moment()


def make_user(email: str = "owner@example.com", **fields: Any) -> User:
    """A person who may sign in and may trade."""
    user = User.objects.create_user(email, "a-long-password-1", **fields)
    add_to_group(user, "Trader")
    return user


def add_to_group(user: User, name: str) -> None:
    """Give a site group, which a flush between tests may have taken away."""
    user.groups.add(Group.objects.get_or_create(name=name)[0])


def actor(user: User) -> Actor:
    """The actor a user is."""
    return Actor.of_user(user)


def make_portfolio(
    *, cash: str = "100000", user: User | None = None, name: str = "Core", **fields: Any
) -> Portfolio:
    """An account, a portfolio, its owner, and a deposit on the 22nd."""
    owner = user or User.objects.filter(email="owner@example.com").first() or make_user()
    customer, _ = Customer.objects.get_or_create(user=owner, defaults={"name": owner.email})
    account = Account.objects.create(customer=customer, name="Paper")
    portfolio = Portfolio.objects.create(account=account, name=name, **fields)
    Membership.objects.create(portfolio=portfolio, user=owner, role="owner")
    if Decimal(cash):
        ledger.book_flow(
            portfolio_id=portfolio.pk,
            amount=Decimal(cash),
            session_date=YESTERDAY,
            source="test:deposit",
            by=actor(owner),
        )
    portfolio.refresh_from_db()
    return portfolio


def hold(portfolio: Portfolio, symbol: str, quantity: str) -> None:
    """Bring in a holding at its price of the 22nd."""
    ledger.book_opening(
        portfolio_id=portfolio.pk,
        instrument=Instrument.objects.get(symbol=symbol),
        quantity=Decimal(quantity),
        price=PRICES[symbol],
        session_date=YESTERDAY,
        source=f"test:opening:{symbol}",
    )


def lift_var_limit(portfolio: Portfolio) -> None:
    """Let VaR refuse nothing here: a limit of 99 % of equity."""
    _limit(portfolio, "var", "0.99")


def lift_limits(portfolio: Portfolio) -> Portfolio:
    """Let VaR and gross exposure refuse nothing here that margin allows."""
    lift_var_limit(portfolio)
    _limit(portfolio, "gross", "10")
    return portfolio


def _limit(portfolio: Portfolio, measure: str, value: str) -> None:
    from risk.models import RiskLimit

    RiskLimit.objects.create(
        portfolio=portfolio,
        measure=measure,
        family="model",
        value=Decimal(value),
        unit="fraction",
        hard=True,
        reason="test",
        author_label="test",
        valid_from=clock.now(),
        binds_as_of=calendar.close_time(YESTERDAY),
    )


def buy(quantity: str | None = "10", symbol: str = "AAA", **fields: Any) -> Ticket:
    """A ticket to buy."""
    units = None if quantity is None else Decimal(quantity)
    return Ticket(symbol=symbol, side="buy", quantity=units, **fields)


def sell(quantity: str = "10", symbol: str = "AAA", **fields: Any) -> Ticket:
    """A ticket to sell."""
    return replace(buy(quantity, symbol, **fields), side="sell")
