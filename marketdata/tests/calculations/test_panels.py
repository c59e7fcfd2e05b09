"""Laws of returns over gaps, price checks, the calendar, and correlations with holes."""

from datetime import date, time

import numpy as np
import pytest

from marketdata.calculations import correlation, price_checks, returns, sessions

SEEDS = range(20)
NAN = np.nan


def test_a_return_spans_a_short_gap_and_is_dropped_over_a_long_one():
    column = [100.0, 110.0] + [NAN] * 4 + [121.0] + [NAN] * 5 + [133.1]

    result = returns.simple_returns(np.array([column]).T)[:, 0]

    assert result[[0, 5]] == pytest.approx([0.1, 0.1])
    assert np.isnan(result[[1, 2, 3, 4, 11]]).all()


def test_the_gap_is_counted_in_sessions_of_the_calendar():
    prices = np.array([[100.0], [110.0], [121.0]])

    result = returns.simple_returns(prices, np.array([0, 6, 7]))[:, 0]

    assert np.isnan(result[0])
    assert result[1] == pytest.approx(0.1)


@pytest.mark.parametrize("bad", [0.0, -5.0, np.inf])
def test_a_price_that_is_not_one_counts_as_missing(bad):
    result = returns.log_returns(np.array([[100.0], [bad], [110.0]]))[:, 0]

    assert np.isnan(result[0])
    assert result[1] == pytest.approx(np.log(1.1))


@pytest.mark.parametrize("rows", [0, 1])
def test_fewer_than_two_rows_have_no_returns(rows):
    assert returns.simple_returns(np.ones((rows, 3))).shape == (0, 3)


def test_session_numbers_that_do_not_rise_are_refused():
    with pytest.raises(ValueError, match="must rise"):
        returns.simple_returns(np.ones((3, 1)), np.array([0, 0, 1]))


def test_each_price_gets_its_own_verdict():
    prices = np.array([100.0, NAN, 0.0, 2e7, 141.0, 60.0, 59.0, 300.0])
    previous = np.array([90.0, 1.0, 1.0, 1.0, 100.0, 100.0, 100.0, NAN])

    verdicts = price_checks.check(prices, previous)

    assert verdicts.reasons == (
        None, "not_finite", "not_positive", "too_large", "jump", None, "jump", None,
    )  # fmt: skip
    assert verdicts.quarantined.tolist() == [reason == "jump" for reason in verdicts.reasons]


def test_an_explained_jump_is_accepted():
    assert price_checks.check_one(50.0, 100.0) == "jump"
    assert price_checks.check_one(50.0, 100.0, explained=True) is None


WEEK = sessions.calendar(
    [date(2016, 6, day) for day in (20, 21, 22, 23, 24, 27)], {date(2016, 6, 27): time(13)}
)


def test_the_calendar_walks_over_a_weekend():
    assert WEEK.next(date(2016, 6, 24)) == date(2016, 6, 27)
    assert WEEK.previous(date(2016, 6, 27)) == date(2016, 6, 24)
    assert WEEK.on_or_before(date(2016, 6, 26)) == date(2016, 6, 24)
    assert WEEK.on_or_after(date(2016, 6, 25)) == date(2016, 6, 27)
    assert WEEK.shift(date(2016, 6, 27), -2) == date(2016, 6, 23)
    assert WEEK.count(date(2016, 6, 22), date(2016, 6, 27)) == 3
    assert not WEEK.is_session(date(2016, 6, 25))


def test_an_early_close_is_short():
    assert (WEEK.bars(date(2016, 6, 24)), WEEK.bars(date(2016, 6, 27))) == (390, 210)
    assert WEEK.closes_at(date(2016, 6, 27)).hour == 13


@pytest.mark.parametrize(
    "walk",
    [
        lambda: WEEK.next(date(2016, 6, 27)),
        lambda: WEEK.previous(date(2016, 6, 20)),
        lambda: WEEK.shift(date(2016, 6, 27), 1),
        lambda: WEEK.shift(date(2016, 6, 25), 1),
    ],
)
def test_the_calendar_does_not_invent_days(walk):
    with pytest.raises(ValueError, match=r"calendar|not a session"):
        walk()


@pytest.mark.parametrize("seed", SEEDS)
def test_pairwise_correlation_agrees_with_pandas(seed):
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(seed)
    series = rng.normal(0.0, 0.01, (90, 8)) + rng.normal(0.0, 0.01, (90, 1))
    series[rng.random(series.shape) < 0.3] = NAN

    matrix, overlap = correlation.pairwise_correlation(series, 40)

    expected = pandas.DataFrame(series).corr(min_periods=40).to_numpy()
    assert matrix == pytest.approx(expected, abs=1e-12, nan_ok=True)
    assert overlap[0, 1] == np.isfinite(series[:, :2]).all(axis=1).sum()


def test_a_constant_series_correlates_with_nothing():
    series = np.column_stack([np.full(30, 0.1), np.random.default_rng(1).normal(size=30)])

    matrix, _ = correlation.pairwise_correlation(series)

    assert np.isnan(matrix[0]).all()
    assert matrix[1, 1] == 1.0


def test_an_empty_panel_has_an_empty_correlation():
    matrix, overlap = correlation.pairwise_correlation(np.zeros((0, 2)))

    assert np.isnan(matrix).all()
    assert not overlap.any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_repaired_matrix_is_a_correlation_and_stays_one(seed):
    rng = np.random.default_rng(seed)
    broken = np.clip(rng.uniform(-1.0, 1.0, (7, 7)), -0.99, 0.99)
    broken = (broken + broken.T) / 2
    np.fill_diagonal(broken, 1.0)

    valid = correlation.nearest_correlation(broken)

    assert (np.diag(valid) == 1.0).all()
    assert np.linalg.eigvalsh(valid)[0] >= -1e-10
    assert correlation.nearest_correlation(valid) == pytest.approx(valid, abs=1e-9)


def test_no_correlation_tried_at_random_is_nearer_than_the_repaired_one():
    rng = np.random.default_rng(3)
    broken = np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]])

    distance = np.linalg.norm(correlation.nearest_correlation(broken) - broken)

    tried = [np.corrcoef(rng.normal(size=(3, 5))) for _ in range(2_000)]
    assert distance <= min(np.linalg.norm(matrix - broken) for matrix in tried)


@pytest.mark.parametrize("bad", [np.ones((2, 3)), np.array([[1.0, NAN], [NAN, 1.0]])])
def test_what_is_not_a_symmetric_matrix_is_refused(bad):
    with pytest.raises(ValueError, match="not a"):
        correlation.nearest_correlation(bad)
