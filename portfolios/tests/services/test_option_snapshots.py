"""Books with options: values, delta exposures and Greeks, at a close, in a session, and past."""

from decimal import Decimal

import pytest

from marketdata.models import OptionGreeks, OptionQuote
from marketdata.tests.option_world import DAY, NEXT
from marketdata.tests.selectors.test_option_marks import play
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry
from portfolios.selectors import positions
from portfolios.services import booking, locking, snapshots
from portfolios.services.booking import Leg
from portfolios.tests import option_book
from portfolios.tests.factories import make_portfolio

pytestmark = pytest.mark.django_db
FOUR = {
    "SPY160819C00212000": 10,
    "SPY160819P00200000": 20,
    "SPY160715C00212000": -20,
    "SPY160715P00202000": -18,
}
LC, LP, SC, SP = FOUR


def taken(portfolio):
    [row] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=DAY)
    return row, {
        each.instrument.symbol: each for each in row.positions.select_related("instrument")
    }


def greeks(symbol):
    return OptionGreeks.objects.get(contract__instrument__symbol=symbol, session_date=DAY)


def test_the_close_by_hand():
    portfolio = option_book.make_book(FOUR)

    row, lines = taken(portfolio)

    cash = portfolio.cash
    worth = Decimal(0)
    for symbol, quantity in FOUR.items():
        quote = OptionQuote.objects.get(contract__instrument__symbol=symbol, session_date=DAY)
        middle = (quote.bid + quote.ask) / 2
        assert lines[symbol].price == middle
        assert lines[symbol].exposure == 100 * quantity * middle
        # brought in at a dollar a share
        assert lines[symbol].unrealized_pnl == 100 * quantity * (middle - 1)
        worth += lines[symbol].exposure
    assert row.nav == cash + worth + 400 * Decimal("208.10") - 50 * 133
    assert row.net_exposure == row.nav - cash
    assert row.identity_gap == 0
    assert row.gross_exposure == sum(abs(each.exposure) for each in lines.values())


def test_signs_of_delta_exposures_are_those_of_calls_and_puts_held_and_sold():
    portfolio = option_book.make_book(FOUR)

    row, lines = taken(portfolio)

    for symbol, sign in ((LC, 1), (LP, -1), (SC, -1), (SP, 1)):
        line, unit = lines[symbol], greeks(symbol)
        assert line.delta == unit.delta
        assert float(line.delta_exposure) == pytest.approx(
            FOUR[symbol] * 100 * unit.delta * 208.1, abs=1e-5
        )
        assert line.delta_exposure * sign > 0
    for symbol in ("SPY", "TLT"):
        assert lines[symbol].delta_exposure == lines[symbol].exposure
        assert lines[symbol].delta == 1.0
    assert row.net_delta_exposure == sum(each.delta_exposure for each in lines.values())
    # options are netted with their underlying before sizes are added up
    spy = sum(each.delta_exposure for name, each in lines.items() if name.startswith("SPY"))
    assert row.gross_delta_exposure == abs(spy) + abs(lines["TLT"].delta_exposure)
    for name, field in (
        ("theta", "theta_dollars"),
        ("vega", "vega_dollars"),
        ("rho", "rho_dollars"),
    ):
        total = sum(100 * n * getattr(greeks(s), name) for s, n in FOUR.items())
        assert getattr(row, field) == pytest.approx(total, rel=1e-12)
    gamma = sum(100 * n * greeks(s).gamma for s, n in FOUR.items()) * 208.1**2 * 0.01
    assert row.gamma_1pct_dollars == pytest.approx(gamma, rel=1e-12)


def test_the_walk_gives_the_same_rows_and_twice_changes_nothing():
    portfolio = option_book.make_book(FOUR)
    row, _ = taken(portfolio)

    [again] = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[DAY])

    assert (again.pk, again.revision) == (row.pk, 1)


def test_missing_greeks_degrade_and_are_said():
    portfolio = option_book.make_book(FOUR)
    OptionGreeks.objects.filter(contract__instrument__symbol=LC).delete()

    row, lines = taken(portfolio)

    assert lines[LC].exposure is not None
    assert (lines[LC].delta_exposure, lines[LC].delta, lines[LC].iv) == (None, None, None)
    assert {"code": "no_greeks", "symbol": LC}.items() <= row.warnings[-1].items()
    assert row.net_delta_exposure == sum(
        each.delta_exposure for each in lines.values() if each.delta_exposure is not None
    )
    OptionGreeks.objects.all().delete()
    bare, _ = taken(portfolio)
    assert (bare.revision, bare.gamma_1pct_dollars, bare.vega_dollars) == (2, None, None)


def test_a_book_without_options_has_zero_greeks_and_full_quality():
    portfolio = option_book.make_book({}, compute=False)

    row, _ = taken(portfolio)

    assert (row.gamma_1pct_dollars, row.theta_dollars, row.quality) == (0, 0, "full")
    assert (row.net_delta_exposure, row.gross_delta_exposure) == (
        row.net_exposure,
        row.gross_exposure,
    )


def test_simulated_quotes_are_said_to_be():
    row, _ = taken(option_book.make_book(FOUR))

    assert row.quality == "fallback"
    assert row.warnings == [
        {
            "code": "simulated_price",
            "symbol": "Options",
            "detail": "4 of 6 positions at SIMULATED quotes",
        }
    ]


def test_while_a_session_plays_and_read_again_later():
    portfolio = option_book.make_book(FOUR)
    row, lines = taken(portfolio)
    spy = lines["SPY"].instrument
    moment = play(spy, 212.1)

    now = positions.now(portfolio=portfolio, moment=moment)

    live = {each.line.symbol: each for each in now.valuation.lines}
    for symbol, sign in ((LC, 1), (LP, -1), (SC, -1), (SP, 1)):
        moved = live[symbol].exposure - lines[symbol].exposure
        assert moved * sign > 0
        assert live[symbol].day_pnl == moved
        assert live[symbol].delta_exposure * sign > 0
    assert now.nav == row.cash + sum(each.exposure for each in live.values())
    assert now.day_pnl == now.nav - row.nav
    types = {
        s: positions.type_of(each.line.quantity, each.line.contract) for s, each in live.items()
    }
    assert types == {LC: "LC", LP: "LP", SC: "SC", SP: "SP", "SPY": "LONG", "TLT": "SHORT"}
    assert live[SP].line.contract.words == "SPY 15 Jul 2016 202 put"

    past = positions.at(portfolio=portfolio, session_date=DAY)
    assert past.nav == row.nav
    assert past.valuation.net_delta == pytest.approx(row.net_delta_exposure, abs=Decimal("0.001"))
    assert past.valuation.greeks.vega == pytest.approx(row.vega_dollars, rel=1e-12)


def test_dividends_to_come_are_in_equity_and_income_of_the_day():
    portfolio = make_portfolio(cash=1_000, session_date=DAY)
    with_locked = locking.lock_portfolios(portfolio.pk)[0]
    # owed from the ex-date on, not paid yet
    booking.append(
        with_locked,
        EntryKind.DIVIDEND,
        "action:00000000-0000-4000-8000-000000000001",
        DAY,
        [Leg(LedgerAccount.ACCRUED, Decimal(40)), Leg(LedgerAccount.INCOME, Decimal(-40))],
        "",
    )

    row, _ = taken(portfolio)

    assert (row.nav, row.cash, row.receivables, row.income) == (1_040, 1_000, 40, 40)
    [later] = snapshots.take(portfolio_ids=[portfolio.pk], session_date=NEXT)
    assert (later.receivables, later.income) == (40, 0)
    walked = snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=[DAY, NEXT])
    assert [(each.revision, each.income) for each in walked] == [(1, 40), (1, 0)]
    assert LedgerEntry.objects.filter(portfolio=portfolio, kind="dividend").count() == 2
