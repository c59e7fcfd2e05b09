"""A simulated session: real at both ends, repeatable in between, labelled."""

import ast
import os
import subprocess
import sys
from datetime import UTC, date, datetime

import numpy as np
import pytest

from marketdata.providers.base import ProviderFailed
from marketdata.providers.bundled import BundledProvider
from marketdata.providers.intraday import DailyMoves, SessionEnds, SimulatedSession
from marketdata.providers.reference import DATA

BREXIT = date(2016, 6, 24)
OPENS = datetime(2016, 6, 24, 13, 30, tzinfo=UTC)
SYMBOLS = ("SPY", "TLT", "XLF")
VOLATILITY = np.array([0.010, 0.008, 0.014])
CORRELATION = np.array([[1.0, -0.4, 0.9], [-0.4, 1.0, -0.3], [0.9, -0.3, 1.0]])
FLAT = {"SPY": 200.0, "TLT": 130.0, "XLF": 25.0}
COVARIANCE = CORRELATION * np.outer(VOLATILITY, VOLATILITY)


def make_ends(day=BREXIT, minutes=390, previous=None, close=None) -> SessionEnds:
    return SessionEnds(
        session_date=day,
        opens_at=OPENS,
        minutes=minutes,
        previous_close=previous or {"SPY": 210.81, "TLT": 131.66, "XLF": 23.63, "^VIX": 17.25},
        close=close or {"SPY": 203.24, "TLT": 135.22, "XLF": 22.34, "^VIX": 25.76},
    )


def make_moves(order=(0, 1, 2)) -> DailyMoves:
    order = list(order)
    return DailyMoves(
        symbols=tuple(SYMBOLS[place] for place in order),
        covariance=COVARIANCE[np.ix_(order, order)],
    )


def play(**ends) -> dict[str, np.ndarray]:
    return by_symbol(SimulatedSession(ends=make_ends(**ends), moves=make_moves()))


def by_symbol(session: SimulatedSession) -> dict[str, np.ndarray]:
    rows = np.array([bar.prices for bar in session.bars()])
    return {symbol: rows[:, place] for place, symbol in enumerate(session.symbols)}


def test_the_last_bar_is_the_real_close_and_the_close_of_the_session():
    bars = list(SimulatedSession(ends=make_ends(), moves=make_moves()).bars())

    assert len(bars) == 390
    assert bars[-1].price_of() == {"SPY": 203.24, "TLT": 135.22, "XLF": 22.34, "^VIX": 25.76}
    assert bars[-1].is_last
    assert bars[-1].as_of == datetime(2016, 6, 24, 20, 0, tzinfo=UTC)
    assert bars[0].as_of == datetime(2016, 6, 24, 13, 31, tzinfo=UTC)
    assert not bars[0].is_last


def test_every_bar_is_labelled_simulated():
    bars = SimulatedSession(ends=make_ends(), moves=make_moves()).bars()

    assert {(bar.source, bar.session_date) for bar in bars} == {("SIM", BREXIT)}


def test_a_short_day_has_210_bars():
    session = SimulatedSession(ends=make_ends(minutes=210), moves=make_moves())

    assert [bar.index for bar in session.bars()] == list(range(210))


def test_the_volatility_index_waits_for_its_close():
    path = play()["^VIX"]

    assert set(path[:-1]) == {17.25}
    assert path[-1] == 25.76


def test_a_symbol_without_a_covariance_waits_for_its_close():
    ends = make_ends(previous={"SPY": 210.81, "NEW": 10.0}, close={"SPY": 203.24, "NEW": 11.0})

    path = by_symbol(SimulatedSession(ends=ends, moves=make_moves()))["NEW"]

    assert set(path[:-1]) == {10.0}
    assert path[-1] == 11.0


def test_a_symbol_without_a_previous_close_is_not_played():
    ends = make_ends(previous={"SPY": 210.81}, close={"SPY": 203.24, "NEW": 11.0})

    assert SimulatedSession(ends=ends, moves=make_moves()).symbols == ("SPY",)


def test_a_replay_repeats_itself():
    first, second = play(), play()

    for symbol, path in first.items():
        np.testing.assert_array_equal(path, second[symbol])


@pytest.mark.parametrize("order", [(2, 1, 0), (1, 2, 0), (0, 2, 1)])
def test_the_order_of_symbols_does_not_matter(order):
    plain = play()

    turned = by_symbol(SimulatedSession(ends=make_ends(), moves=make_moves(order)))

    for symbol, path in plain.items():
        np.testing.assert_array_equal(path, turned[symbol])


def test_another_session_is_another_path():
    assert not np.array_equal(play()["SPY"], play(day=date(2016, 6, 23))["SPY"])


def test_a_session_taken_up_in_the_middle_goes_on_the_same_path():
    session = SimulatedSession(ends=make_ends(), moves=make_moves())

    later = [bar.price_of() for bar in session.bars(first=380)]

    assert later == [bar.price_of() for bar in session.bars()][380:]


def test_a_path_is_the_same_in_a_process_with_other_hashes():
    script = (
        "import sys; from marketdata.tests.providers.test_intraday import play;"
        "sys.stdout.write(repr(play()['SPY'].tolist()))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(DATA.parents[1])}

    answer = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ast.literal_eval(answer.stdout) == play()["SPY"].tolist()


def test_minutes_carry_the_intraday_share_of_the_daily_variance():
    # 389 of the 390 minutes hold 1 / 1.4^2 = 51 % of the daily variance; 56 sessions of them are
    # 21,784 squares, so the ratio has an error of sqrt(2 / 21,784) = 1 %; three of them.
    summed = np.zeros(3)
    for day in range(1, 29):
        for month in (1, 2):
            path = play(day=date(2016, month, day), previous=FLAT, close=FLAT)
            steps = np.diff(np.log(np.array([path[symbol] for symbol in SYMBOLS])), axis=1)
            summed += (steps**2).sum(axis=1)

    share = summed / 56 / VOLATILITY**2

    assert share == pytest.approx([1 / 1.4**2] * 3, rel=0.03)


def test_minutes_of_two_symbols_move_together_as_their_days_do():
    path = play(previous=FLAT, close=FLAT)
    steps = np.diff(np.log(np.array([path[symbol] for symbol in SYMBOLS])), axis=1)

    # the error of a correlation over 389 minutes is below 0.05; three of them
    assert np.corrcoef(steps) == pytest.approx(CORRELATION, abs=0.15)


def test_a_naive_or_foreign_opening_is_refused():
    ends = SessionEnds(BREXIT, OPENS.replace(tzinfo=None), 390, {}, {})

    with pytest.raises(ProviderFailed):
        SimulatedSession(ends=ends, moves=make_moves())


def test_the_whole_bundle_plays_to_its_real_closes():
    daily = BundledProvider(until=BREXIT)
    previous, close = daily.ends(BREXIT)
    symbols = tuple(sorted(previous))
    table = daily.closes(symbols, date(2015, 6, 23), date(2016, 6, 23))
    returns = np.diff(table.values, axis=0) / table.values[:-1]
    moves = DailyMoves(symbols=symbols, covariance=np.cov(returns, rowvar=False))

    bars = list(
        SimulatedSession(ends=make_ends(previous=previous, close=close), moves=moves).bars()
    )

    assert bars[-1].price_of() == close
    assert all((bar.prices > 0).all() for bar in bars)
