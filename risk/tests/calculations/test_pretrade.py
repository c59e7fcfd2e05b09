"""Laws of the gate: the order of its reasons, what it never blocks, and the largest size it names."""

import math
from dataclasses import replace

import numpy as np
import pytest

from risk.calculations import full_revaluation, pretrade, var
from risk.calculations.trade_bounds import PathGate
from risk.tests.calculations.books import random_covariance

SEEDS = range(300)
Z = 1.6448536269514722


def one_asset(held=0.0, price=100.0, volatility=0.01):
    """A gate over one asset and the book that holds it."""
    return [pretrade.gate("daily", np.array([held * price]), np.array([[volatility**2]]), 0)]


def random_case(seed):
    """A book, an order and limits, some of them in force; whole or fractional lots."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 7))
    row = int(rng.integers(size))
    prices = rng.uniform(5.0, 400.0, size)
    allow_short = bool(rng.random() < 0.5)
    held = np.round(rng.normal(0.0, 400.0, size)) if allow_short else rng.integers(0, 600, size)
    exposures = held * prices
    gates = [
        pretrade.gate(name, exposures, random_covariance(rng, size), row)
        for name in ("daily", "hybrid")
    ]
    equity = float(np.abs(exposures).sum() * rng.uniform(0.4, 1.5) + 20_000.0)
    now = Z * math.sqrt(max(gate.variance for gate in gates))
    trade = pretrade.Trade(
        side=int(rng.choice([1, -1])),
        quantity=float(rng.integers(1, 2_000)),
        price=float(prices[row]),
        lot=float(rng.choice([1.0, 1e-6, 100.0])),
        commission=float(rng.choice([0.0, 1.0])),
        cost_per_unit=float(rng.choice([0.0, 0.005])),
        cost_bp=float(rng.choice([0.0, 2.0, 5.0])),
        impact=float(rng.choice([0.0, 1e-5, 1e-4])),
        mark=None if rng.random() < 0.5 else float(prices[row] * rng.uniform(0.9, 1.1)),
    )
    book = pretrade.Book(
        cash=float(rng.uniform(0.0, 200_000.0)),
        held=float(held[row]),
        equity=equity,
        gross=float(np.abs(exposures).sum()),
        allow_short=allow_short,
    )
    limits = pretrade.Limits(
        value_at_risk=float(rng.choice([math.inf, now * rng.uniform(0.3, 2.0), 0.03 * equity])),
        position_weight=float(rng.choice([math.inf, 0.1, 0.5])),
        margin_fraction=float(rng.choice([0.0, 0.5])),
    )
    return trade, book, gates, limits


def largest_of(seed):
    """The largest quantity the check names for a random case."""
    return pretrade.check(*random_case(seed)).largest_quantity


BOUNDED = [seed for seed in SEEDS if math.isfinite(largest_of(seed))]
TRADABLE = [seed for seed in BOUNDED if largest_of(seed) > 0.0]


def test_the_random_cases_cover_both_ends():
    assert len(TRADABLE) > 150
    assert len(BOUNDED) - len(TRADABLE) > 20
    assert len(SEEDS) - len(BOUNDED) >= 3


@pytest.mark.parametrize("seed", TRADABLE)
def test_the_largest_quantity_submitted_as_the_order_passes_the_same_check(seed):
    trade, book, gates, limits = random_case(seed)
    largest = pretrade.check(trade, book, gates, limits).largest_quantity

    verdict = pretrade.check(replace(trade, quantity=largest), book, gates, limits)

    assert verdict.status == pretrade.APPROVED


@pytest.mark.parametrize("seed", BOUNDED)
def test_one_lot_more_than_the_largest_quantity_is_refused(seed):
    trade, book, gates, limits = random_case(seed)
    largest = pretrade.check(trade, book, gates, limits).largest_quantity
    # A thousandth of a lot is far above rounding, and for 1e-6 lots far below anything booked.
    more = largest + trade.lot * (1.0 + 1e-3) + 1e-12 * largest

    verdict = pretrade.check(replace(trade, quantity=more), book, gates, limits)

    assert verdict.status == pretrade.REJECTED


@pytest.mark.parametrize("seed", TRADABLE)
def test_every_size_up_to_the_largest_passes(seed):
    trade, book, gates, limits = random_case(seed)
    largest = min(pretrade.check(trade, book, gates, limits).largest_quantity, 1e6)
    sizes = [largest * part for part in np.linspace(0.01, 0.999, 25)]

    verdicts = {
        pretrade.check(replace(trade, quantity=float(size)), book, gates, limits).status
        for size in sizes
    }

    assert verdicts == {pretrade.APPROVED}


@pytest.mark.parametrize("seed", SEEDS)
def test_the_figures_are_those_of_a_full_recomputation(seed):
    rng = np.random.default_rng(seed)
    exposures, row = rng.normal(0.0, 1e5, 5), int(rng.integers(5))
    matrices = [random_covariance(rng, 5), random_covariance(rng, 5)]
    gates = [pretrade.gate(str(n), exposures, matrix, row) for n, matrix in enumerate(matrices)]
    trade = pretrade.Trade(side=-1, quantity=300.0, price=40.0)
    after = exposures.copy()
    after[row] -= 12_000.0

    verdict = pretrade.check(trade, pretrade.Book(0.0, 1_000.0), gates, pretrade.Limits())

    assert verdict.var_before == pytest.approx(
        max(var.parametric(exposures, matrix).total for matrix in matrices)
    )
    assert verdict.var_after == pytest.approx(
        max(var.parametric(after, matrix).total for matrix in matrices)
    )


def test_the_largest_quantity_under_a_var_limit_by_hand():
    # 1.644854 x 0.01 x 100 = 1.644854 dollars of VaR a share; 1,000 / 1.644854 = 607.95 shares
    trade = pretrade.Trade(side=1, quantity=1_000.0, price=100.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=1e6, held=0.0), one_asset(), pretrade.Limits(1_000.0)
    )

    assert (verdict.status, verdict.reasons) == ("REJECTED", ("VAR_LIMIT",))
    assert (verdict.largest_quantity, verdict.binding) == (607.0, "VAR_LIMIT")


def test_the_largest_quantity_under_cash_counts_the_costs_by_hand():
    # 10,000 - 1 commission = 9,999; a share costs 100.05 with 5 bp; 99.94 shares
    trade = pretrade.Trade(side=1, quantity=100.0, price=100.0, commission=1.0, cost_bp=5.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=10_000.0, held=0.0), one_asset(), pretrade.Limits()
    )

    assert verdict.reasons == ("INSUFFICIENT_CASH",)
    assert verdict.largest_quantity == 99.0


def test_the_largest_sale_is_what_is_held():
    trade = pretrade.Trade(side=-1, quantity=8.0, price=100.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=0.0, held=7.0), one_asset(7.0), pretrade.Limits()
    )

    assert (verdict.reasons, verdict.largest_quantity) == (("OVERSELL",), 7.0)


def test_a_fractional_holding_can_be_sold_to_the_last_digit():
    trade = pretrade.Trade(side=-1, quantity=1.0, price=100.0, lot=1e-6)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=0.0, held=0.123457), one_asset(0.123457), pretrade.Limits()
    )

    assert verdict.largest_quantity == pytest.approx(0.123457, abs=1e-12)


def test_reasons_come_in_the_order_cash_var_weight():
    trade = pretrade.Trade(side=1, quantity=1_000.0, price=100.0)
    book = pretrade.Book(cash=10.0, held=0.0, equity=50_000.0, gross=0.0)

    verdict = pretrade.check(
        trade, book, one_asset(), pretrade.Limits(value_at_risk=100.0, position_weight=0.2)
    )

    assert verdict.reasons == ("INSUFFICIENT_CASH", "VAR_LIMIT", "CONCENTRATION")


def test_a_soft_weight_limit_warns_and_bounds_nothing():
    trade = pretrade.Trade(side=1, quantity=100.0, price=100.0)
    book = pretrade.Book(cash=20_000.0, held=0.0, equity=20_000.0, gross=0.0)
    limits = pretrade.Limits(position_weight=0.25, weight_is_hard=False)

    verdict = pretrade.check(trade, book, one_asset(), limits)

    assert (verdict.status, verdict.warnings) == ("APPROVED", ("CONCENTRATION",))
    assert verdict.largest_quantity == 200.0


def test_a_sale_that_lowers_var_passes_above_the_limit():
    trade = pretrade.Trade(side=-1, quantity=10.0, price=100.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=0.0, held=500.0), one_asset(500.0), pretrade.Limits(100.0)
    )

    assert (verdict.status, verdict.largest_quantity) == ("APPROVED", 500.0)


def test_covering_a_short_passes_above_the_limit_until_it_is_a_bet_the_other_way():
    # short 500: 500 bought is flat, and 999 is the last size below today's VaR; 1,000 equals it
    trade = pretrade.Trade(side=1, quantity=10.0, price=100.0)
    book = pretrade.Book(cash=1e6, held=-500.0, allow_short=True)

    verdict = pretrade.check(trade, book, one_asset(-500.0), pretrade.Limits(100.0))

    assert (verdict.status, verdict.largest_quantity) == ("APPROVED", 999.0)


def test_a_position_above_its_weight_can_still_be_reduced():
    trade = pretrade.Trade(side=-1, quantity=10.0, price=100.0)
    book = pretrade.Book(cash=0.0, held=500.0, equity=50_000.0, gross=50_000.0)

    verdict = pretrade.check(trade, book, one_asset(500.0), pretrade.Limits(position_weight=0.25))

    assert verdict.status == "APPROVED"


def test_a_short_beyond_half_the_equity_in_gross_is_refused_for_margin():
    # equity 10,000 carries 20,000 gross at 50%: 200 shares of 100
    trade = pretrade.Trade(side=-1, quantity=201.0, price=100.0)
    book = pretrade.Book(cash=10_000.0, held=0.0, equity=10_000.0, gross=0.0, allow_short=True)

    verdict = pretrade.check(trade, book, one_asset(), pretrade.Limits(margin_fraction=0.5))

    assert (verdict.reasons, verdict.largest_quantity) == (("MARGIN",), 200.0)


def test_nothing_passes_when_every_share_adds_to_a_breach():
    trade = pretrade.Trade(side=1, quantity=1.0, price=100.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=1e6, held=500.0), one_asset(500.0), pretrade.Limits(100.0)
    )

    assert (verdict.reasons, verdict.largest_quantity) == (("VAR_LIMIT",), 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"quantity": 0.0}, "positive and finite"),
        ({"quantity": math.nan}, "positive and finite"),
        ({"price": math.inf}, "positive and finite"),
        ({"side": 0}, "side must be"),
    ],
)
def test_an_order_that_is_not_one_is_refused(change, message):
    trade = replace(pretrade.Trade(side=1, quantity=1.0, price=1.0), **change)

    with pytest.raises(ValueError, match=message):
        pretrade.check(trade, pretrade.Book(1.0, 0.0), one_asset(), pretrade.Limits())


def test_without_a_matrix_there_is_no_verdict():
    trade = pretrade.Trade(side=1, quantity=1.0, price=1.0)

    with pytest.raises(ValueError, match="no covariance"):
        pretrade.check(trade, pretrade.Book(1e6, 0.0), [], pretrade.Limits())


def test_a_limit_that_is_not_a_number_approves_nothing():
    trade = pretrade.Trade(side=1, quantity=1.0, price=1.0)

    with pytest.raises(ValueError, match="no VaR limit"):
        pretrade.check(trade, pretrade.Book(1e6, 0.0), one_asset(), pretrade.Limits(math.nan))


def test_a_weight_limit_without_equity_approves_nothing():
    trade = pretrade.Trade(side=1, quantity=1.0, price=1.0)
    limits = pretrade.Limits(position_weight=0.1)

    with pytest.raises(ValueError, match="needs the equity"):
        pretrade.check(trade, pretrade.Book(1e6, 0.0), one_asset(), limits)


def test_a_book_without_equity_has_a_limit_of_nothing():
    trade = pretrade.Trade(side=1, quantity=1.0, price=100.0)

    verdict = pretrade.check(
        trade, pretrade.Book(cash=1e6, held=0.0), one_asset(), pretrade.Limits(-300.0)
    )

    assert (verdict.reasons, verdict.largest_quantity) == (("VAR_LIMIT",), 0.0)


def test_a_margin_rests_on_what_the_book_says_not_on_a_better_price():
    limits = pretrade.Limits(margin_fraction=0.5)
    book = pretrade.Book(cash=1e6, held=0.0, equity=10_000.0, gross=0.0, allow_short=True)
    cheap = pretrade.Trade(side=1, quantity=201.0, price=50.0, mark=100.0)
    dear = pretrade.Trade(side=-1, quantity=201.0, price=90.0, mark=100.0)

    # bought at half of what it is worth, it still grosses 100 a unit: 10,000 / 50
    bought = pretrade.check(cheap, book, one_asset(), limits)
    assert (bought.reasons, bought.largest_quantity) == (("MARGIN",), 200.0)
    # sold 10 below, each unit costs 10 of equity and needs 50: 10,000 / 60
    sold = pretrade.check(dear, book, one_asset(), limits)
    assert (sold.reasons, sold.largest_quantity) == (("MARGIN",), 166.0)


@pytest.mark.parametrize("quantity", [1.0, 500.0, 999.0])
def test_what_lowers_gross_exposure_needs_no_margin(quantity):
    """Short 500, far below its margin: bought back, and past zero until it is as long again."""
    book = pretrade.Book(cash=1e6, held=-500.0, equity=100.0, gross=50_000.0, allow_short=True)
    trade = pretrade.Trade(side=1, quantity=quantity, price=100.0)
    limits = pretrade.Limits(margin_fraction=0.5)

    assert pretrade.check(trade, book, one_asset(-500.0), limits).status == "APPROVED"
    verdict = pretrade.check(replace(trade, quantity=1_000.0), book, one_asset(-500.0), limits)
    assert verdict.reasons == ("MARGIN",)


def path_case(seed):
    """A linear book on paths of one asset, where the closed form is known."""
    rng = np.random.default_rng(seed)
    [returns] = full_revaluation.draws(np.array([[1e-4]]), 2_000, seed)
    held = float(rng.integers(-300, 300))
    gains = full_revaluation.share_gains(returns, 100.0)
    book = pretrade.Book(
        cash=float(rng.uniform(1e3, 1e5)), held=held, equity=5e4, gross=abs(held) * 100.0,
        allow_short=True,
    )  # fmt: skip
    trade = pretrade.Trade(
        side=int(rng.choice([1, -1])), quantity=float(rng.integers(1, 600)), price=100.0
    )
    limits = pretrade.Limits(float(rng.uniform(50.0, 700.0)), margin_fraction=0.5)
    return trade, book, [PathGate("daily", held * gains, gains)], limits


@pytest.mark.parametrize("seed", range(60))
def test_the_largest_quantity_on_paths_passes_and_one_more_does_not(seed):
    trade, book, gates, limits = path_case(seed)
    largest = pretrade.check(trade, book, gates, limits).largest_quantity

    more = pretrade.check(replace(trade, quantity=largest + 1.0), book, gates, limits)

    assert more.status == "REJECTED"
    if largest:
        same = pretrade.check(replace(trade, quantity=largest), book, gates, limits)
        assert same.status == "APPROVED"


def test_a_loss_on_paths_is_that_of_the_quantile_of_its_returns():
    [returns] = full_revaluation.draws(np.array([[4e-4]]), 10_000)
    gains = full_revaluation.share_gains(returns, 50.0)
    gate = PathGate("daily", 1_000.0 * gains, gains)

    # x(1 - e^(-z s)) long, |x|(e^(z s) - 1) short
    assert gate.loss(0.95) == pytest.approx(50_000.0 * -math.expm1(-Z * 0.02), rel=0.03)
    turned = gate.loss_after(pretrade.Trade(-1, 2_000.0, 50.0), 2_000.0, 0.95)
    assert turned == pytest.approx(50_000.0 * math.expm1(Z * 0.02), rel=0.03)
    assert gate.loss_after(pretrade.Trade(-1, 1_000.0, 50.0), 1_000.0, 0.95) == pytest.approx(0.0)
