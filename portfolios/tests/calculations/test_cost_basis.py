"""Laws of the books: average cost, splits, the identity of equity."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from portfolios.calculations import cost_basis, equity
from portfolios.calculations.cost_basis import Dividend, Fill, Holding, Split

D = Decimal
ONE = D(1)
SEEDS = range(40)


def random_fills(seed, count=30):
    """Fills that flip and close, prices of four places."""
    rng = np.random.default_rng(seed)
    return [
        (D(int(units)), D(f"{price:.4f}"))
        for units, price in zip(rng.integers(1, 90, count), rng.uniform(5, 300, count), strict=True)
        for units in [units * rng.choice([1, -1])]
    ]


def booked(fills, multiplier=ONE):
    """A holding after fills."""
    holding = Holding()
    for quantity, price in fills:
        holding = cost_basis.apply_fill(holding, quantity, price, multiplier)
    return holding


@pytest.mark.parametrize("seed", SEEDS)
def test_fills_and_their_reverse_end_flat_with_a_basis_of_exactly_zero(seed):
    fills = random_fills(seed)

    end = booked(fills + [(-quantity, price) for quantity, price in reversed(fills)])

    assert (end.quantity, end.cost_basis) == (D(0), D(0))
    assert end.realized_pnl == D(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_realised_and_basis_are_exactly_the_cash_that_moved(seed):
    fills = random_fills(seed)

    end = booked(fills)

    paid = sum((quantity * price for quantity, price in fills), D(0))
    assert end.cost_basis - end.realized_pnl == paid


@pytest.mark.parametrize("seed", SEEDS)
def test_swapping_long_and_short_negates_everything(seed):
    fills = random_fills(seed)

    mirrored = booked([(-quantity, price) for quantity, price in fills])

    end = booked(fills)
    assert mirrored.quantity == -end.quantity
    assert mirrored.cost_basis == -end.cost_basis


@pytest.mark.parametrize("seed", SEEDS)
def test_a_fill_in_two_parts_is_the_same_fill(seed):
    fills = random_fills(seed)
    parts = [
        (part, price)
        for quantity, price in fills
        for part in (quantity / 4, quantity - quantity / 4)
    ]

    whole, split = booked(fills), booked(parts)

    assert split.quantity == whole.quantity
    assert abs(split.cost_basis - whole.cost_basis) <= D("1e-6") * len(parts)
    assert abs(split.realized_pnl - whole.realized_pnl) <= D("1e-6") * len(parts)


@pytest.mark.parametrize("ratio", ["2", "0.5", "4", "7", "1.5"])
def test_a_split_and_its_inverse_restore_the_holding(ratio):
    holding = booked([(D(105), D("33.3333"))])

    there = cost_basis.apply_split(holding, D(ratio))
    back = cost_basis.apply_split(there, 1 / D(ratio))

    assert back.cost_basis == there.cost_basis == holding.cost_basis
    assert abs(back.quantity - holding.quantity) <= D("1e-5")


def test_a_flip_realises_the_closed_part_only():
    # 100 bought at 20, 250 sold at 22: 100 x 2 earned, 150 short at 22
    end = booked([(D(100), D(20)), (D(-250), D(22))])

    assert end == Holding(D(-150), D(-3300), D(200))
    assert end.average_cost() == D(22)


def test_a_flat_holding_has_no_average_cost():
    assert booked([(D(1), D(5)), (D(-1), D(6))]).average_cost() is None


def test_an_option_contract_counts_a_hundred_units():
    end = booked([(D(5), D("2.4")), (D(-2), D("3.1"))], D(100))

    assert (end.cost_basis, end.realized_pnl) == (D(720), D(140))
    assert end.average_cost(D(100)) == D("2.4")


def test_the_fraction_of_a_split_is_what_exceeds_whole_shares():
    long = cost_basis.apply_split(Holding(D(15), D(150)), D("1.5"))

    assert cost_basis.split_fraction(long) == D("0.5")
    assert cost_basis.split_fraction(replace(long, quantity=-long.quantity)) == D("-0.5")


@pytest.mark.parametrize(
    ("quantity", "price"), [("0", "1"), ("1", "-1"), ("1", "NaN"), ("1", "Infinity")]
)
def test_a_fill_that_is_not_one_is_refused(quantity, price):
    with pytest.raises(ValueError, match=r"fill of zero|not a price"):
        cost_basis.apply_fill(Holding(), D(quantity), D(price))


@pytest.mark.parametrize("ratio", ["0", "-2", "NaN"])
def test_a_split_that_is_not_one_is_refused(ratio):
    with pytest.raises(ValueError, match="not a split ratio"):
        cost_basis.apply_split(Holding(), D(ratio))


def random_events(seed, count=120):
    """Deposits, withdrawals, fills, dividends and splits of five symbols."""
    rng = np.random.default_rng(seed)
    symbols = ["A", "B", "C", "D", "E"]
    events = [equity.Transfer(D(250_000))]
    for _ in range(count):
        symbol = str(rng.choice(symbols))
        price = D(f"{rng.uniform(1, 400):.4f}")
        events.append(
            [
                equity.Transfer(D(f"{rng.normal(0, 9000):.2f}")),
                Fill(D(f"{rng.normal(0, 80):.6f}"), price, D("1.25"), symbol, D(1)),
                Fill(D(int(rng.integers(1, 400))), price, D("0.65"), symbol, D(1)),
                Dividend(D(f"{rng.uniform(0, 2):.4f}"), symbol),
                Split(D(int(rng.integers(2, 5))), symbol),
            ][rng.choice(5, p=[0.1, 0.5, 0.3, 0.07, 0.03])]
        )
    return events, {symbol: D(f"{rng.uniform(1, 400):.4f}") for symbol in symbols}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_equity_identity_holds_exactly_after_any_events(seed):
    books = equity.equity(*random_events(seed))

    assert books.identity_gap == D(0)


@pytest.mark.parametrize("seed", SEEDS)
def test_equity_is_the_cash_that_moved_plus_what_is_held(seed):
    events, marks = random_events(seed)
    cash, held = D(0), dict.fromkeys(marks, D(0))
    for event in events:
        if isinstance(event, equity.Transfer):
            cash += event.amount
        elif isinstance(event, Fill):
            cash -= event.quantity * event.price + event.fee
            held[event.symbol] += event.quantity
        elif isinstance(event, Dividend):
            cash += held[event.symbol] * event.per_share
        else:
            held[event.symbol] *= event.ratio

    worth = cash + sum((held[symbol] * marks[symbol] for symbol in marks), D(0))

    assert abs(equity.equity(events, marks).equity - worth) < D("0.001")


def test_an_empty_portfolio_is_worth_nothing():
    books = equity.equity([], {})

    assert (books.equity, books.cash, books.identity_gap) == (D(0), D(0), D(0))


def test_a_held_symbol_without_a_mark_is_refused():
    with pytest.raises(KeyError):
        equity.equity([Fill(D(1), D(5), D(0), "A")], {})


def test_a_ratio_of_six_places_is_the_fraction_it_stands_for():
    fifteenth = cost_basis.apply_split(Holding(D(1_500_000), D(300)), D("0.066667"))

    assert (fifteenth.quantity, fifteenth.cost_basis) == (D(100_000), D(300))


def test_what_a_split_leaves_nothing_of_has_lost_its_cost():
    gone = cost_basis.apply_split(Holding(D("0.000001"), D("0.5"), D(2)), D("0.1"))

    assert gone == Holding(D(0), D(0), D("1.5"))
