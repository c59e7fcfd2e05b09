"""Books in one currency that hold what is priced in another: values, bookings and every cent."""

import random
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from etftrader.core import audit
from etftrader.core.errors import Conflict
from marketdata.models import CorporateAction, DailyBar, PriceSeries
from marketdata.selectors import calendar, exchange_rates, sessions
from portfolios.models import LedgerEntry, Position
from portfolios.selectors import positions
from portfolios.services import (
    booking,
    corporate_actions,
    reversals,
    snapshots,
    transfers,
    verification,
)
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_clock,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
    opening,
)

pytestmark = pytest.mark.django_db

RATES = {MONDAY: "1.10", TUESDAY: "1.20", WEDNESDAY: "1.15"}
CLOSES = {MONDAY: 100, TUESDAY: 104, WEDNESDAY: 102}
HALF_CENT = Decimal("0.005")


@pytest.fixture
def euro():
    found = make_instrument("EURUSD=X", kind="fx", currency="USD")
    make_closes(found, RATES)
    return found


@pytest.fixture
def dax(euro):
    found = make_instrument("DAX", currency="EUR")
    make_closes(found, CLOSES)
    return found


@pytest.fixture
def spy():
    found = make_instrument("SPY")
    make_closes(found, {MONDAY: 200, TUESDAY: 202, WEDNESDAY: 204})
    return found


def take(book, day):
    [row] = snapshots.take(portfolio_ids=[book.pk], session_date=day)
    return row


def test_a_foreign_fill_books_money_of_the_book_at_its_rate(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, fee=10, rate="1.10")
    book.refresh_from_db()
    held = Position.objects.get(portfolio=book)
    assert book.cash == Decimal(100_000) - Decimal(11_000) - Decimal(11)
    assert (held.cost_basis, held.fees) == (Decimal(11_000), Decimal(11))
    legs = LedgerEntry.objects.filter(portfolio=book, kind="fill")
    assert set(legs.values_list("exchange_rate", flat=True)) == {Decimal("1.1")}
    assert set(legs.filter(instrument=None).values_list("currency", flat=True)) == {"USD"}
    assert verification.verify(portfolio_id=book.pk) == []
    made = fill(book, dax, -40, 110, rate="1.20", session_date=TUESDAY)
    assert made.realized_pnl == Decimal(40 * 110) * Decimal("1.2") - Decimal(4_400)


@pytest.mark.parametrize("book_it", [fill, opening])
def test_without_a_rate_nothing_is_booked_and_the_way_out_is_named(dax, book_it):
    book = make_portfolio(cash=100_000)
    with pytest.raises(Conflict) as refused:
        book_it(book, dax, 100, 100)
    assert refused.value.code == "no_exchange_rate"
    assert "EURUSD=X" in refused.value.detail
    assert book.entries.count() == 2  # the deposit alone
    assert not Position.objects.open().filter(portfolio=book).exists()


def test_the_rate_of_a_booking_is_under_its_hash(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    rows = list(LedgerEntry.objects.filter(portfolio=book, kind="fill").order_by("leg"))
    assert audit.digest(booking.content(rows)) == rows[0].hash
    for row in rows:
        row.exchange_rate = Decimal("1.2")
    assert audit.digest(booking.content(rows)) != rows[0].hash


def test_a_snapshot_values_at_the_close_and_its_rate_and_keeps_both(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    first = take(book, MONDAY)
    second = take(book, TUESDAY)
    assert first.nav == Decimal(100_000)
    assert second.nav == Decimal(89_000) + Decimal("12480")
    assert second.daily_pnl == Decimal(1_480)
    [line] = second.positions.all()
    assert (line.price, line.exchange_rate) == (Decimal(104), Decimal("1.2"))
    assert (line.exposure, line.daily_pnl) == (Decimal(12_480), Decimal(1_480))
    assert abs(second.identity_gap) < HALF_CENT
    worth = positions.at(portfolio=book, session_date=TUESDAY)
    [shown] = worth.valuation.lines
    assert (shown.price, shown.exposure, shown.rate.value) == (
        Decimal(104),
        Decimal(12_480),
        Decimal("1.2"),
    )


def test_a_book_in_euros_holds_dollar_funds(spy, euro):
    book = make_portfolio(cash=100_000, base_currency="EUR")
    fill(book, spy, 110, 200, rate=Decimal(1) / Decimal("1.10"))
    row = take(book, TUESDAY)
    worth = Decimal(110) * 202 / Decimal("1.2")
    assert row.nav == pytest.approx(Decimal(80_000) + worth, abs=Decimal("0.00001"))
    assert abs(row.identity_gap) < HALF_CENT


def test_a_holding_without_a_rate_has_no_value_and_says_why(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    DailyBar.objects.filter(instrument__symbol="EURUSD=X").delete()
    PriceSeries.objects.filter(instrument__symbol="EURUSD=X").delete()
    row = take(book, TUESDAY)
    [line] = row.positions.all()
    assert (line.exposure, line.reason, row.quality) == (None, "no_exchange_rate", "missing")
    assert line.price == Decimal(104)
    assert row.warnings[0]["code"] == "no_exchange_rate"
    worth = positions.at(portfolio=book, session_date=TUESDAY)
    assert worth.valuation.lines[0].exposure is None


def test_the_value_of_the_moment_uses_the_rate_of_the_moment(dax):
    make_clock(TUESDAY)
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    take(book, MONDAY)
    worth = positions.now(portfolio=book, moment=sessions.moment())
    [line] = worth.valuation.lines
    assert (worth.nav, worth.day_pnl, line.day_pnl) == (
        Decimal(101_480),
        Decimal(1_480),
        Decimal(1_480),
    )


def test_books_of_one_currency_ask_no_more_than_before(spy, django_assert_num_queries):
    book = make_portfolio(cash=100_000)
    fill(book, spy, 10, 200)
    with django_assert_num_queries(0):
        assert exchange_rates.instruments({"USD"}) == []
    assert take(book, TUESDAY).nav == Decimal(100_020)


def test_a_dividend_is_owed_at_the_last_close_before_the_ex_date(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    CorporateAction.objects.create(
        instrument=dax,
        kind="dividend",
        ex_date=TUESDAY,
        pay_date=WEDNESDAY,
        amount=Decimal(2),
        status="applied",
        source="csv",
    )
    corporate_actions.book_due(session_date=TUESDAY, portfolio_ids=[book.pk])
    row = take(book, TUESDAY)
    assert (row.receivables, row.income) == (Decimal(220), Decimal(220))
    assert abs(row.identity_gap) < HALF_CENT
    corporate_actions.book_due(session_date=WEDNESDAY, portfolio_ids=[book.pk])
    book.refresh_from_db()
    assert book.cash == Decimal(89_000) + Decimal(220)
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_dividend_waits_for_a_rate_and_is_booked_when_there_is_one(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10")
    CorporateAction.objects.create(
        instrument=dax,
        kind="dividend",
        ex_date=TUESDAY,
        amount=Decimal(2),
        status="applied",
        source="csv",
    )
    bars = DailyBar.objects.filter(instrument__symbol="EURUSD=X")
    kept = list(bars)
    bars.delete()
    told = corporate_actions.book_due(session_date=TUESDAY, portfolio_ids=[book.pk])
    assert told["warnings"][0]["code"] == "no_exchange_rate"
    assert not book.entries.filter(kind="dividend").exists()
    DailyBar.objects.bulk_create(kept)
    told = corporate_actions.book_due(session_date=TUESDAY, portfolio_ids=[book.pk])
    assert told["counts"]["dividends"] == 1


def test_a_reversal_takes_the_same_money_back_whatever_the_rate_is_by_then(dax):
    book = make_portfolio(cash=100_000)
    fill(book, dax, 100, 100, rate="1.10", source="test:one")
    reversals.reverse(
        portfolio_id=book.pk, source="test:one", reason="a mistake", by=HOUSE, session_date=TUESDAY
    )
    book.refresh_from_db()
    assert book.cash == Decimal(100_000)
    assert verification.verify(portfolio_id=book.pk) == []


def test_a_holding_moves_at_its_value_and_only_within_one_currency(dax):
    owner = make_user()
    origin = make_portfolio(cash=100_000, name="One", owner=owner)
    target = make_portfolio(name="Two", owner=owner)
    other = make_portfolio(name="Three", owner=owner, base_currency="EUR")
    fill(origin, dax, 100, 100, rate="1.10")
    act = transfers.Act(TUESDAY, HOUSE)
    asked = {"instrument": dax, "quantity": Decimal(50), "price": Decimal(104), "act": act}
    with pytest.raises(Conflict) as refused:
        transfers.of_holding(origin_id=origin.pk, target_id=other.pk, **asked)
    assert refused.value.code == "other_currency"
    with pytest.raises(Conflict) as refused:
        transfers.of_holding(origin_id=origin.pk, target_id=target.pk, **asked)
    assert refused.value.code == "no_exchange_rate"
    made = transfers.of_holding(
        origin_id=origin.pk, target_id=target.pk, rate=Decimal("1.2"), **asked
    )
    assert (made.amount, made.cost_basis) == (Decimal(6_240), Decimal(5_500))
    for each in (origin, target):
        assert verification.verify(portfolio_id=each.pk) == []


def test_a_year_of_trades_in_two_currencies_is_explained_to_the_cent_every_day():
    """Seeded at random; both currencies as the base, dividends, shorts and a moving rate."""
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    days = calendar.between(date(2015, 1, 5), date(2015, 12, 31))
    walk = np.random.default_rng(seed)

    def path(start, spread):
        steps = np.cumprod(1 + walk.normal(0, spread, len(days)))
        return {day: round(start * float(step), 4) for day, step in zip(days, steps, strict=True)}

    levels = {"DAX": path(100, 0.01), "SPY": path(200, 0.01)}
    rates = path(1.2, 0.006)
    dax, spy = make_instrument("DAX", currency="EUR"), make_instrument("SPY")
    for fund in (dax, spy):
        make_closes(fund, levels[fund.symbol])
    make_closes(make_instrument("EURUSD=X", kind="fx"), rates)
    books = []
    for base in ("USD", "EUR"):
        fields = {"allow_short": True, "whole_shares": False, "base_currency": base}
        books.append(make_portfolio(name=base, session_date=days[0], cash=10**7, **fields))
    for place in range(20, len(days), 50):
        for fund in (dax, spy):
            CorporateAction.objects.create(
                instrument=fund, kind="dividend", ex_date=days[place], amount=Decimal("0.61"),
                pay_date=days[place] + timedelta(days=9), status="applied", source="csv",
            )  # fmt: skip
    ids, last = [each.pk for each in books], {}
    for number, day in enumerate(days):
        corporate_actions.book_due(session_date=day, portfolio_ids=ids)
        known = exchange_rates.closing(currencies={"EUR", "USD"}, session_date=day)
        for fund in dice.sample([dax, spy], dice.choice((0, 1, 2))):
            units = Decimal(dice.choice((-1, 1)) * dice.randint(1, 90_000)) / 100
            price = Decimal(str(round(levels[fund.symbol][day] * dice.uniform(0.99, 1.01), 4)))
            for book in books:
                rate = known.between(fund.currency, book.base_currency).value
                fill(book, fund, units, price, fee="1.23", session_date=day, rate=rate,
                     source=f"t:{number}:{fund.symbol}")  # fmt: skip
        if dice.random() < 0.1:
            for book in books:
                deposit(book, dice.randint(1, 999), session_date=day, source=f"d:{number}")
        for row in snapshots.take(portfolio_ids=ids, session_date=day):
            assert abs(row.identity_gap) < HALF_CENT, (seed, day)
            before = last.get(row.portfolio_id)
            if before is not None:
                lines = sum(each.daily_pnl for each in row.positions.all())
                gone = row.daily_pnl - lines + row.fees
                assert abs(gone) < Decimal("0.01"), (seed, day, gone)
            last[row.portfolio_id] = row
    for book in books:
        assert verification.verify(portfolio_id=book.pk) == [], seed
        assert book.entries.filter(kind="dividend", leg=1).count() >= 5, seed
        again = snapshots.take_range(portfolio_ids=[book.pk], sessions=days)
        assert {each.revision for each in again} == {1}, seed
