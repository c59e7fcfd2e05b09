"""The gate: what it approves, what it refuses, the largest size, and that it fails closed."""

import json
import math
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from etftrader.testing.rows import module_rows
from marketdata.models import DailyBar
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio
from risk.models import CovarianceSnapshot, PreTradeCheck
from risk.selectors.covariance import Matrix
from risk.services import covariance, limits, pretrade, pretrade_inputs
from risk.services.pretrade import CostEstimate, ProposedTrade
from risk.tests import factories

pytestmark = pytest.mark.django_db

Z = 1.6448536269514722


@pytest.fixture(scope="module", autouse=True)
def market(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        factories.load_bundle()
        covariance.compute_daily(session_date=factories.START)
        covariance.ensure_stressed(session_date=factories.START)
        yield


@pytest.fixture(autouse=True)
def unhurried(monkeypatch):
    """What is judged here is the input, not how long a busy machine takes to read it."""
    monkeypatch.setattr(pretrade_inputs, "DEPENDENCY_MAX_S", 60.0)


def gathered(portfolio, *symbols, moment=None):
    return pretrade.gather(
        portfolio_id=portfolio.pk, symbols=symbols, moment=moment or factories.closing()
    )


def judged(portfolio, symbol, side, quantity, inputs=None, **given):
    portfolio.refresh_from_db()
    return pretrade.judge(
        portfolio=portfolio,
        inputs=inputs or gathered(portfolio, symbol),
        proposed=[ProposedTrade(symbol, side, Decimal(quantity))],
        by=factories.HOUSE,
        **given,
    )


def limited(portfolio, value):
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk,
        measure="var",
        value=Decimal(value),
        reason="test",
        by=factories.HOUSE,
    )


def test_a_small_buy_passes_with_its_figures(market):
    portfolio = factories.make_rotation()

    verdict = judged(portfolio, "SPY", "buy", 10)

    assert (verdict.status, verdict.reasons) == ("APPROVED", ())
    assert float(verdict.before["var"]) == pytest.approx(9_924.57, abs=0.01)
    assert verdict.incremental_var > 0
    # 10 x 208.10, and half a hundredth of a cent a share for the rounding of fills
    assert float(verdict.before["cash"]) - float(verdict.after["cash"]) == pytest.approx(
        2_081.0, abs=0.01
    )


def test_incremental_var_agrees_with_two_quadratic_forms(market):
    portfolio = factories.make_rotation()
    matrix = covariance.matrices.in_force(session_date=factories.START)
    closes = {
        bar.instrument.symbol: float(bar.close)
        for bar in DailyBar.objects.filter(session_date=factories.START).select_related(
            "instrument"
        )
    }
    book = np.array([factories.ROTATION.get(s, 0) * closes[s] for s in matrix.labels])
    after = book.copy()
    after[matrix.row("TLT")] += 50 * closes["TLT"]

    verdict = judged(portfolio, "TLT", "buy", 50)

    expected = Z * (
        math.sqrt(after @ matrix.values @ after) - math.sqrt(book @ matrix.values @ book)
    )
    assert verdict.incremental_var == pytest.approx(expected, rel=1e-4)
    assert verdict.incremental_var < 0


def test_cash_that_does_not_reach_is_refused_with_the_size_that_does(market):
    portfolio = factories.make_portfolio(cash=10_000)
    costs = CostEstimate(commission=1.0)

    verdict = judged(portfolio, "SPY", "buy", 49, costs=costs)

    # 48 x 208.10 + 1 = 9,989.80; 49 would need 10,197.90
    assert (verdict.status, verdict.reasons) == ("REJECTED", ("INSUFFICIENT_CASH",))
    assert (verdict.max_quantity, verdict.binding) == (Decimal(48), "INSUFFICIENT_CASH")
    assert judged(portfolio, "SPY", "buy", 48, costs=costs).status == "APPROVED"


def test_more_sold_than_held_is_refused_with_what_is_held(market):
    portfolio = factories.make_rotation()

    verdict = judged(portfolio, "SPY", "sell", 322)

    assert verdict.reasons == ("OVERSELL",)
    assert verdict.max_quantity == Decimal(321)
    assert judged(portfolio, "SPY", "sell", 321).status == "APPROVED"


def test_a_breach_of_the_var_limit_names_the_largest_size_and_that_size_passes(market):
    portfolio = factories.make_portfolio(cash=2_000_000)
    limited(portfolio, "0.005")

    verdict = judged(portfolio, "AMD", "buy", 200_000)
    assert verdict.status == "REJECTED"
    assert "VAR_LIMIT" in verdict.reasons
    assert verdict.binding == "VAR_LIMIT"

    # one name: z s q P = 10,000 gives the root by hand
    matrix = covariance.matrices.in_force(session_date=factories.START)
    sigma = math.sqrt(matrix.values[matrix.row("AMD"), matrix.row("AMD")])
    by_hand = math.floor(10_000.0 / (Z * sigma * 5.02))
    assert verdict.max_quantity == Decimal(by_hand)
    assert judged(portfolio, "AMD", "buy", by_hand).status == "APPROVED"
    assert judged(portfolio, "AMD", "buy", by_hand + 1).reasons == ("VAR_LIMIT",)


def test_a_hard_limit_never_blocks_what_lowers_it(market):
    portfolio = factories.make_rotation()
    limited(portfolio, "0.001")

    verdict = judged(portfolio, "VGK", "sell", 100)

    assert verdict.status == "APPROVED"
    assert verdict.incremental_var < 0
    assert judged(portfolio, "VGK", "buy", 1_000).reasons == ("INSUFFICIENT_CASH", "VAR_LIMIT")


def test_a_soft_limit_passes_with_a_warning_and_a_hard_one_refuses(market):
    portfolio = factories.make_portfolio()

    soft = judged(portfolio, "SPY", "buy", 1_000)
    assert (soft.status, soft.warnings) == ("APPROVED", ("CONCENTRATION",))

    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="position_weight", value=Decimal("0.20"), hard=True,
        reason="test", by=factories.HOUSE,
    )  # fmt: skip
    hard = judged(portfolio, "SPY", "buy", 1_000)
    assert hard.reasons == ("CONCENTRATION",)
    # 20 % of 1,000,000 over 208.10
    assert hard.max_quantity == Decimal(961)
    assert judged(portfolio, "SPY", "buy", 961).status == "APPROVED"


def test_gross_exposure_is_bounded_for_books_that_may_be_short(market):
    portfolio = factories.make_portfolio(allow_short=True)
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk, measure="gross", value=Decimal("0.5"), reason="test",
        by=factories.HOUSE,
    )  # fmt: skip

    verdict = judged(portfolio, "BND", "sell", 8_000)

    # 0.5 x 1,000,000 / 83.38 = 5,996.6
    assert verdict.reasons == ("NOTIONAL_MAX",)
    assert verdict.max_quantity == Decimal(5_996)
    assert judged(portfolio, "BND", "sell", 5_996).status == "APPROVED"


def test_margin_binds_a_short_before_everything_else(market):
    portfolio = factories.make_portfolio(cash=100_000, allow_short=True)
    limits.change(
        as_of=factories.CLOSE,
        portfolio_id=portfolio.pk,
        measure="gross",
        value=Decimal(10),
        reason="t",
        by=factories.HOUSE,
    )

    # equity 100,000 must cover half of the gross: at most 200,000 / 105.76 of CSJ
    verdict = judged(portfolio, "CSJ", "sell", 2_000)

    assert verdict.reasons == ("MARGIN",)
    assert 1_880 <= verdict.max_quantity <= 1_891
    assert judged(portfolio, "CSJ", "sell", verdict.max_quantity).status == "APPROVED"


def test_what_waits_for_a_better_price_adds_nothing_to_the_book(market):
    portfolio = factories.make_rotation()
    waiting = [ProposedTrade("SPY", "buy", Decimal(10), pays=Decimal(100))]

    alone, beside = (judged(portfolio, "TLT", "buy", 1, working=each) for each in ([], waiting))

    assert float(beside.before["nav"]) == pytest.approx(float(alone.before["nav"]), abs=0.01)
    ceilings = [
        {each["code"]: each.get("limit") for each in verdict.document["checks"]}
        for verdict in (alone, beside)
    ]
    assert ceilings[0]["VAR_LIMIT"] == pytest.approx(ceilings[1]["VAR_LIMIT"], abs=0.01)


def test_working_orders_count_as_done(market):
    portfolio = factories.make_portfolio(cash=10_000)
    waiting = [ProposedTrade("SPY", "buy", Decimal(40))]

    assert judged(portfolio, "SPY", "buy", 40).status == "APPROVED"
    assert judged(portfolio, "SPY", "buy", 40, working=waiting).reasons == ("INSUFFICIENT_CASH",)
    sold = judged(portfolio, "SPY", "sell", 40, working=waiting)
    assert sold.status == "APPROVED"


def test_a_basket_is_judged_in_order_and_as_a_whole(market):
    portfolio = factories.make_rotation()
    swap = [ProposedTrade("SPY", "sell", Decimal(100)), ProposedTrade("TLT", "buy", Decimal(100))]
    inputs = gathered(portfolio, "SPY", "TLT")

    in_order = pretrade.judge(portfolio=portfolio, inputs=inputs, proposed=swap)
    reverse = pretrade.judge(portfolio=portfolio, inputs=inputs, proposed=swap[::-1])

    assert in_order.status == "APPROVED"
    assert in_order.max_quantity is None
    assert reverse.reasons == ("INSUFFICIENT_CASH",)


def test_the_larger_of_two_matrices_gates(market):
    portfolio = factories.make_rotation()
    inputs = gathered(portfolio, "SPY")
    daily = inputs.daily
    calm = replace(inputs, live=Matrix(daily.labels, daily.values * 0.25, None, factories.START))
    wild = replace(inputs, live=Matrix(daily.labels, daily.values * 4.0, None, factories.START))

    assert float(judged(portfolio, "SPY", "buy", 1, calm).before["var"]) == pytest.approx(
        9_924.57, abs=0.01
    )
    verdict = judged(portfolio, "SPY", "buy", 1, wild)
    assert float(verdict.before["var"]) == pytest.approx(2 * 9_924.57, abs=0.01)
    assert verdict.document["risk"]["gating_matrix"] == "live_hybrid"


def test_the_document_is_json_with_every_block_and_is_kept(market):
    portfolio = factories.make_rotation()
    factories.make_private(factories.make_portfolio(name="Other"))
    verdict = judged(portfolio, "SPY", "buy", 10)

    row = pretrade.keep(
        verdict=verdict, portfolio_id=portfolio.pk, context="preview", by=factories.HOUSE
    )

    kept = PreTradeCheck.objects.get(pk=row.pk)
    assert json.loads(json.dumps(kept.document, allow_nan=False)) == kept.document
    blocks = {"request", "pricing", "solvency", "exposure", "risk", "limits", "verdict", "meta"}
    assert blocks <= set(kept.document)
    assert kept.document["meta"]["data_version"] == kept.data_version
    assert kept.as_of == factories.closing().as_of
    assert {each["measure"] for each in kept.document["limits"]} == {
        "var", "gross", "position_weight", "daily_loss",
    }  # fmt: skip


def test_an_order_is_filled_at_a_fifth_of_the_volume_a_day(market):
    portfolio = factories.make_rotation()

    [price] = judged(portfolio, "SPY", "sell", 300).document["pricing"]

    assert 0 < price["participation"] < 1
    # |q| / (20 % x ADV)
    assert price["days_to_fill"] == pytest.approx(price["participation"] / 0.20)


def test_a_verdict_writes_nothing_by_itself(market):
    portfolio = factories.make_rotation()

    judged(portfolio, "SPY", "buy", 10)

    assert not PreTradeCheck.objects.exists()


def test_a_private_fund_counts_in_equity_and_is_named_as_excluded(market):
    portfolio = factories.make_portfolio(cash=1_000_000)
    factories.make_private(portfolio)

    verdict = judged(portfolio, "SPY", "buy", 100)

    assert verdict.status == "APPROVED"
    assert verdict.document["meta"]["excluded"][0]["symbol"] == "PRIVATE-FUND"
    assert float(verdict.before["nav"]) == pytest.approx(1_000_000.0)


# --- T-45: what is missing, stale, not finite or failed refuses ---------------------------------


def without_matrix(inputs):
    return replace(inputs, daily=None)


def with_hole(inputs):
    values = inputs.daily.values.copy()
    values[inputs.daily.row("SPY"), :] = np.nan
    return replace(inputs, daily=replace(inputs.daily, values=values))


def with_infinity(inputs):
    values = inputs.daily.values.copy()
    values[0, 0] = np.inf
    return replace(inputs, daily=replace(inputs.daily, values=values))


def negative_variance(inputs):
    return replace(inputs, daily=replace(inputs.daily, values=-inputs.daily.values))


def other_labels(inputs):
    labels = tuple(f"X{place}" for place in range(len(inputs.daily.labels)))
    return replace(inputs, daily=replace(inputs.daily, labels=labels))


def live_without_the_name(inputs):
    return replace(inputs, live=Matrix(("TLT",), np.eye(1), None, factories.START))


def live_with_holes(inputs):
    values = np.full_like(inputs.daily.values, np.nan)
    return replace(inputs, live=Matrix(inputs.daily.labels, values, None, factories.START))


def failed(name):
    return lambda inputs: replace(inputs, failures={name: "OperationalError: gone"})


def mark(**facts):
    def change(inputs):
        marks = dict(inputs.marks)
        marks["SPY"] = replace(marks["SPY"], **facts)
        return replace(inputs, marks=marks)

    return change


def no_mark(inputs):
    return replace(inputs, marks={s: m for s, m in inputs.marks.items() if s != "SPY"})


def sixteen_minutes_old(inputs):
    moment = inputs.moment
    late = replace(
        moment,
        playing=date(2016, 6, 23),
        bar=20,
        bars=390,
        as_of=moment.as_of + timedelta(minutes=16),
    )
    return replace(inputs, moment=late)


FAILURES = [
    ("VAR_UNAVAILABLE", without_matrix),
    ("VAR_UNAVAILABLE", with_hole),
    ("VAR_UNAVAILABLE", with_infinity),
    ("VAR_UNAVAILABLE", negative_variance),
    ("VAR_UNAVAILABLE", other_labels),
    ("VAR_UNAVAILABLE", live_without_the_name),
    ("VAR_UNAVAILABLE", live_with_holes),
    ("VAR_UNAVAILABLE", failed("covariance")),
    ("VAR_UNAVAILABLE", failed("live")),
    ("NO_PRICE", failed("prices")),
    ("NO_PRICE", no_mark),
    ("NO_PRICE", mark(price=None, reason="no_price")),
    ("NO_PRICE", mark(price=Decimal(0))),
    ("NO_PRICE", mark(price=Decimal(-1))),
    ("NO_PRICE", mark(price=Decimal("NaN"))),
    ("NO_PRICE", mark(price=Decimal("Infinity"))),
    ("PRICE_STALE", mark(price_class="stale")),
    ("PRICE_STALE", mark(reason="price_stale")),
    ("PRICE_STALE", mark(as_of=None)),
    ("PRICE_STALE", sixteen_minutes_old),
    ("PRICE_SUSPECT", mark(price_class="suspect")),
]


@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("held", [True, False], ids=["asked", "held"])
@pytest.mark.parametrize(("code", "spoil"), FAILURES)
def test_a_failed_dependency_never_approves(market, code, spoil, held, side):
    portfolio = factories.make_portfolio()
    factories.hold(portfolio, "SPY", 100)
    factories.hold(portfolio, "TLT", 100)
    asked = "SPY" if held else "TLT"
    inputs = spoil(gathered(portfolio, asked))

    verdict = judged(portfolio, asked, side, 1, inputs)

    assert verdict.status == "UNAVAILABLE"
    assert code in verdict.reasons
    assert verdict.max_quantity is None
    json.dumps(verdict.document, allow_nan=False)


def test_the_stored_matrix_that_is_damaged_is_named_and_refuses(market):
    portfolio = factories.make_portfolio()
    row = CovarianceSnapshot.objects.get(kind="daily")
    row.matrix = np.asarray(row.matrix)[:-1]
    row.save()

    inputs = gathered(portfolio, "SPY")

    assert "ValueError" in inputs.failures["covariance"]
    assert judged(portfolio, "SPY", "buy", 1, inputs).reasons == ("VAR_UNAVAILABLE",)


def test_without_prices_or_matrix_of_the_last_week_nothing_is_approved():
    CovarianceSnapshot.objects.all().delete()
    covariance.compute_daily(session_date=date(2016, 6, 10))
    portfolio = factories.make_portfolio()
    DailyBar.objects.all().delete()

    verdict = judged(portfolio, "SPY", "buy", 1)

    assert verdict.status == "UNAVAILABLE"
    assert verdict.reasons == ("VAR_UNAVAILABLE", "NO_PRICE")


def test_a_name_bought_between_gathering_and_lock_asks_to_gather_again(market):
    portfolio = factories.make_portfolio()
    inputs = gathered(portfolio, "SPY")
    factories.hold(portfolio, "TLT", 10)

    assert judged(portfolio, "SPY", "buy", 1, inputs).reasons == ("CONFLICT",)


def test_states_of_a_portfolio_refuse_in_their_own_words(market):
    portfolio = factories.make_rotation()
    Portfolio.objects.filter(pk=portfolio.pk).update(state="halted")
    assert judged(portfolio, "SPY", "sell", 1).reasons == ("PORTFOLIO_HALTED",)

    Portfolio.objects.filter(pk=portfolio.pk).update(state="reducing")
    assert judged(portfolio, "SPY", "buy", 1).reasons == ("REDUCING_ONLY",)
    assert judged(portfolio, "SPY", "sell", 1).status == "APPROVED"


@pytest.mark.parametrize(
    ("quantity", "code"),
    [
        ("0", "QTY_RANGE"),
        ("-1", "QTY_RANGE"),
        ("1e10", "QTY_RANGE"),
        ("NaN", "QTY_RANGE"),
        ("1.5", "LOT_SIZE"),
    ],
)
def test_quantities_that_are_none_are_refused(market, quantity, code):
    portfolio = factories.make_rotation()

    verdict = judged(portfolio, "SPY", "buy", quantity)

    assert code in verdict.reasons
    assert verdict.status == "REJECTED"


def test_other_refusals_carry_their_codes(market):
    portfolio = factories.make_portfolio()
    assert judged(portfolio, "NOPE", "buy", 1).reasons == ("SYMBOL_UNKNOWN",)
    assert judged(portfolio, "^GSPC", "buy", 1).reasons == ("SYMBOL_INACTIVE",)
    denied = judged(portfolio, "SPY", "buy", 1, denials=["KILL_SWITCH"])
    assert denied.reasons == ("KILL_SWITCH",)
    far = pretrade.judge(
        portfolio=portfolio,
        inputs=gathered(portfolio, "SPY"),
        proposed=[ProposedTrade("SPY", "buy", Decimal(1), Decimal(300))],
    )
    assert far.reasons == ("PRICE_COLLAR",)


def test_inputs_grow_old_with_the_session_and_after_a_minute():
    moment = factories.closing()
    inputs = pretrade.GateInputs(portfolio_id=None, moment=moment)
    playing = Moment(
        as_of=moment.as_of + timedelta(seconds=61), session_date=moment.session_date, playing=None,
        bar=0, bars=0, round=1, revision=0, ended=False,
    )  # fmt: skip

    assert not pretrade.is_stale(inputs, moment)
    assert pretrade.is_stale(inputs, playing)
    assert pretrade.is_stale(inputs, replace(moment, playing=date(2016, 6, 23)))
    assert pretrade.is_stale(inputs, replace(moment, round=2))


def test_a_name_without_history_refuses_even_a_sale(market):
    portfolio = factories.make_portfolio()
    factories.hold(portfolio, "SPY", 10)
    inputs = gathered(portfolio, "SPY")
    labels = [s for s in inputs.daily.labels if s != "SPY"]
    rows = [inputs.daily.labels.index(s) for s in labels]
    cut = Matrix(tuple(labels), inputs.daily.values[np.ix_(rows, rows)], None, factories.START)

    verdict = judged(portfolio, "SPY", "sell", 1, replace(inputs, daily=cut))

    assert (verdict.status, verdict.reasons) == ("UNAVAILABLE", ("VAR_UNAVAILABLE",))
