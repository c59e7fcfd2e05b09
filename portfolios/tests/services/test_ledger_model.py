"""T-04: any sequence of bookings, against a model that counts in whole millionths.

Seeded fault it must catch: a reversal that undoes the cash and forgets the basis.
"""

from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etftrader.core.errors import LimitBreached
from portfolios.models import Portfolio, Position
from portfolios.services import ledger, verification
from portfolios.tests.factories import HOUSE, MONDAY, deposit, fill, make_instrument, make_portfolio
from portfolios.tests.factories import opening as bring_in

SYMBOLS = ("AAA", "BBB")
MICRO = 1_000_000
# prices in ten-thousandths of a dollar, amounts in cents, quantities in hundredths
amounts = st.integers(1, 200_000)
quantities = st.integers(-2_000, 2_000).filter(bool)
prices = st.integers(1, 2_000_000)
symbols = st.sampled_from(SYMBOLS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("flow"), st.booleans(), amounts),
        st.tuples(st.just("fee"), amounts),
        st.tuples(st.just("fill"), symbols, quantities, prices, st.integers(0, 500)),
        st.tuples(st.just("opening"), symbols, quantities, prices),
        st.tuples(st.just("reverse"), st.integers(0, 1000)),
        st.tuples(st.just("again"), st.integers(0, 1000)),
    ),
    min_size=30,
    max_size=30,
)


def half_up(numerator: int, denominator: int) -> int:
    """Round away from zero at one half."""
    sign = 1 if (numerator < 0) == (denominator < 0) else -1
    whole, rest = divmod(abs(numerator), abs(denominator))
    return sign * (whole + (2 * rest >= abs(denominator)))


class Model:
    """The books in integers: cash and fees in millionths, holdings replayed from their list."""

    def __init__(self, allow_short: bool) -> None:
        self.allow_short = allow_short
        self.done: list[dict] = []  # every booking by its order
        self.cash = 0

    def holding(self, symbol: str) -> tuple[int, int, int]:
        """Quantity in hundredths, basis and realised gain in millionths."""
        held = basis = realized = 0
        for each in self.done:
            if each.get("symbol") != symbol or each["gone"]:
                continue
            units, price = each["units"], each["price"]
            if held == 0 or (held > 0) == (units > 0):
                held, basis = held + units, basis + units * price
                continue
            closed = min(abs(units), abs(held))
            sign = 1 if held > 0 else -1
            removed = basis if closed == abs(held) else half_up(basis * closed, abs(held))
            realized += sign * closed * price - removed
            basis -= removed
            held += units
            if abs(units) > closed:
                basis = held * price
        return held, basis, realized

    def pay(self, change: int) -> bool:
        """Move cash; False when it is not there."""
        if self.cash + change < 0:
            return False
        self.cash += change
        return True

    def may_hold(self, symbol: str, units: int) -> bool:
        held = self.holding(symbol)[0]
        return self.allow_short or units > 0 or held + units >= 0


class Books:
    """The real thing and the model, step by step."""

    def __init__(self, allow_short: bool) -> None:
        self.portfolio = make_portfolio(allow_short=allow_short)
        self.model = Model(allow_short)
        self.calls: list = []
        self.seq = 0

    def book(self, accepted: bool, call, record: dict) -> None:
        """Both accept or both refuse."""
        if not accepted:
            with pytest.raises(LimitBreached):
                call()
            return
        self.seq += 1
        made = call()
        assert (made.seq, made.replayed) == (self.seq, False)
        self.model.done.append({"gone": False, **record})
        self.calls.append((call, made))

    def flow(self, inward: bool, cents: int) -> None:
        signed = cents if inward else -cents
        source = f"s:{len(self.calls)}:{self.seq}"
        amount = Decimal(signed) / 100
        self.book(
            self.model.pay(signed * 10_000),
            lambda: deposit(self.portfolio, amount, source=source),
            {"source": source, "cash": signed * 10_000},
        )

    def fee(self, cents: int) -> None:
        source = f"s:{len(self.calls)}:{self.seq}"
        self.book(
            self.model.pay(-cents * 10_000),
            lambda: ledger.book_fee(
                portfolio_id=self.portfolio.pk,
                amount=Decimal(cents) / 100,
                session_date=MONDAY,
                source=source,
                by=HOUSE,
            ),
            {"source": source, "cash": -cents * 10_000},
        )

    def fill(self, symbol: str, units: int, price: int, fee: int) -> None:
        source = f"s:{len(self.calls)}:{self.seq}"
        # hundredths of a unit times ten-thousandths of a dollar are millionths
        cash = -units * price - fee * 10_000
        accepted = self.model.may_hold(symbol, units) and self.model.pay(cash)
        self.book(
            accepted,
            lambda: fill(
                self.portfolio,
                make_instrument(symbol),
                Decimal(units) / 100,
                Decimal(price) / 10_000,
                fee=Decimal(fee) / 100,
                source=source,
            ),
            {"source": source, "cash": cash, "symbol": symbol, "units": units, "price": price},
        )

    def opening(self, symbol: str, units: int, price: int) -> None:
        source = f"s:{len(self.calls)}:{self.seq}"
        self.book(
            True,
            lambda: bring_in(
                self.portfolio,
                make_instrument(symbol),
                Decimal(units) / 100,
                Decimal(price) / 10_000,
                source=source,
            ),
            {"source": source, "cash": 0, "symbol": symbol, "units": units, "price": price},
        )

    def reverse(self, choice: int) -> None:
        here = [each for each in self.model.done if not each["gone"] and "source" in each]
        if not here:
            return
        chosen = here[choice % len(here)]
        symbol, units = chosen.get("symbol"), -chosen.get("units", 0)
        accepted = self.model.cash - chosen["cash"] >= 0
        accepted = accepted and (not symbol or self.model.may_hold(symbol, units))
        self.book(
            accepted,
            lambda: ledger.reverse(
                portfolio_id=self.portfolio.pk, source=chosen["source"], reason="x", by=HOUSE
            ),
            {"cash": -chosen["cash"]},
        )
        if accepted:
            self.model.cash -= chosen["cash"]
            chosen["gone"] = True

    def again(self, choice: int) -> None:
        """What was booked once is booked once."""
        if self.calls:
            call, first = self.calls[choice % len(self.calls)]
            answer = call()
            assert answer.replayed
            assert (answer.seq, answer.hash) == (first.seq, first.hash)

    def compare(self) -> None:
        row = Portfolio.objects.get(pk=self.portfolio.pk)
        assert row.cash * MICRO == self.model.cash
        assert row.ledger_seq == self.seq
        found = {
            each.instrument.symbol: (
                each.quantity * 100,
                each.cost_basis * MICRO,
                each.realized_pnl * MICRO,
            )
            for each in Position.objects.filter(portfolio=row).select_related("instrument")
        }
        for symbol in SYMBOLS:
            assert found.get(symbol, (0, 0, 0)) == self.model.holding(symbol), symbol


def run(allow_short: bool, sequence: list) -> None:
    """One sequence in a transaction that is rolled back."""
    with transaction.atomic():
        books = Books(allow_short)
        for name, *given_ in sequence:
            getattr(books, name)(*given_)
            books.compare()
        assert verification.verify(portfolio_id=books.portfolio.pk) == []
        transaction.set_rollback(True)


COMMON = dict(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.django_db
@given(st.booleans(), steps)
@settings(max_examples=40, **COMMON)
def test_any_sequence_of_bookings_agrees_with_the_model(allow_short, sequence):
    run(allow_short, sequence)


@pytest.mark.f
@pytest.mark.django_db
@given(st.booleans(), steps)
@settings(max_examples=4_000, **COMMON)
def test_120000_steps_agree_with_the_model(allow_short, sequence):
    run(allow_short, sequence)
