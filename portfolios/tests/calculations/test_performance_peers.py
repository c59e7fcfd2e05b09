"""Figures against empyrical-reloaded, on random and on real series, where both mean the same."""

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest

from portfolios.calculations import performance
from portfolios.calculations.performance import daily_rate

empyrical = pytest.importorskip(
    "empyrical", reason="empyrical-reloaded is not installed: no second opinion"
)
RATES = [0.0, 0.0025, 0.05]
FILES = {
    "stock_daily_2016_2020": ("AAPL", "PFE", "JPM"),
    "etf_daily_2016_2021": ("SPY", "TLT", "EEM"),
}


def drawn(seed):
    """Six years or a month; calm, wild, falling."""
    dice = np.random.default_rng(seed)
    count = int(dice.choice([20, 63, 252, 1_500]))
    drift, spread = dice.uniform(-0.002, 0.002), dice.choice([0.0005, 0.011, 0.04])
    return np.clip(dice.standard_t(4, count) * spread + drift, -0.5, 0.5)


def agree(mine, theirs, rf):
    free = daily_rate(rf)
    alone, beside = performance.summary(mine, rf), performance.relative(mine, theirs, rf)
    pairs = {
        "cumulative": (alone.cumulative_return, empyrical.cum_returns_final(mine)),
        "annual": (alone.annual_return, empyrical.annual_return(mine)),
        "volatility": (alone.annual_volatility, empyrical.annual_volatility(mine)),
        "sharpe": (alone.sharpe, empyrical.sharpe_ratio(mine, free)),
        "sortino": (alone.sortino, empyrical.sortino_ratio(mine, free)),
        "downside": (alone.downside_deviation, empyrical.downside_risk(mine, free)),
        "drawdown": (alone.max_drawdown, empyrical.max_drawdown(mine)),
        "calmar": (alone.calmar, empyrical.calmar_ratio(mine)),
        "beta": (beside.beta, empyrical.beta(mine, theirs, free)),
        "alpha": (beside.alpha_annual, empyrical.alpha(mine, theirs, free)),
        # theirs is of a day
        "information": (
            beside.information_ratio,
            empyrical.excess_sharpe(mine, theirs) * np.sqrt(252),
        ),
    }
    for name, (ours, peer) in pairs.items():
        if ours is None:  # where they divide by nothing
            assert not np.isfinite(peer), name
        else:
            assert ours == pytest.approx(peer, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("rf", RATES)
@pytest.mark.parametrize("seed", range(40))
def test_random_series_have_the_same_figures(seed, rf):
    mine = drawn(seed)
    agree(mine, 0.5 * mine + np.random.default_rng(seed + 1).normal(0, 0.01, mine.size), rf)


@pytest.mark.parametrize("rf", RATES)
def test_real_series_have_the_same_figures(shared_folder: Path, rf):
    closes = {}
    for file, wanted in FILES.items():
        with gzip.open(shared_folder / "data" / f"{file}.csv.gz", "rt", newline="") as lines:
            for row in csv.DictReader(lines):
                if row["symbol"] in wanted and row["close"]:
                    closes.setdefault(row["symbol"], {})[row["date"]] = float(row["close"])
    market = closes["SPY"]
    seen = 0
    for symbol, mine in closes.items():
        days = sorted(mine.keys() & market.keys())
        if symbol == "SPY" or len(days) < 300:
            continue
        level = np.array([[mine[day], market[day]] for day in days])
        daily = level[1:] / level[:-1] - 1.0
        agree(daily[:, 0].copy(), daily[:, 1].copy(), rf)
        seen += 1
    assert seen >= 3
