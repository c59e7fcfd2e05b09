"""Units from money and from weights: never beyond what was asked, at most a lot below it."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trading.calculations import sizing

D = Decimal
money = st.decimals("0.01", "1000000", places=2)
lots = st.sampled_from([sizing.WHOLE, sizing.FRACTION])


@given(money, st.decimals("0.01", "5000", places=4), st.sampled_from([D(1), D(100)]), lots)
def test_an_amount_is_spent_to_the_last_lot_and_not_beyond(amount, price, multiplier, lot):
    units = sizing.for_amount(amount, price, multiplier, lot)

    assert units * price * multiplier <= amount < (units + lot) * price * multiplier
    assert units == units.quantize(lot)


@given(st.decimals("-1", "2", places=4), money, st.integers(-500, 500).map(D), lots)
def test_a_target_weight_is_approached_from_where_the_position_is(weight, equity, held, lot):
    units = sizing.for_weight(
        weight, equity=equity, held=held, price=D(20), multiplier=D(1), lot=lot
    )

    before, after, target = held * 20, (held + units) * 20, weight * equity
    assert abs(target - after) < lot * 20
    assert (target - after) * (target - before) >= 0


def test_by_hand():
    # 1000 / 30 = 33.3; 10 % of 50000 = 5000 = 166.7 shares, 100 held
    assert sizing.for_amount(D(1000), D(30), D(1), sizing.lot_of(whole_shares=True)) == 33
    assert (
        sizing.for_weight(
            D("0.1"), equity=D(50_000), held=D(100), price=D(30), multiplier=D(1), lot=sizing.WHOLE
        )
        == 66
    )


@pytest.mark.parametrize("price", [D(0), D(-1)])
def test_without_a_price_there_is_no_size(price):
    with pytest.raises(ValueError, match="price"):
        sizing.for_amount(D(1), price, D(1), sizing.WHOLE)
    with pytest.raises(ValueError, match="price"):
        sizing.for_weight(
            D("0.1"), equity=D(1), held=D(0), price=price, multiplier=D(1), lot=sizing.WHOLE
        )
