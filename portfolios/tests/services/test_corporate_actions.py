"""Splits and dividends in the books, by hand: once, balanced, and without a jump in equity."""

from datetime import date
from decimal import Decimal

import pytest

from etftrader.core.errors import Conflict
from etftrader.core.records import AuditEvent
from marketdata.models import (
    CorporateAction,
    Instrument,
    InstrumentAlias,
    OptionContract,
)
from marketdata.selectors import sessions
from marketdata.services import corporate_actions as market
from portfolios.models import CashTransaction, LedgerEntry, Portfolio, PortfolioSnapshot, Position
from portfolios.selectors import holdings, positions
from portfolios.services import corporate_actions, reversals, snapshots, verification
from portfolios.tests.factories import (
    HOUSE,
    MONDAY,
    TUESDAY,
    WEDNESDAY,
    deposit,
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
    opening,
)

pytestmark = pytest.mark.django_db
FRIDAY, THURSDAY = date(2016, 6, 24), date(2016, 6, 23)
WEEK = [MONDAY, TUESDAY, WEDNESDAY, THURSDAY, FRIDAY]


@pytest.fixture
def fund():
    """Four for one on Wednesday, at an unchanged value: 100, 101, 25.25, 26, 27."""
    found = make_instrument("AAA")
    make_closes(found, dict(zip(WEEK, (100, 101, "25.25", 26, 27), strict=True)))
    return found


def make_action(fund, **fields):
    values = {"kind": "split", "ex_date": WEDNESDAY, "source": "csv"} | fields
    if values["kind"] == "split":
        values.setdefault("ratio", Decimal(4))
    made = CorporateAction.objects.create(instrument=fund, **values)
    market.apply(action=made)
    return CorporateAction.objects.select_related("instrument").get(pk=made.pk)


def dividend(fund, amount="0.50", **fields):
    return make_action(fund, kind="dividend", amount=Decimal(amount), **fields)


def booked(action, day=WEDNESDAY):
    return corporate_actions.apply(action=action, session_date=day)["counts"]


def held(portfolio, fund):
    row = Position.objects.get(portfolio=portfolio, instrument=fund)
    return row.quantity, row.cost_basis, row.realized_pnl


def taken(portfolio, days=WEEK):
    return {
        each.session_date: each
        for each in snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=days)
    }


def sound(portfolio):
    return verification.verify(portfolio_id=portfolio.pk) == []


def test_a_split_multiplies_units_and_keeps_cost_for_long_and_short(fund):
    long = make_portfolio(cash=2000)
    short = make_portfolio(name="Short", cash=2000, allow_short=True)
    fill(long, fund, 10, 100)
    fill(short, fund, -3, 100)
    action = make_action(fund)

    counts = booked(action)

    assert counts["splits"] == 2
    assert held(long, fund) == (40, 1000, 0)
    assert held(short, fund) == (-12, -300, 0)
    assert sound(long)
    assert sound(short)


def test_equity_and_gains_do_not_jump_over_a_split(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    booked(make_action(fund))

    days = taken(portfolio)

    assert [days[day].nav for day in WEEK] == [2000, 2010, 2010, 2040, 2080]
    assert [days[day].daily_pnl for day in WEEK] == [0, 10, 0, 30, 40]
    assert days[FRIDAY].twr_index == pytest.approx(1.04, abs=1e-12)
    assert {each.identity_gap for each in days.values()} == {0}
    lines = {each.session_date: each.positions.get() for each in days.values()}
    assert [lines[day].quantity for day in WEEK] == [10, 10, 40, 40, 40]
    assert [lines[day].price for day in WEEK] == [100, 101, Decimal("25.25"), 26, 27]
    assert [lines[day].daily_pnl for day in WEEK] == [0, 10, 0, 30, 40]


@pytest.mark.parametrize("walked", [True, False])
def test_the_running_totals_and_the_walked_ledger_give_the_same_day(fund, walked):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=MONDAY)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=TUESDAY)
    booked(make_action(fund))
    booked(dividend(fund, pay_date=FRIDAY))
    if walked:
        deposit(portfolio, 1, session_date=FRIDAY, source="later")

    [day] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=WEDNESDAY)

    # 0.50 on the ten shares of the open, not yet in cash
    assert (day.nav, day.cash, day.daily_pnl) == (2015, 1000, 5)
    assert day.flows == 0
    assert day.identity_gap == 0
    line = day.positions.get()
    assert (line.quantity, line.price, line.daily_pnl) == (40, Decimal("25.25"), 5)


def test_a_fraction_is_sold_at_the_last_close_in_the_new_units(fund):
    whole = make_portfolio(cash=2000)
    parts = make_portfolio(name="Parts", cash=2000, whole_shares=False)
    for portfolio in (whole, parts):
        fill(portfolio, fund, 5, 100)
    action = make_action(fund, ratio=Decimal("1.5"))

    counts = booked(action)

    assert counts["in_lieu"] == 1
    # 7.5 shares of cost 500; a half sold at 101 / 1.5, rounded to 67.3333
    assert held(parts, fund) == (Decimal("7.5"), 500, 0)
    assert held(whole, fund) == (7, Decimal("466.666667"), Decimal("0.333317"))
    assert Portfolio.objects.get(pk=whole.pk).cash == Decimal("1533.66665")
    legs = LedgerEntry.objects.filter(portfolio=whole, source=f"action:{action.pk}:lieu")
    assert set(legs.values_list("kind", flat=True)) == {"fill"}
    assert not legs.filter(account="fees").exists()
    assert sound(whole)
    assert sound(parts)


def test_a_reverse_split_that_leaves_less_than_a_share_ends_in_cash():
    fund = make_instrument("BBB")
    make_closes(fund, {MONDAY: 100, TUESDAY: 101, WEDNESDAY: 1520})
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 7, 100)

    booked(make_action(fund, ratio=Decimal("0.066667")))

    # 7 / 15 of a share, 0.466667, at 101 times 15
    assert held(portfolio, fund)[0] == 0
    assert Portfolio.objects.get(pk=portfolio.pk).cash == Decimal("2007.000505")
    assert Position.objects.get(portfolio=portfolio).closed_on == WEDNESDAY
    assert sound(portfolio)


def test_one_for_fifteen_is_exact_for_many_shares(fund):
    portfolio = make_portfolio(cash=200_000_000)
    fill(portfolio, fund, 1_500_000, 100)

    booked(make_action(fund, ratio=Decimal("0.066667")))

    assert held(portfolio, fund)[0] == 100_000


def test_a_dividend_is_owed_on_the_ex_date_and_paid_on_the_pay_date(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    action = dividend(fund, pay_date=FRIDAY)

    on_ex = booked(action)
    book = holdings.book(portfolio_id=portfolio.pk)
    assert (on_ex["dividends"], on_ex["payments"]) == (1, 0)
    assert (book.cash, book.receivables) == (1000, 5)
    assert holdings.book_of(Portfolio.objects.get(pk=portfolio.pk)) == book
    assert sound(portfolio)

    on_pay = booked(action, FRIDAY)
    book = holdings.book(portfolio_id=portfolio.pk)
    assert (on_pay["dividends"], on_pay["payments"]) == (0, 1)
    assert (book.cash, book.receivables) == (1005, 0)
    assert sound(portfolio)
    paper = CashTransaction.objects.get(portfolio=portfolio, type="dividend")
    assert (paper.amount, paper.external_flow, paper.session_date) == (5, False, FRIDAY)

    days = taken(portfolio)
    closes = {MONDAY: 100, TUESDAY: 101, WEDNESDAY: Decimal("25.25"), THURSDAY: 26, FRIDAY: 27}
    owed = {WEDNESDAY: 5, THURSDAY: 5, FRIDAY: 5}
    assert {day: each.nav for day, each in days.items()} == {
        day: 1000 + 10 * closes[day] + owed.get(day, 0) for day in WEEK
    }
    assert [days[day].cash for day in WEEK] == [1000, 1000, 1000, 1000, 1005]
    assert days[FRIDAY].flows == 0
    assert {each.identity_gap for each in days.values()} == {0}
    assert positions.at(portfolio=portfolio, session_date=THURSDAY).nav == days[THURSDAY].nav
    assert positions.at(portfolio=portfolio, session_date=FRIDAY).valuation.receivables == 0


def test_the_worth_of_the_moment_counts_what_is_owed(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=TUESDAY)
    booked(make_action(fund))
    booked(dividend(fund, pay_date=FRIDAY))

    worth = positions.now(portfolio=portfolio, moment=sessions.at_close(WEDNESDAY))

    assert (worth.nav, worth.valuation.cash, worth.valuation.receivables) == (2015, 1000, 5)
    assert (worth.day_pnl, worth.valuation.day_pnl) == (5, 5)


def test_without_a_pay_date_it_is_paid_on_the_ex_date(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)

    counts = booked(dividend(fund))

    assert (counts["dividends"], counts["payments"]) == (1, 1)
    assert holdings.book(portfolio_id=portfolio.pk).cash == 1005


def test_a_short_pays_and_what_it_cannot_pay_stays_owed(fund):
    portfolio = make_portfolio()
    opening(portfolio, fund, -10, 100)
    action = dividend(fund)

    first = booked(action)
    book = holdings.book(portfolio_id=portfolio.pk)
    assert (first["dividends"], first["payments"], first["waiting"]) == (1, 0, 1)
    assert (book.cash, book.receivables) == (0, -5)
    assert sound(portfolio)

    deposit(portfolio, 20, session_date=THURSDAY, source="d:2")
    second = booked(action, THURSDAY)
    book = holdings.book(portfolio_id=portfolio.pk)
    assert (second["dividends"], second["payments"], second["waiting"]) == (0, 1, 0)
    assert (book.cash, book.receivables) == (15, 0)
    assert sound(portfolio)
    entry = LedgerEntry.objects.get(source=f"action:{action.pk}:paid", account="cash")
    assert entry.session_date == THURSDAY


def test_a_short_brought_in_may_grow_by_a_split_without_leave_to_go_short(fund):
    portfolio = make_portfolio(cash=10)
    opening(portfolio, fund, -10, 100)

    booked(make_action(fund))

    assert held(portfolio, fund) == (-40, -1000, 0)
    assert sound(portfolio)


def test_what_was_held_at_the_open_decides(fund):
    before = make_portfolio(name="Sold at the open", cash=2000)
    after = make_portfolio(name="Bought on the day", cash=2000)
    fill(before, fund, 10, 100)
    fill(before, fund, -10, 25, session_date=WEDNESDAY)
    fill(after, fund, 10, 25, session_date=WEDNESDAY)

    counts = booked(dividend(fund))

    assert counts["dividends"] == 1
    assert holdings.book(portfolio_id=before.pk).cash == 1255
    assert holdings.book(portfolio_id=after.pk).cash == 1750


def test_twice_is_once_and_every_line_is_written_once(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    everything = [make_action(fund), dividend(fund)]
    for action in everything:
        booked(action)

    def state():
        return (
            list(LedgerEntry.objects.order_by("pk").values()),
            list(Position.objects.values()),
            AuditEvent.objects.count(),
            Portfolio.objects.get().version,
        )

    before = state()
    again = [booked(action, day) for action in everything for day in (WEDNESDAY, FRIDAY)]
    due = corporate_actions.book_due(session_date=FRIDAY)["counts"]

    assert {number for each in [*again, due] for number in each.values()} == {0}
    assert state() == before
    written = AuditEvent.objects.filter(chain=str(portfolio.pk))
    acts = written.filter(action__startswith="corporate_action.")
    assert sorted(acts.values_list("action", flat=True)) == [
        "corporate_action.dividend",
        "corporate_action.paid",
        "corporate_action.split",
    ]


def test_nothing_is_booked_before_its_day_or_before_prices_know_it(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    applied = make_action(fund)
    pending = CorporateAction.objects.create(
        instrument=fund, kind="dividend", ex_date=TUESDAY, amount=1, source="csv"
    )

    assert booked(applied, TUESDAY)["splits"] == 0
    with pytest.raises(Conflict) as problem:
        booked(pending)
    assert problem.value.code == "action_not_applied"
    assert corporate_actions.book_due(session_date=TUESDAY)["counts"]["dividends"] == 0
    assert held(portfolio, fund)[0] == 10


def test_what_became_known_late_stands_on_its_own_day_and_the_past_is_taken_again(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100)
    for day in WEEK[:4]:
        snapshots.take(portfolio_ids=[portfolio.pk], session_date=day)
    deposit(portfolio, 100, session_date=THURSDAY, source="d:4")

    action = make_action(fund)
    booked(action, FRIDAY)
    booked(dividend(fund), FRIDAY)
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=FRIDAY)

    navs = PortfolioSnapshot.objects.order_by("session_date").values_list("nav", flat=True)
    assert list(navs) == [2000, 2010, 2015, 2145, 2185]
    assert set(PortfolioSnapshot.objects.values_list("identity_gap", flat=True)) == {0}
    assert sound(portfolio)


def test_an_action_and_what_it_counted_on_cannot_be_taken_back(fund):
    portfolio = make_portfolio(cash=2000)
    fill(portfolio, fund, 10, 100, source="buy")
    action = make_action(fund)
    booked(action)
    fill(portfolio, fund, 4, 25, session_date=WEDNESDAY, source="more")

    def refused(source):
        with pytest.raises(Conflict) as problem:
            reversals.reverse(portfolio_id=portfolio.pk, source=source, reason="r", by=HOUSE)
        return problem.value.code

    assert refused("buy") == "corporate_action_since"
    assert refused(f"action:{action.pk}") == "corporate_action"
    reversals.reverse(portfolio_id=portfolio.pk, source="more", reason="r", by=HOUSE)
    assert held(portfolio, fund) == (40, 1000, 0)
    assert sound(portfolio)


def make_option(fund, strike=100, **fields):
    thing = make_instrument(f"AAA160715C{strike * 1000:08d}", kind="option", multiplier=100)
    return OptionContract.objects.create(
        instrument=thing,
        underlying=fund,
        root="AAA",
        expiry=date(2016, 7, 15),
        strike=strike,
        right="call",
        **fields,
    )


def test_options_of_a_whole_split_are_multiplied_and_others_are_to_be_looked_at(fund):
    option = make_option(fund)
    make_closes(option.instrument, {MONDAY: 8, TUESDAY: 9})
    portfolio = make_portfolio(cash=20_000)
    fill(portfolio, option.instrument, 3, 8)

    counts = booked(make_action(fund))

    option.refresh_from_db()
    assert (option.strike, option.adjusted) == (25, False)
    assert Instrument.objects.get(pk=option.instrument_id).symbol == "AAA160715C00025000"
    assert not InstrumentAlias.objects.exists()
    assert counts["splits"] == 1
    assert held(portfolio, option.instrument) == (12, 2400, 0)
    assert taken(portfolio, [TUESDAY])[TUESDAY].nav == 20_000 + 300
    assert taken(portfolio, [WEDNESDAY])[WEDNESDAY].nav == 20_000 + 300

    odd = booked(make_action(fund, ex_date=THURSDAY, ratio=Decimal("1.5")), THURSDAY)
    again = corporate_actions.book_due(session_date=FRIDAY)["counts"]

    option.refresh_from_db()
    assert (option.strike, option.adjusted) == (25, True)
    assert (odd["splits"], odd["to_review"], again["to_review"]) == (0, 1, 0)
    assert held(portfolio, option.instrument)[0] == 12
    assert positions.under_review(portfolio_id=portfolio.pk) == ["AAA160715C00025000"]
    assert sound(portfolio)
