"""Laws of paper fills and of the order's life."""

from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from trading.calculations import fills, order_states
from trading.calculations.fills import CostModel, Market

D = Decimal
SEEDS = range(30)
QUOTE = Market(bid=99.98, ask=100.02, average_volume=1e6, volatility=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_buy_pays_at_least_the_ask_and_a_sale_gets_at_most_the_bid(seed):
    rng = np.random.default_rng(seed)
    bid = float(rng.uniform(1.0, 500.0))
    market = Market(bid=bid, ask=bid * 1.001, average_volume=1e6, volatility=0.02)
    quantity = D(int(rng.integers(1, 10_000)))

    bought, sold = fills.fill("buy", quantity, market), fills.fill("sell", quantity, market)

    assert float(bought.price) >= market.ask - 5e-5
    assert float(sold.price) <= market.bid + 5e-5
    assert bought.cash_delta < 0 < sold.cash_delta


def test_a_larger_order_costs_more_a_share():
    prices = [fills.fill("buy", D(size), QUOTE).price for size in (1, 100, 10_000, 1_000_000)]

    assert prices == sorted(prices)
    assert prices[0] < prices[-1]


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_cash_moves_by_exactly_the_booked_price_and_commission(side):
    done = fills.fill(side, D("12.345678"), QUOTE, multiplier=D(100))

    paid = (done.price * D("12.345678") * 100).quantize(D("0.000001"))
    assert done.cash_delta == (-paid if side == "buy" else paid) - done.commission


def test_a_price_is_rounded_half_up_at_four_places():
    # 10 x (1 + 0.25 bp) = 10.00025, half up
    done = fills.fill("buy", D(1), Market(last=10.0), CostModel(half_spread_bp=0.25, impact=0.0))

    assert done.price == D("10.0003")


def test_without_liquidity_figures_there_is_no_impact():
    assert fills.fill("buy", D(1_000), Market(last=50.0)).impact_cost == 0.0


def test_the_bar_bounds_what_fills():
    done = fills.fill("buy", D(5_000), Market(last=40.0, bar_volume=20_000))

    assert (done.quantity, done.remaining) == (D(2_000), D(3_000))


def test_a_bar_without_volume_fills_nothing_and_costs_nothing():
    done = fills.fill("sell", D(5), Market(last=40.0, bar_volume=0.0))

    assert (done.quantity, done.price, done.commission, done.cash_delta) == (D(0), None, D(0), D(0))
    assert done.remaining == D(5)


def test_the_commission_has_a_floor():
    costs = CostModel(
        commission_per_trade=D(0), commission_per_unit=D("0.01"), commission_min=D("1.50")
    )

    assert fills.fill("buy", D(10), Market(last=5.0), costs).commission == D("1.5")
    assert fills.fill("buy", D(1_000), Market(last=5.0), costs).commission == D(10)


@pytest.mark.parametrize(
    ("side", "quantity", "market"),
    [
        ("hold", "1", QUOTE),
        ("buy", "0", QUOTE),
        ("buy", "-1", QUOTE),
        ("buy", "NaN", QUOTE),
        ("buy", "1", Market()),
        ("buy", "1", Market(last=0.0)),
        ("buy", "1", Market(last=float("nan"))),
        ("buy", "1", Market(bid=101.0, ask=100.0)),
    ],
)
def test_what_cannot_be_filled_is_refused(side, quantity, market):
    with pytest.raises(ValueError, match=r"side|quantity|price|quote"):
        fills.fill(side, D(quantity), market)


WAYS = {
    ("accepted", "partially_filled"),
    ("accepted", "filled"),
    ("accepted", "cancelled"),
    ("accepted", "expired"),
    ("partially_filled", "partially_filled"),
    ("partially_filled", "filled"),
    ("partially_filled", "cancelled"),
    ("partially_filled", "expired"),
    ("partially_filled", "busted"),
    ("filled", "busted"),
}


@pytest.mark.parametrize("pair", list(product(order_states.STATES, repeat=2)))
def test_each_of_the_49_steps_is_allowed_or_not(pair):
    assert order_states.may_follow(*pair) == (pair in WAYS)


@pytest.mark.parametrize("state", order_states.STATES)
def test_an_order_is_born_accepted_filled_or_rejected(state):
    assert order_states.may_follow(None, state) == (state in {"accepted", "filled", "rejected"})


def test_nothing_leaves_a_terminal_state():
    assert {"rejected", "cancelled", "expired", "busted"} == order_states.TERMINAL


def test_a_word_that_is_not_a_state_is_refused():
    with pytest.raises(ValueError, match="not an order state: done"):
        order_states.may_follow("accepted", "done")
