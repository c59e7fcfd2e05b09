"""Random steps on two books of one owner, each step done by the services and by the model."""

import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django.db import transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from etftrader.core.errors import DomainError
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import calendar
from portfolios.choices import EntryKind
from portfolios.models import Portfolio, Position
from portfolios.services import (
    corporate_actions,
    ledger,
    reversals,
    transfers,
    verification,
)
from portfolios.tests.factories import HOUSE, MONDAY, make_portfolio
from portfolios.tests.ledger_model import (
    CENT,
    MICRO,
    PRICE,
    Model,
    Move,
    Refused,
    Row,
    Split,
    half_up,
    split,
    worth,
)

SYMBOLS = {"AAA": 100 * PRICE, "BBB": 7 * PRICE}  # and their close, always the same
DAYS = calendar.between(MONDAY, date(2016, 9, 30))
COLUMNS = ("portfolio_id", "instrument_id", "quantity", "cost_basis", "realized_pnl")
KINDS = {"deposit": 1, "withdrawal": -1, "interest": 1, "fee": -1, "tax": -1, "borrow_fee": -1}
RATIOS = {"2": (2, 1), "3": (3, 1), "1.5": (3, 2), "0.5": (1, 2), "0.25": (1, 4)}

sides = st.integers(0, 1)
symbols = st.sampled_from(sorted(SYMBOLS))
cents = st.integers(1, 2_000_000)
hundredths = st.integers(-20_000, 20_000).filter(bool)
prices = st.integers(1, 2_000_000)
choices = st.integers(0, 10_000)


@dataclass
class Tally:
    """Steps done, those of them that booked, and the time they took."""

    steps: int = 0
    booked: int = 0
    seconds: float = 0.0


def exact(number: int, scale: int) -> Decimal:
    """A whole number as the amount it stands for."""
    return Decimal(number) / scale


def refusal_of(act: Any, kind: type[Exception]) -> str:
    """The code of what is refused; empty when it is done."""
    try:
        act()
    except kind as refusal:
        return refusal.code  # type: ignore[attr-defined,no-any-return]
    return ""


class Books(RuleBasedStateMachine):
    """Two books and their models; everything is rolled back at the end of an example."""

    tally = Tally()
    funds: dict[str, Instrument]

    def __init__(self) -> None:
        super().__init__()
        self.began = time.perf_counter()
        self.stack = ExitStack()
        self.stack.enter_context(transaction.atomic())
        self.day, self.number = 0, 0
        self.calls: list[tuple[Any, Any]] = []
        self.moved: dict[str, tuple[int, Row, Row]] = {}
        self.moves: list[Move] = []
        self.actions: list[tuple[CorporateAction, Any]] = []
        self.models: list[Model] = []

    @initialize(
        shorts=st.tuples(st.booleans(), st.booleans()),
        whole=st.booleans(),
        money=st.tuples(cents, cents),
    )
    def make(self, shorts: tuple[bool, bool], whole: bool, money: tuple[int, int]) -> None:
        """Two books with some cash."""
        self.rows = [
            make_portfolio(name=str(side), allow_short=allow, whole_shares=whole)
            for side, allow in enumerate(shorts)
        ]
        self.models = [Model(allow, whole) for allow in shorts]
        self.scale = 100 if whole else 1
        for side, amount in enumerate(money):
            self.cash(side, "deposit", 10 * amount)

    @property
    def today(self) -> date:
        """The session that plays."""
        return DAYS[self.day]

    def source(self) -> str:
        """A name nothing was booked under."""
        self.number += 1
        return f"s:{self.number}"

    def both(self, expected: Any, act: Any) -> None:
        """Model and books accept, or refuse for the same reason."""
        wanted = refusal_of(expected, Refused)
        made: list[Any] = []
        assert refusal_of(lambda: made.append(act()), DomainError) == wanted
        if not wanted:
            self.calls.append((act, made[0]))
            Books.tally.booked += 1

    # --- steps ------------------------------------------------------------------------------

    @rule()
    def tomorrow(self) -> None:
        """The next session."""
        self.day = min(self.day + 1, len(DAYS) - 1)

    @rule(side=sides, kind=st.sampled_from(sorted(KINDS)), amount=cents)
    def cash(self, side: int, kind: str, amount: int) -> None:
        """Money alone."""
        source, day, model = self.source(), self.today, self.models[side]
        self.both(
            lambda: model.flow(kind, source, day, KINDS[kind] * amount * CENT),
            lambda: ledger.book_cash(
                portfolio_id=self.rows[side].pk,
                kind=EntryKind(kind),
                amount=exact(amount, 100),
                session_date=day,
                source=source,
                by=HOUSE,
            ),
        )

    @rule(side=sides, symbol=symbols, units=hundredths, price=prices, fee=st.integers(0, 500))
    def fill(self, side: int, symbol: str, units: int, price: int, fee: int) -> None:
        """Buy, sell, short, cover, flip."""
        source, day, model = self.source(), self.today, self.models[side]
        micro = units * self.scale * CENT
        self.both(
            lambda: model.fill(source, day, symbol, micro, price, fee * CENT),
            lambda: ledger.book_fill(
                portfolio_id=self.rows[side].pk,
                instrument=self.funds[symbol],
                quantity=exact(micro, MICRO),
                price=exact(price, PRICE),
                fee=exact(fee, 100),
                source=source,
                session_date=day,
            ),
        )

    @rule(side=sides, symbol=symbols, units=st.integers(1, 5_000), price=prices)
    def buy(self, side: int, symbol: str, units: int, price: int) -> None:
        """A purchase most books can pay."""
        self.fill(side, symbol, units, price, 35)

    @rule(side=sides, symbol=symbols, share=st.integers(1, 3), price=prices)
    def close(self, side: int, symbol: str, share: int, price: int) -> None:
        """Sell or cover a third, two or all of what is held."""
        held = self.models[side].holding(symbol).units // 10_000 * share // 3
        if held:
            self.fill(side, symbol, -held // self.scale or -1, price, 1)

    @rule(side=sides, symbol=symbols, units=hundredths, price=prices)
    def opening(self, side: int, symbol: str, units: int, price: int) -> None:
        """A holding brought in, short ones too."""
        source, day, model = self.source(), self.today, self.models[side]
        micro = units * self.scale * CENT
        self.both(
            lambda: model.open(source, day, symbol, micro, price),
            lambda: ledger.book_opening(
                portfolio_id=self.rows[side].pk,
                instrument=self.funds[symbol],
                quantity=exact(micro, MICRO),
                price=exact(price, PRICE),
                session_date=day,
                source=source,
            ),
        )

    @rule(symbol=symbols, ratio=st.sampled_from(sorted(RATIOS)))
    def split(self, symbol: str, ratio: str) -> None:
        """A split of today, booked twice."""
        ex = self.today
        made = self._action(symbol, "split", ratio=Decimal(ratio))
        if made is None:
            return
        key, close = f"action:{made.pk}", SYMBOLS[symbol]
        # the stored close is in today's shares; of the day before it was that many times as much
        before = half_up(close * RATIOS[ratio][0], RATIOS[ratio][1])
        price = half_up(before * RATIOS[ratio][1], RATIOS[ratio][0])

        what = Split(key, ex, symbol, RATIOS[ratio], price, close)

        def expect(model: Model) -> None:
            split(model, what, [each for each in self.moves if not each.gone.gone])

        self.actions.append((made, expect))
        self._apply(made, expect)
        self._apply(made, expect)

    @rule(symbol=symbols, per_share=st.integers(1, 50_000), wait=st.integers(0, 3))
    def dividend(self, symbol: str, per_share: int, wait: int) -> None:
        """A dividend of today, paid now or some sessions on."""
        ex = self.today
        pays = DAYS[min(self.day + wait, len(DAYS) - 1)]
        made = self._action(symbol, "dividend", amount=exact(per_share, PRICE), pay_date=pays)
        if made is None:
            return
        key = f"action:{made.pk}"

        def expect(model: Model) -> None:
            model.dividend(key, ex, pays, symbol, per_share)
            model.settle(key, self.today)

        self.actions.append((made, expect))
        self._apply(made, expect)

    def _action(self, symbol: str, kind: str, **terms: Any) -> CorporateAction | None:
        """An action stored prices know; one a symbol and day."""
        same = [each.ex_date for each, _ in self.actions if each.instrument.symbol == symbol]
        if self.today in same:
            return None
        return CorporateAction.objects.create(
            instrument=self.funds[symbol],
            kind=kind,
            ex_date=self.today,
            source="csv",
            status="applied",
            **terms,
        )

    @rule(choice=choices)
    def action_again(self, choice: int) -> None:
        """The house looks at an action another time; what waited may be paid."""
        if self.actions:
            self._apply(*self.actions[choice % len(self.actions)])

    def _apply(self, made: CorporateAction, expect: Any) -> None:
        ids = [each.pk for each in self.rows]
        for _, model in sorted(zip(ids, self.models, strict=True), key=lambda pair: pair[0]):
            expect(model)
        corporate_actions.apply(action=made, session_date=self.today, portfolio_ids=ids)

    @rule(side=sides, amount=cents)
    def transfer_cash(self, side: int, amount: int) -> None:
        """From one book to the other."""
        key, day = uuid.uuid4(), self.today
        origin, target = self.models[side], self.models[1 - side]
        source = f"transfer:{key}"

        def expected() -> None:
            origin.flow("transfer", source, day, -amount * CENT)
            target.flow("transfer", source, day, amount * CENT)
            self.moved[source] = (side, origin.rows[-1], target.rows[-1])

        self.both(
            expected,
            lambda: transfers.of_cash(
                origin_id=self.rows[side].pk,
                target_id=self.rows[1 - side].pk,
                amount=exact(amount, 100),
                act=transfers.Act(day, HOUSE, transfer_id=key),
            ),
        )

    @rule(side=sides, symbol=symbols, share=st.integers(1, 4), price=prices)
    def transfer_holding(self, side: int, symbol: str, share: int, price: int) -> None:
        """A quarter to all of a holding, at any price."""
        key, day = uuid.uuid4(), self.today
        held = abs(self.models[side].holding(symbol).units)
        micro = held if share == 4 else held * share // 4 // (100 * CENT) * 100 * CENT
        if not micro:
            return
        self.both(
            lambda: self._expect_transfer(side, f"transfer:{key}", symbol, micro, price),
            lambda: transfers.of_holding(
                origin_id=self.rows[side].pk,
                target_id=self.rows[1 - side].pk,
                instrument=self.funds[symbol],
                quantity=exact(micro, MICRO),
                price=exact(price, PRICE),
                act=transfers.Act(day, HOUSE, transfer_id=key),
            ),
        )

    def _expect_transfer(self, side: int, source: str, symbol: str, micro: int, price: int) -> None:
        origin, target = self.models[side], self.models[1 - side]
        here, there = origin.holding(symbol), target.holding(symbol)
        if target.whole and micro % MICRO:
            raise Refused("validation_error")
        if here.units < 0 and not target.allow_short:
            raise Refused("short_not_allowed")
        if here.units * there.units < 0:
            raise Refused("opposite_holding")
        units = micro if here.units > 0 else -micro
        value = worth(units, price)
        all_of_it = units == here.units
        cost = here.cost if all_of_it else half_up(here.cost * micro, abs(here.units))
        day = self.today
        gone = origin.add("out", source, day, symbol=symbol, units=-units, paid=-value)
        come = target.add(
            "in", source, day, symbol=symbol, units=units, paid=cost, carried=value - cost
        )
        self.moved[source] = (side, gone, come)
        self.moves.append(Move(origin, target, gone, come, price))

    @rule(side=sides, choice=choices)
    def reverse(self, side: int, choice: int) -> None:
        """Take any booking back, of a transfer both sides."""
        rows = [row for row in self.models[side].rows if not row.gone and row.kind != "reversal"]
        if not rows:
            return
        row, day = rows[choice % len(rows)], self.today

        def expected() -> None:
            pairs = [(self.models[side], row)]
            if row.source in self.moved:
                start, gone, come = self.moved[row.source]
                other = come if start == side else gone
                pairs.append((self.models[1 - side], other))
            for model, mine in pairs:
                model.reversible(mine)
            for model, mine in pairs:
                model.reverse(mine, day)

        self.both(
            expected,
            lambda: reversals.reverse(
                portfolio_id=self.rows[side].pk,
                source=row.source,
                reason="x",
                by=HOUSE,
                session_date=day,
            ),
        )

    @rule(choice=choices)
    def again(self, choice: int) -> None:
        """What was booked once is booked once."""
        if self.calls:
            act, first = self.calls[choice % len(self.calls)]
            answer = act()
            assert getattr(answer, "replayed", True)
            if hasattr(first, "hash"):
                assert (answer.seq, answer.hash) == (first.seq, first.hash)
            else:
                assert answer == first

    # --- what must hold ---------------------------------------------------------------------

    @invariant()
    def agree(self) -> None:
        """Cash, numbers and every position are the model's."""
        if not self.models:
            return
        Books.tally.steps += 1
        keys = [each.pk for each in self.rows]
        heads = Portfolio.objects.filter(pk__in=keys).values_list("pk", "cash", "ledger_seq")
        told = {key: (int(cash * MICRO), seq) for key, cash, seq in heads}
        found = {
            row[:2]: tuple(int(each * MICRO) for each in row[2:])
            for row in Position.objects.filter(portfolio__in=keys).values_list(*COLUMNS)
        }
        for key, model in zip(keys, self.models, strict=True):
            assert told[key] == (model.cash, model.seq)
            for symbol, fund in self.funds.items():
                held = model.holding(symbol)
                mine = found.get((key, fund.pk), (0, 0, 0))
                assert mine == (held.units, held.cost, held.realized), symbol

    def teardown(self) -> None:
        """Balanced legs, dense numbers, sound chain, equity explained; then away with it."""
        try:
            for row in getattr(self, "rows", ()):
                assert verification.verify(portfolio_id=row.pk) == []
        finally:
            transaction.set_rollback(True)
            self.stack.close()
            Books.tally.seconds += time.perf_counter() - self.began
