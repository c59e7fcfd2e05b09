"""When an order trades on a bar, and from which price; laws over random bars, examples by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trading.calculations import matching
from trading.calculations.fills import CostModel, Market
from trading.calculations.matching import Bar, Terms, attempt, match

D = Decimal
OPENS = datetime(2016, 6, 23, 13, 30, tzinfo=UTC)
CLOSES = OPENS + timedelta(hours=6, minutes=30)
FREE = CostModel(half_spread_bp=0.0, impact=0.0)
TYPES = ("market", "limit", "stop", "stop_limit", "market_on_close")
prices = st.integers(100, 2_000_000).map(lambda n: D(n).scaleb(-4) + 1)


def bar(o, h, low, c, **more):
    return Bar(OPENS, CLOSES, D(o), D(h), D(low), D(c), **more)


@st.composite
def bars(draw):
    four = sorted(draw(st.lists(prices, min_size=4, max_size=4)))
    opened, last = draw(st.permutations(four[1:3]))
    volume = draw(st.none() | st.integers(0, 100_000).map(float))
    return Bar(OPENS, CLOSES, opened, four[3], four[0], last, draw(st.booleans()), volume)


@st.composite
def terms(draw):
    kind = draw(st.sampled_from(TYPES))
    return Terms(
        side=draw(st.sampled_from(["buy", "sell"])),
        order_type=kind,
        limit_price=draw(prices) if kind in matching.LIMITED else None,
        stop_price=draw(prices) if kind in matching.STOPPED else None,
        triggered=kind in matching.STOPPED and draw(st.booleans()),
    )


models = st.builds(
    CostModel,
    half_spread_bp=st.floats(0, 80),
    impact=st.floats(0, 3),
    max_participation=st.floats(0.01, 1),
)
markets = st.builds(
    Market,
    average_volume=st.none() | st.floats(1e5, 1e8),
    volatility=st.none() | st.floats(0, 0.03),
)
units = st.integers(1, 100_000).map(D)
sinces = st.none() | st.integers(-60, 500).map(lambda n: OPENS + timedelta(minutes=n))


@settings(max_examples=600, deadline=None)
@given(terms(), bars(), units, markets, models, sinces)
def test_every_fill_is_in_the_bar_after_the_order_within_its_limit_and_its_share(
    order, whole, quantity, market, model, since
):
    part = whole.after(since)
    done = attempt(order, quantity, part, market, model)

    if part is None or done.fill is None:
        return
    reference = done.match.reference
    assert since is None or part.ends > since
    assert whole.low <= reference <= whole.high
    if since is not None and whole.begins < since:
        # what came before the order is not known to have come again
        assert reference == whole.last
    if order.limit_price is not None and order.side == "buy":
        assert done.fill.price <= order.limit_price
    elif order.limit_price is not None:
        assert done.fill.price >= order.limit_price
    assert done.fill.quantity + done.fill.remaining == quantity
    if whole.volume is not None:
        assert done.fill.quantity <= D(str(model.max_participation)) * D(str(whole.volume)) + 1
    if order.order_type == "market_on_close":
        assert whole.closing
        assert reference == whole.last


@settings(max_examples=400, deadline=None)
@given(terms(), bars(), st.floats(0, 0.02))
def test_a_stop_trades_only_when_it_was_reached_and_a_gap_trades_at_the_open(order, whole, cost):
    found = match(order, whole, cost=cost)

    if order.order_type not in matching.STOPPED:
        assert not found.triggered
        return
    ahead = whole.high if order.side == "buy" else whole.low
    sign = 1 if order.side == "buy" else -1
    reached = order.triggered or sign * ahead >= sign * order.stop_price
    assert found.triggered == reached
    assert reached or found.reference is None
    if reached and order.order_type == "stop":
        gap = order.triggered or sign * whole.open >= sign * order.stop_price
        assert found.reference == (whole.open if gap else order.stop_price)


@settings(max_examples=300, deadline=None)
@given(bars(), prices, st.sampled_from(["buy", "sell"]))
def test_without_costs_a_limit_order_trades_exactly_when_the_bar_went_to_its_limit(
    whole, limit, side
):
    found = match(Terms(side, "limit", limit_price=limit), whole)

    touched = whole.low <= limit if side == "buy" else whole.high >= limit
    assert (found.reference is not None) == touched


@pytest.mark.parametrize(
    ("side", "limit", "reference"),
    [
        ("buy", "103", "100"),  # the open is better than the limit
        ("buy", "98", "98"),  # the bar went there
        ("buy", "94", None),
        ("sell", "97", "100"),
        ("sell", "104", "104"),
        ("sell", "106", None),
    ],
)
def test_limits_by_hand(side, limit, reference):
    found = match(Terms(side, "limit", limit_price=D(limit)), bar(100, 105, 95, 102))

    assert found.reference == (D(reference) if reference else None)


@pytest.mark.parametrize(
    ("side", "stop", "opened", "reference"),
    [
        ("buy", "103", "100", "103"),
        ("buy", "103", "104", "104"),  # gapped over
        ("buy", "106", "100", None),
        ("sell", "97", "100", "97"),
        ("sell", "97", "96", "96"),
        ("sell", "94", "100", None),
    ],
)
def test_stops_by_hand(side, stop, opened, reference):
    found = match(Terms(side, "stop", stop_price=D(stop)), bar(opened, 105, 95, 102))

    assert found.reference == (D(reference) if reference else None)
    assert found.triggered == (reference is not None)


@pytest.mark.parametrize(
    ("stop", "limit", "last", "reference"),
    [
        ("103", "104", "102", "103"),  # through the stop within the limit
        ("103", "102.5", "102", "102"),  # the last price came after the stop
        ("103", "101", "102", None),  # triggered, not traded
        ("99", "98", "102", "98"),  # reached at the open: the whole bar is after it
    ],
)
def test_stop_limits_by_hand(stop, limit, last, reference):
    order = Terms("buy", "stop_limit", limit_price=D(limit), stop_price=D(stop))

    found = match(order, bar(100, 105, 95, last))

    assert found.triggered
    assert found.reference == (D(reference) if reference else None)


def test_a_limit_is_kept_after_spread_and_impact():
    # 100 / 1.0005 = 99.950024; the bar went to 99.96 only
    model = CostModel(half_spread_bp=5.0, impact=0.0)
    order = Terms("buy", "limit", limit_price=D(100))

    missed = attempt(order, D(10), bar("100.2", 101, "99.96", 100), Market(), model)
    done = attempt(order, D(10), bar("100.2", 101, "99.95", 100), Market(), model)

    assert missed.fill is None
    assert (done.match.reference, done.fill.price) == (D("99.950024"), D(100))


def test_a_bar_that_began_before_the_order_counts_with_its_last_price_alone():
    whole = bar(100, 110, 90, 102, closing=True)

    assert whole.after(OPENS) == whole
    assert whole.after(CLOSES) is None
    part = whole.after(OPENS + timedelta(minutes=1))
    assert (part.open, part.high, part.low, part.last, part.closing) == (*[D(102)] * 4, True)


def test_the_volume_of_the_bar_bounds_what_trades():
    order = Terms("buy", "market")

    done = attempt(order, D(500), bar(100, 105, 95, 102, volume=2_000.0), Market(), FREE)
    none = attempt(order, D(500), bar(100, 105, 95, 102, volume=9.0), Market(), FREE)

    assert (done.fill.quantity, done.fill.remaining) == (200, 300)
    assert (none.fill, none.match.reference) == (None, None)


@pytest.mark.parametrize(
    ("given", "price"),
    [
        (Terms("buy"), None),
        (Terms("buy", "limit", limit_price=D(9)), D(9)),
        (Terms("sell", "stop", stop_price=D(8)), D(8)),
        (Terms("buy", "stop", stop_price=D(8), triggered=True), None),
        (Terms("buy", "stop_limit", limit_price=D(9), stop_price=D(8)), D(9)),
    ],
)
def test_the_price_cash_is_judged_at(given, price):
    assert matching.cash_price(given) == price


@pytest.mark.parametrize("four", [(100, 99, 95, 98), (100, 105, 101, 102), (0, 1, 0, 1)])
def test_what_is_no_bar_is_refused(four):
    with pytest.raises(ValueError, match="not a bar"):
        bar(*four)


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="not an order type"):
        match(Terms("buy", "iceberg"), bar(100, 105, 95, 102))
