"""Random fills, flows, dividends and splits: the kernel's identity, and the books beside it."""

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etftrader.core.errors import LimitBreached
from marketdata.models import CorporateAction
from marketdata.selectors import calendar
from marketdata.services import corporate_actions as market
from portfolios.calculations.cost_basis import Dividend, Fill, Split
from portfolios.calculations.equity import TOLERANCE, Transfer, equity
from portfolios.models import Portfolio, Position
from portfolios.selectors import holdings
from portfolios.services import corporate_actions, ledger, verification
from portfolios.tests.factories import HOUSE, MONDAY, make_instrument, make_portfolio

FUNDS = ("AAA", "BBB")
RATIOS = ["4", "2", "1.5", "0.1", "0.333333", "0.066667", "1.054"]

names = st.sampled_from(FUNDS)
prices = st.integers(100, 900_000).map(lambda number: Decimal(number) / 1000)
units = st.integers(-40_000, 40_000).filter(bool).map(lambda number: Decimal(number) / 100)
fills = st.builds(
    Fill,
    quantity=units,
    price=prices,
    fee=st.integers(0, 5_000_000).map(lambda number: Decimal(number) / 1_000_000),
    symbol=names,
)
dividends = st.builds(
    Dividend, per_share=st.integers(1, 9_999).map(lambda n: Decimal(n) / 1000), symbol=names
)
splits = st.builds(Split, ratio=st.sampled_from(RATIOS).map(Decimal), symbol=names)
transfers = st.builds(Transfer, amount=st.integers(1, 10**6).map(Decimal))
events = st.lists(st.one_of(fills, fills, dividends, splits, transfers), max_size=40)


@settings(max_examples=300, deadline=None)
@given(events, st.tuples(prices, prices))
def test_equity_is_flows_and_gains_after_any_sequence(sequence, marks):
    found = equity(sequence, dict(zip(FUNDS, marks, strict=True)))

    assert abs(found.identity_gap) < TOLERANCE


@settings(max_examples=200, deadline=None)
@given(events, prices, st.sampled_from([each for each in RATIOS if Decimal(each) > 1]))
def test_a_split_at_its_own_price_changes_no_equity(sequence, mark, ratio):
    marks = dict.fromkeys(FUNDS, mark)
    before = equity(sequence, marks)
    after = equity(
        [*sequence, Split(Decimal(ratio), "AAA")], marks | {"AAA": mark / Decimal(ratio)}
    )

    assert abs(after.equity - before.equity) < TOLERANCE
    assert after.cash == before.cash
    assert after.realized_pnl == before.realized_pnl


@pytest.mark.django_db(transaction=True)
@settings(
    max_examples=15,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # a smaller failure is not worth its minutes
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(st.one_of(fills, fills, dividends, splits, transfers), max_size=14))
def test_the_books_say_what_the_kernel_says(sequence):
    """Parts of shares are kept, every event has a session of its own, all pay at once."""
    funds = {name: make_instrument(name) for name in FUNDS}
    CorporateAction.objects.all().delete()
    portfolio = make_portfolio(cash=100_000, allow_short=True, whole_shares=False)
    told = [Transfer(Decimal(100_000))]
    day, owed = MONDAY, []
    for number, event in enumerate(sequence):
        day = calendar.next(day)
        if not book(portfolio, funds, event, day, f"event:{number}", owed):
            continue
        told.append(event)
    paid = [corporate_actions.apply(action=each, session_date=day) for each in owed]

    expected = equity(told, dict.fromkeys(FUNDS, Decimal(50)))
    found = holdings.book(portfolio_id=portfolio.pk)
    assert found.cash + found.receivables == expected.cash
    rows = Position.objects.filter(portfolio=portfolio)
    assert sum(row.realized_pnl for row in rows) == expected.realized_pnl
    assert sum(row.quantity * 50 - row.cost_basis for row in rows) == pytest.approx(
        expected.unrealized_pnl, abs=Decimal("0.000002")
    )
    assert verification.verify(portfolio_id=portfolio.pk) == []
    assert all(each["counts"]["dividends"] == 0 for each in paid)


def book(portfolio: Portfolio, funds, event, day, source, owed) -> bool:
    """Book one event as a door would; False when the books refuse it."""
    try:
        if isinstance(event, Transfer):
            ledger.book_flow(
                portfolio_id=portfolio.pk,
                amount=event.amount,
                session_date=day,
                source=source,
                by=HOUSE,
            )
        elif isinstance(event, Fill):
            ledger.book_fill(
                portfolio_id=portfolio.pk,
                instrument=funds[event.symbol],
                quantity=event.quantity,
                price=event.price,
                fee=event.fee,
                source=source,
                session_date=day,
            )
        else:
            split = isinstance(event, Split)
            made = CorporateAction.objects.create(
                instrument=funds[event.symbol],
                kind="split" if split else "dividend",
                ex_date=day,
                ratio=event.ratio if split else None,
                amount=None if split else event.per_share,
                source="csv",
            )
            market.apply(action=made)
            made.refresh_from_db()
            corporate_actions.apply(action=made, session_date=day)
            owed.append(made)
    except LimitBreached:
        return False
    return True
