"""Real option chains: a vendor's Greeks, and volatilities from real bids and asks."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from marketdata.calculations.implied_volatility import implied_volatility
from marketdata.calculations.options import FIELDS, bsm, time_to_expiry

pd = pytest.importorskip("pandas")


def test_a_vendors_greeks_of_an_index_chain(shared_folder):
    """Limits: those found for 95 % of the file's rows; rho there is per 1.00 of the rate."""
    chain = pd.read_csv(shared_folder / "data" / "option_chain_spxw_20180102.csv.gz")
    ours = bsm(
        chain.underlying, chain.strike, 0.0, 0.0, chain.iv, chain.t_years, chain.right == "C"
    )
    clear = (chain.iv > 0.02) & (chain.t_years > 5 / 365) & (chain.gamma > 5e-5)

    assert clear.sum() > 3_000
    assert [reason for reason in ours.reasons() if reason] == ["no_volatility"] * int(
        ((chain.iv <= 0) & (chain.t_years > 0)).sum()
    )
    found = dict(zip(FIELDS, ours.values[:, clear], strict=True))
    theirs = chain[clear]
    assert np.quantile(np.abs(found["delta"] - theirs.delta), 0.95) <= 0.0016
    for name, scale in (("gamma", 1), ("vega", 1), ("theta", 1), ("rho", 100)):
        apart = np.abs(found[name] * scale / theirs[name] - 1.0)
        assert np.quantile(apart, 0.95) <= 0.013, name


def test_the_marks_of_an_index_chain_give_the_vendors_volatilities(shared_folder):
    chain = pd.read_csv(shared_folder / "data" / "option_chain_spxw_20180102.csv.gz")
    near = chain[(chain.iv > 0.02) & (chain.t_years > 5 / 365) & (chain.vega > 1.0)]

    found = implied_volatility(
        near.mark, near.underlying, near.strike, 0.0, 0.0, near.t_years, near.right == "C"
    )

    apart = np.abs(found.values - near.iv)[found.reason == 0]
    assert (found.reason == 0).mean() > 0.95
    assert np.median(apart) < 0.005


def test_volatilities_of_quotes_with_holes(shared_folder):
    """Time Warner: contracts without a bid or an ask have none; the others a sane one."""
    chain = pd.read_csv(shared_folder / "data" / "option_chain_twx_20140605_bidask.csv")
    moment = datetime(2014, 6, 5, 16, tzinfo=ZoneInfo("America/New_York"))
    years = [time_to_expiry(moment, date.fromisoformat(day)) for day in chain.expiration]
    middle = np.where((chain.bid > 0) & (chain.ask > 0), (chain.bid + chain.ask) / 2, np.nan)

    found = implied_volatility(
        middle, chain.underlying_price, chain.strike, 0.0005, 0.018, years, chain.right == "C"
    )

    words = found.reasons()
    holes = int(np.isnan(middle).sum())
    assert holes >= 48
    assert words.count("no_price") == holes
    known = found.volatility().compressed()
    assert known.size > 80
    assert 0.15 < np.median(known) < 0.35
