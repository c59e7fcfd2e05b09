"""The matrices of a session on the bundled prices, beside a second computation."""

from datetime import date

import numpy as np
import pytest

from etftrader.core.errors import NotEnoughData
from etftrader.testing.rows import module_rows
from marketdata.models import PriceSeries
from risk.models import CovarianceSnapshot
from risk.selectors import covariance as matrices
from risk.services import covariance
from risk.tests import factories

pytestmark = pytest.mark.django_db

SESSIONS = (date(2016, 6, 22), date(2016, 6, 23), date(2016, 6, 24))
STORY = (9_924.57, 11_518.85, 18_806.18)  # product.md 2.5


@pytest.fixture(scope="module")
def bundle(django_db_setup, django_db_blocker):
    """The bundle up to the demonstration's start, written once."""
    with module_rows(django_db_blocker):
        factories.load_bundle()
        yield


def closes(symbol, until):
    series = PriceSeries.objects.get(instrument__symbol=symbol)
    days = series.sessions.astype("int64").astype("datetime64[D]")
    return series.total_return[days <= np.datetime64(until)]


def second_opinion(symbols, until, decay=0.94, rows=252):
    """The EWMA matrix written out as a sum of outer products."""
    prices = np.column_stack([closes(symbol, until)[-rows - 1 :] for symbol in symbols])
    returns = prices[1:] / prices[:-1] - 1.0
    weights = np.array([decay**age for age in range(rows - 1, -1, -1)])
    return sum(
        weight * np.outer(row, row)
        for weight, row in zip(weights / weights.sum(), returns, strict=True)
    )


def closes_on(symbol, day):
    series = PriceSeries.objects.get(instrument__symbol=symbol)
    days = series.sessions.astype("int64").astype("datetime64[D]")
    return float(series.close[days == np.datetime64(day)][0])


def test_the_stored_matrix_agrees_with_a_sum_of_outer_products(bundle):

    row = covariance.compute_daily(session_date=factories.START)

    matrix = matrices.of_row(row)
    names = ("SPY", "TLT", "AAPL", "EWU", "MTUM")
    rows = [matrix.row(name) for name in names]
    expected = second_opinion(names, factories.START)
    assert matrix.values[np.ix_(rows, rows)] == pytest.approx(expected, rel=1e-10)


def test_indices_are_not_in_the_matrix_and_every_listed_name_is(bundle):

    row = covariance.compute_daily(session_date=factories.START)

    assert len(row.labels) == 53
    assert row.labels == sorted(row.labels)
    assert not [label for label in row.labels if label.startswith("^")]


def test_twice_is_once_and_a_correction_raises_the_revision(bundle):
    first = covariance.compute_daily(session_date=factories.START)

    again = covariance.compute_daily(session_date=factories.START)
    assert (again.pk, again.revision, again.checksum) == (first.pk, 1, first.checksum)

    series = PriceSeries.objects.get(instrument__symbol="SPY")
    corrected = series.total_return.copy()
    corrected[-1] *= 1.01
    series.total_return = corrected
    series.save()
    third = covariance.compute_daily(session_date=factories.START)
    assert (third.pk, third.revision) == (first.pk, 2)
    assert CovarianceSnapshot.objects.count() == 1


def test_rows_after_the_session_change_nothing(bundle):
    before = covariance.compute_daily(session_date=factories.START).checksum

    factories.advance(date(2016, 6, 24))

    assert covariance.compute_daily(session_date=factories.START).checksum == before


def test_a_young_name_is_flagged_and_a_newborn_one_is_left_out(bundle):
    shorten("AMD", 100)
    shorten("RRC", 40)

    row = covariance.compute_daily(session_date=factories.START)

    assert row.flags == {"AMD": {"flag": "short_history", "observations": 99}}
    assert "RRC" not in row.labels
    assert row.warnings == ["RRC: 39 of 60 returns"]
    assert np.linalg.eigvalsh(matrices.of_row(row).values)[0] >= -1e-12


def shorten(symbol, rows):
    series = PriceSeries.objects.get(instrument__symbol=symbol)
    for name in ("sessions", "close", "total_return", "volume"):
        setattr(series, name, getattr(series, name)[-rows:].copy())
    series.save()


def test_without_any_price_there_is_no_matrix(bundle):
    PriceSeries.objects.all().delete()
    with pytest.raises(NotEnoughData) as refusal:
        covariance.compute_daily(session_date=factories.START)

    assert refusal.value.code == "no_covariance"
    assert not CovarianceSnapshot.objects.exists()


def test_the_stressed_matrix_is_the_second_moment_of_the_crisis(bundle):
    covariance.compute_daily(session_date=factories.START)

    row = covariance.compute_stressed(session_date=factories.START)

    # equal weights, zero mean, 2008-09-01 to 2009-03-31
    matrix = matrices.of_row(row)
    series = PriceSeries.objects.get(instrument__symbol="SPY")
    days = series.sessions.astype("int64").astype("datetime64[D]")
    returns = series.total_return[1:] / series.total_return[:-1] - 1.0
    inside = (days[1:] >= np.datetime64("2008-09-01")) & (days[1:] <= np.datetime64("2009-03-31"))
    spy = matrix.row("SPY")
    assert matrix.values[spy, spy] == pytest.approx(np.mean(returns[inside] ** 2), rel=1e-9)


def test_names_younger_than_the_crisis_are_assumed_and_say_so(bundle):
    daily = matrices.of_row(covariance.compute_daily(session_date=factories.START))

    stressed = matrices.of_row(covariance.compute_stressed(session_date=factories.START))

    assert set(stressed.flags) >= {"META", "MTUM", "QUAL", "USMV", "VLUE", "SIZE"}
    assert "SPY" not in stressed.flags
    meta = stressed.row("META")
    # 2.5 times today's volatility
    expected = 2.5**2 * daily.values[meta, meta]
    assert stressed.values[meta, meta] == pytest.approx(expected, rel=1e-9)
    assert np.linalg.eigvalsh(stressed.values)[0] >= -1e-12


@pytest.mark.parametrize("size", range(1, 6))
def test_a_packed_triangle_comes_back_whole(size):
    rng = np.random.default_rng(size)
    half = rng.normal(size=(size, size))
    matrix = half @ half.T

    assert matrices.unpack(matrices.pack(matrix), size) == pytest.approx(matrix, rel=1e-15)


def test_a_matrix_older_than_five_sessions_is_not_in_force(bundle):
    covariance.compute_daily(session_date=date(2016, 6, 15))

    assert matrices.in_force(session_date=factories.START) is not None
    assert matrices.in_force(session_date=date(2016, 6, 23)) is None
    assert matrices.in_force(session_date=date(2016, 6, 14)) is None
