"""Random orders in books that may be short: no approved one leaves less than the margin.

The margin is computed here from the trades alone, in exact numbers, without the gate.
"""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from marketdata.selectors import sessions
from portfolios.models import Position
from portfolios.services import verification
from trading.models import Trade
from trading.services import execution, orders
from trading.tests import world
from trading.tests.storm import say

pytestmark = pytest.mark.django_db
D = Decimal
CASH = D(50_000)

symbols = st.sampled_from(sorted(world.PRICES))
sizes = st.one_of(st.integers(1, 2_500), st.integers(300, 900))
order = st.tuples(
    st.just("order"), symbols, st.sampled_from(["buy", "sell"]), sizes,
    st.sampled_from(["market", "market", "limit"]), st.integers(-8, 8),
)  # fmt: skip
bar = st.tuples(st.just("bar"), st.integers(-6, 6), st.integers(-6, 6))


class Shadow:
    """Cash and units by the trades alone."""

    def __init__(self, told) -> None:
        self.cash, self.units, self.seen, self.told = CASH, Counter(), set(), told

    def gross(self, marks):
        return sum(abs(held) * marks[symbol] for symbol, held in self.units.items())

    def equity(self, marks):
        return self.cash + sum(held * marks[symbol] for symbol, held in self.units.items())

    def follow(self, portfolio, marks):
        """Take in what was traded since; each trade either lowered gross, or its margin is there."""
        rows = Trade.objects.filter(portfolio=portfolio).exclude(pk__in=self.seen)
        for trade in rows.select_related("instrument").order_by("recorded_at"):
            before = self.gross(marks)
            sign = 1 if trade.side == "buy" else -1
            symbol = trade.instrument.symbol
            self.cash -= sign * trade.price * trade.quantity + trade.commission
            self.units[symbol] += sign * trade.quantity
            self.seen.add(trade.pk)
            after = self.gross(marks)
            if after >= before:
                assert 2 * self.equity(marks) >= after, (trade.side, trade.quantity, symbol)
                self.told["opened"] += 1
            else:
                self.told["lowered"] += 1
            self.told["short"] += self.units[symbol] < 0
        portfolio.refresh_from_db()
        assert portfolio.cash == self.cash >= 0
        held = Position.objects.filter(portfolio=portfolio)
        kept = dict(held.values_list("instrument__symbol", "quantity"))
        assert {s: q for s, q in kept.items() if q} == {s: q for s, q in self.units.items() if q}


def walk(steps, told):
    """One book through its steps, with the shadow beside it."""
    told["books"] += 1
    portfolio = world.make_portfolio(cash=str(CASH), name=f"Book {told['books']}", allow_short=True)
    world.lift_limits(portfolio)
    marks, shadow = {}, Shadow(told)
    by = world.actor(portfolio.account.customer.user)

    def move(prices):
        marks.update({symbol: D(price) for symbol, price in prices.items()})
        moment = world.next_bar(marks)
        execution.fill_waiting(moment=moment, portfolio_ids=[portfolio.pk])
        shadow.follow(portfolio, marks)

    move(world.PRICES)
    for kind, *step in steps:
        told[kind] += 1
        if kind == "bar":
            up = dict(zip(sorted(marks), step, strict=True))
            move({s: (marks[s] * (100 + up[s]) / 100).quantize(D("0.01")) for s in marks})
            continue
        symbol, side, size, order_type, apart = step
        price = (marks[symbol] * (100 + apart) / 100).quantize(D("0.01"))
        ticket = world.Ticket(
            symbol=symbol,
            side=side,
            quantity=D(size),
            order_type=order_type,
            limit_price=price if order_type == "limit" else None,
        )
        made = orders.submit(
            portfolio_id=portfolio.pk, ticket=ticket, by=by, moment=sessions.moment()
        )
        told[str(made.state)] += 1
        told["MARGIN"] += "MARGIN" in made.reasons
        shadow.follow(portfolio, marks)
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_after_every_approved_order_equity_covers_half_of_gross():
    world.make_market()
    told = Counter()

    @settings(
        max_examples=50,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(st.one_of(order, order, bar), min_size=5, max_size=16))
    def run(steps):
        walk(steps, told)

    run()

    say(f"margin: {dict(told)}")
    assert min(told[each] for each in ("opened", "short", "MARGIN", "bar")) > 30
    assert min(told["lowered"], told["accepted"]) > 10
