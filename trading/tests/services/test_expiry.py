"""Expired contracts are closed for cash at their intrinsic value, once, and the books add up."""

import threading
import uuid
from datetime import date
from decimal import Decimal

import pytest
from django.db import connections

from etftrader.core.records import AuditEvent
from marketdata.models import DailyBar, Instrument, PriceSeries
from marketdata.services import contracts
from marketdata.tests.option_world import BY
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot
from portfolios.services import ledger, reversals, snapshots, verification
from portfolios.tests.factories import HOUSE, fill, make_closes, make_instrument, make_portfolio
from trading.services import expiry

# AAA expires on Friday 15 July 2016
OPENED, BEFORE, LAST, LATER = (date(2016, 7, day) for day in (13, 14, 15, 18))
CALL, PUT = "AAA160715C00100000", "AAA160715P00100000"
CLOSES = {OPENED: 100, BEFORE: 103, LAST: 106, LATER: 120}
RUN = uuid.uuid4()


def make_world(closes=CLOSES):
    """A stock and two of its options at a strike of 100."""
    stock = make_instrument("AAA", kind="stock")
    make_closes(stock, closes)
    made = contracts.ensure(symbols=[CALL, PUT], by=BY).contracts
    return stock, {symbol: each.instrument for symbol, each in made.items()}


def make_book(options, held, *, cash=100_000, price=2, **fields):
    portfolio = make_portfolio(cash=cash, session_date=OPENED, allow_short=True, **fields)
    for symbol, quantity in held.items():
        fill(portfolio, options[symbol], quantity, price, session_date=OPENED)
    portfolio.refresh_from_db()
    return portfolio


def expire(*portfolios, day=LAST):
    return expiry.expire(
        portfolio_ids=[each.pk for each in portfolios], session_date=day, run_id=RUN
    )


def held(portfolio, instrument):
    row = portfolio.positions.get(instrument=instrument)
    return row.quantity, row.cost_basis, row.realized_pnl


def snapshot(portfolio, day):
    return PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=day)


def take(portfolio, day):
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)
    return snapshot(portfolio, day)


@pytest.mark.django_db
def test_long_and_short_in_and_out_of_the_money_by_hand():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 3, PUT: -5})
    # paid 3 x 2 x 100, received 5 x 2 x 100
    assert portfolio.cash == 100_400

    [item] = expire(portfolio)

    portfolio.refresh_from_db()
    # the call pays 3 x 6 x 100; the put ends worthless
    assert portfolio.cash == 102_200
    assert held(portfolio, options[CALL]) == (0, 0, 1_200)
    assert held(portfolio, options[PUT]) == (0, 0, 1_000)
    assert (item["item"], item["status"]) == (str(portfolio.pk), "ok")
    assert [(each["symbol"], each["price"], each["realized"]) for each in item["settled"]] == [
        (CALL, "6.00", "1200.00"),
        (PUT, "0.00", "1000.00"),
    ]
    rows = LedgerEntry.objects.filter(portfolio=portfolio, kind="settlement")
    assert set(rows.values_list("session_date", flat=True)) == {LAST}
    assert verification.verify(portfolio_id=portfolio.pk) == []
    lines = AuditEvent.objects.filter(chain=str(portfolio.pk), action="position.settled")
    assert [each.after["symbol"] for each in lines.order_by("seq")] == [CALL, PUT]


@pytest.mark.django_db
def test_twice_is_once():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 3})
    expire(portfolio)
    portfolio.refresh_from_db()
    before = (portfolio.cash, portfolio.ledger_seq)

    [item] = expire(portfolio)

    portfolio.refresh_from_db()
    assert (portfolio.cash, portfolio.ledger_seq) == before
    assert item == {"item": str(portfolio.pk), "status": "ok"}


@pytest.mark.django_db
def test_what_has_not_expired_stays():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 3})

    [item] = expire(portfolio, day=BEFORE)

    assert "settled" not in item
    assert held(portfolio, options[CALL])[0] == 3


@pytest.mark.django_db
def test_a_halted_portfolio_settles_too():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 1})
    Portfolio.objects.update(state="halted")

    [item] = expire(portfolio)

    assert item["status"] == "ok"
    assert held(portfolio, options[CALL])[0] == 0


@pytest.mark.django_db
def test_without_the_close_of_the_last_day_the_position_stays_and_says_why():
    stock, options = make_world({OPENED: 100, BEFORE: 103, LATER: 120})
    portfolio = make_book(options, {CALL: 1})

    [item] = expire(portfolio, day=LATER)

    assert item["status"] == "failed"
    assert item["reason"]["code"] == "no_settlement_price"
    assert item["reason"]["detail"] == f"{CALL}: no close of AAA on 2016-07-15"
    assert held(portfolio, options[CALL])[0] == 1
    # the close comes in late: it settles as of the day it expired
    PriceSeries.objects.all().delete()
    DailyBar.objects.all().delete()
    make_closes(stock, CLOSES)
    assert expire(portfolio, day=LATER)[0]["settled"][0]["session_date"] == "2016-07-15"


@pytest.mark.django_db
def test_a_short_that_cannot_be_paid_stays_owed_and_others_settle():
    _, options = make_world()
    portfolio = make_book(options, {CALL: -2, PUT: -1}, cash=100)
    # 100 + 600 received; the calls cost 1,200
    assert portfolio.cash == 700

    [item] = expire(portfolio)

    assert (item["status"], item["reason"]["code"]) == ("failed", "insufficient_cash")
    assert [each["symbol"] for each in item["settled"]] == [PUT]
    assert held(portfolio, options[CALL])[0] == -2
    ledger.book_flow(
        portfolio_id=portfolio.pk, amount=Decimal(1_000), session_date=LAST, source="d:9", by=HOUSE
    )
    assert expire(portfolio)[0]["status"] == "ok"
    portfolio.refresh_from_db()
    assert portfolio.cash == 500


@pytest.mark.django_db
def test_the_identity_holds_and_nav_is_unmoved_by_the_settlement():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 3, PUT: -5})
    held_over = take(portfolio, LAST)
    assert held_over.nav == 100_400 + 3 * 600
    assert (held_over.position_count, held_over.identity_gap) == (2, 0)
    assert [each.delta for each in held_over.positions.all()] == [0, 0]

    expire(portfolio)

    settled = snapshot(portfolio, LAST)
    assert (settled.nav, settled.identity_gap) == (held_over.nav, 0)
    assert (settled.cash, settled.position_count, settled.revision) == (settled.nav, 0, 2)
    assert settled.realized_pnl == 2_200
    after = take(portfolio, LATER)
    assert (after.nav, after.daily_pnl, after.identity_gap) == (settled.nav, 0, 0)


@pytest.mark.django_db
def test_a_late_run_restates_the_snapshots_since():
    stock, options = make_world()
    portfolio = make_book(options, {CALL: 3})
    take(portfolio, LAST)
    fill(portfolio, stock, 10, 120, session_date=LATER)
    unsettled = take(portfolio, LATER)
    # the intrinsic value of the last day stays until it is settled
    line = unsettled.positions.get(instrument=options[CALL])
    assert (line.price, line.price_session, line.price_class) == (6, LAST, "stale")

    [item] = expire(portfolio, day=LATER)

    assert item["status"] == "ok"
    for day, positions in ((LAST, 0), (LATER, 1)):
        row = snapshot(portfolio, day)
        assert (row.revision, row.position_count, row.identity_gap) == (2, positions, 0)
        assert row.ledger_seq == Portfolio.objects.get().ledger_seq or day == LAST
    assert snapshot(portfolio, LATER).nav == unsettled.nav
    assert verification.verify(portfolio_id=portfolio.pk) == []


@pytest.mark.django_db
def test_a_settlement_taken_back_by_hand_is_not_booked_again():
    _, options = make_world()
    portfolio = make_book(options, {CALL: 1})
    expire(portfolio)
    source = LedgerEntry.objects.filter(kind="settlement").values_list("source", flat=True)[0]
    reversals.reverse(portfolio_id=portfolio.pk, source=source, reason="wrong", by=HOUSE)

    [item] = expire(portfolio)

    assert (item["status"], item["reason"]["code"]) == ("failed", "settlement_taken_back")
    assert held(portfolio, options[CALL])[0] == 1


@pytest.mark.django_db(transaction=True)
def test_two_runs_at_once_settle_once():
    _, options = make_world()
    books = [make_book(options, {CALL: 3, PUT: -5}, name=f"Book {n}") for n in range(3)]
    start, failures, told = threading.Barrier(4), [], []

    def run():
        try:
            start.wait(10)
            told.append(expire(*books))
        except Exception as error:  # noqa: BLE001  shown by the assertion below
            failures.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert failures == []
    assert all(item["status"] == "ok" for items in told for item in items)
    for portfolio in books:
        rows = LedgerEntry.objects.filter(portfolio=portfolio, kind="settlement")
        assert len(set(rows.values_list("seq", flat=True))) == 2
        portfolio.refresh_from_db()
        assert portfolio.cash == 102_200
        assert verification.verify(portfolio_id=portfolio.pk) == []
    assert sum(len(item.get("settled", [])) for items in told for item in items) == 6
    assert Instrument.objects.filter(kind="option").count() == 2
