"""What the bundled provider hands out, and what it keeps back."""

import csv
import gzip
import io
import random
import shutil
from datetime import date

import numpy as np
import pytest

from marketdata.providers import bundled
from marketdata.providers.base import BarRow, ProviderFailed
from marketdata.providers.bundled import BundledProvider
from marketdata.providers.reference import DATA

START = date(2016, 6, 22)
LONG_AGO, FAR_AWAY = date(2000, 1, 1), date(2040, 1, 1)


def make_provider(until: date = START, folder=DATA) -> BundledProvider:
    return BundledProvider(until=until, folder=folder)


def bar(provider: BundledProvider, symbol: str, day: date) -> BarRow:
    (row,) = provider.bars([symbol], day, day)
    return row


def rewrite(folder, name, change):
    path = folder / name
    lines = list(csv.reader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(change(lines))
    path.write_bytes(gzip.compress(text.getvalue().encode()))


def shuffled(lines):
    chance = random.Random(7)
    order = list(range(len(lines[0])))
    chance.shuffle(order)
    rows = lines[1:]
    chance.shuffle(rows)
    return [[line[place] for place in order] for line in [lines[0], *rows]]


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(DATA, folder)
    return folder


def test_nothing_after_the_clock_is_handed_out():
    provider = make_provider()
    symbols = [row.symbol for row in provider.instruments()]

    assert max(row.session_date for row in provider.bars(symbols, LONG_AGO, FAR_AWAY)) == START
    assert max(row.session_date for row in provider.yields(LONG_AGO, FAR_AWAY)) == START
    assert provider.closes(symbols, LONG_AGO, FAR_AWAY).sessions[-1] == np.datetime64(START)
    assert max(row.last for row in provider.coverage()) == START
    assert provider.last_session() == START
    with pytest.raises(ProviderFailed, match="no such session"):
        provider.ends(date(2016, 6, 23))


def test_rows_altered_after_the_clock_change_nothing(copied):
    def later_is_different(lines):
        return [
            line
            if line[0] <= "2016-06-22" or line[0] == "date"
            else [line[0], *("1.0" for _ in line[1:])]
            for line in lines
        ]

    rewrite(copied, "daily_close.csv.gz", later_is_different)
    symbols = [row.symbol for row in make_provider().instruments()]

    altered = list(make_provider(folder=copied).bars(symbols, LONG_AGO, FAR_AWAY))

    assert altered == list(make_provider().bars(symbols, LONG_AGO, FAR_AWAY))


def test_shuffled_columns_and_rows_change_nothing(copied):
    for name in ("daily_close.csv.gz", "megacap_ohlcv.csv.gz", "ust_curve.csv.gz"):
        rewrite(copied, name, shuffled)
    plain, mixed = make_provider(), make_provider(folder=copied)
    symbols = [row.symbol for row in plain.instruments()]

    assert list(mixed.bars(symbols, LONG_AGO, FAR_AWAY)) == list(
        plain.bars(symbols, LONG_AGO, FAR_AWAY)
    )
    assert set(mixed.yields(LONG_AGO, FAR_AWAY)) == set(plain.yields(LONG_AGO, FAR_AWAY))
    np.testing.assert_array_equal(
        mixed.closes(symbols, LONG_AGO, FAR_AWAY).values,
        plain.closes(symbols, LONG_AGO, FAR_AWAY).values,
    )


def test_a_weekend_clock_stands_on_the_friday_before():
    assert make_provider(until=date(2016, 6, 19)).last_session() == date(2016, 6, 17)


def test_a_clock_before_the_history_has_no_last_session():
    with pytest.raises(ProviderFailed):
        make_provider(until=date(2007, 12, 31)).last_session()


def test_the_history_ends_where_the_first_fund_ends():
    assert bundled.history_end() == date(2016, 7, 1)


def test_apple_is_taken_from_its_full_bars_as_soon_as_they_begin():
    # Apple closed at 549.03 on 2013-01-02; a 4:1 and a 7:1 split later that is 19.6082
    provider = make_provider()

    first, before = (
        bar(provider, "AAPL", date(2013, 1, 2)),
        bar(provider, "AAPL", date(2012, 12, 31)),
    )

    assert (first.close, first.price_basis) == (19.6082, "close")
    assert first.volume == 560518000
    assert (before.price_basis, before.volume, before.open) == ("adjusted", None, None)
    assert before.adj_close == before.close
    assert bar(provider, "AAPL", START).close == 23.8875
    assert bar(provider, "AAPL", date(2015, 6, 22)).close == 31.9025


def test_a_window_over_apples_change_of_basis_keeps_the_newer_part_only():
    table = make_provider().closes(["AAPL", "SPY"], date(2012, 12, 28), date(2013, 1, 4))

    assert np.isnan(table.values[:2, 0]).all()
    assert table.values[2, 0] == 19.6082
    assert not np.isnan(table.values[:, 1]).any()


def test_a_window_before_apples_full_bars_uses_the_other_column():
    table = make_provider().closes(["AAPL"], date(2008, 9, 2), date(2009, 3, 31))

    assert not np.isnan(table.values).any()


def test_each_series_says_its_price_basis():
    provider = make_provider()

    assert bar(provider, "SPY", START).price_basis == "close"
    assert bar(provider, "SPY", START).adj_close is None
    assert bar(provider, "MTUM", START).price_basis == "adjusted"
    assert bar(provider, "MSFT", START).adj_close == bar(provider, "MSFT", START).close
    assert bar(provider, "^VIX", START).price_basis == "index_level"
    assert bar(provider, "^VIX", START).adj_close is None
    assert bar(provider, "SPY", START).source == "bundled"


def test_ends_are_the_previous_close_and_the_close():
    previous, close = make_provider(until=date(2016, 6, 24)).ends(date(2016, 6, 24))

    assert (previous["^VIX"], close["^VIX"]) == (17.25, 25.76)
    assert len(close) == 55


def test_ends_leave_out_what_has_no_previous_close_of_its_kind():
    # the factor funds begin on 2014-01-02 and ^VIX a day later; Apple changes basis on 2013-01-02
    _, in_2014 = make_provider().ends(date(2014, 1, 2))
    _, in_2013 = make_provider().ends(date(2013, 1, 2))

    assert not {"MTUM", "^VIX"} & set(in_2014)
    assert "AAPL" not in in_2013


def test_a_symbol_the_bundle_does_not_know_is_refused_by_name():
    with pytest.raises(ProviderFailed) as refusal:
        list(make_provider().bars(["SPY", "QQQ"], START, START))

    assert refusal.value.figures == {"symbols": ["QQQ"]}


def test_bond_holidays_have_no_yield():
    # Columbus Day 2015: the exchange is open, the bond market is not
    assert not list(make_provider().yields(date(2015, 10, 12), date(2015, 10, 12)))
    assert len(list(make_provider().yields(START, START))) == 11


def negative(lines):
    return [lines[0], [lines[1][0], "-1", *lines[1][2:]], *lines[2:]]


def header_twice(lines):
    return [[lines[0][0], lines[0][1], lines[0][1], *lines[0][3:]], *lines[1:]]


def day_twice(lines):
    return [*lines, lines[-1]]


@pytest.mark.parametrize("damage", [negative, header_twice, day_twice])
def test_a_damaged_price_file_is_refused(copied, damage):
    rewrite(copied, "daily_close.csv.gz", damage)

    with pytest.raises(ProviderFailed):
        make_provider(folder=copied)


def test_a_yield_in_the_wrong_unit_is_refused(copied):
    rewrite(
        copied, "ust_curve.csv.gz", lambda lines: [lines[0], [lines[1][0], "309", *lines[1][2:]]]
    )

    with pytest.raises(ProviderFailed):
        make_provider(folder=copied)


def test_a_missing_file_is_a_provider_failure(copied):
    (copied / "ust_curve.csv.gz").unlink()

    with pytest.raises(ProviderFailed, match="cannot be read"):
        make_provider(folder=copied)
