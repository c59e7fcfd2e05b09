"""Adjusted closes: factors that are dividends, and one series where some rows have none."""

import numpy as np
import pytest

from marketdata.calculations.adjusted import fit, rescale, total_return


def test_a_dividend_is_seen_and_rounding_is_not() -> None:
    assert rescale(close=100.0, adjusted=100.0, told=0.99) == pytest.approx(0.99)
    assert rescale(close=100.0, adjusted=98.0, told=0.98 * 0.995) == pytest.approx(0.995)
    # 123.4567 of 123.45672 and the like
    assert rescale(close=123.4567, adjusted=121.9876, told=121.98764 / 123.45672) is None


@pytest.mark.parametrize("told", [0.25, 0.5, 2.0, 4.0])
def test_what_may_be_a_split_is_left_to_the_split(told: float) -> None:
    assert rescale(close=100.0, adjusted=100.0, told=told) is None


def test_what_is_told_of_the_past_comes_to_the_stored_level() -> None:
    assert fit(close=300.0, adjusted=255.0, told=1.0) == pytest.approx(0.85)
    assert fit(close=300.0, adjusted=75.0, told=0.5) == pytest.approx(0.5)
    assert fit(close=123.4567, adjusted=121.9876, told=121.98764 / 123.45672) == 1.0


def test_a_series_of_one_kind_is_left_as_it_is() -> None:
    close, adjusted = np.array([10.0, 11.0, 12.1]), np.array([9.0, 10.0, 12.1])
    nothing = np.full(3, np.nan)

    assert total_return(close, adjusted).tolist() == adjusted.tolist()
    assert total_return(close, nothing).tolist() == close.tolist()


def test_rows_without_an_adjusted_close_join_by_the_returns_of_the_closes() -> None:
    close = np.array([10.0, 11.0, 12.1, 12.1, 13.31])
    adjusted = np.array([np.nan, 9.9, np.nan, 11.495, 13.31])

    joined = total_return(close, adjusted)

    returns = joined[1:] / joined[:-1] - 1.0
    # the last one is of two adjusted closes: what was paid is in it
    assert returns == pytest.approx([0.1, 0.1, 0.0, 13.31 / 11.495 - 1.0])
    assert joined[-1] == 13.31
