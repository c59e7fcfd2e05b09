"""A book of SPY options beside funds, at the real close of 2016-06-22, for tests of the Greeks."""

from datetime import date
from decimal import Decimal

from marketdata.models import Instrument, OptionContract
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import BY, DAY, clock_at, spy
from portfolios.models import Portfolio
from portfolios.tests.factories import make_closes, make_instrument, make_portfolio, opening

# symbol and signed contracts; the demonstration's eight
OPTIONS = {
    "SPY160819C00212000": 10,
    "SPY160916C00216000": 15,
    "SPY160819P00200000": 20,
    "SPY160916P00191000": 25,
    "SPY160715C00212000": -20,
    "SPY160819C00219000": -15,
    "SPY160715P00202000": -18,
    "SPY160916P00179000": -30,
}
SHARES = 400
SPOT = 208.1


def make_book(options=None, *, shares=SHARES, other=True, compute=True, until=DAY, **fields):
    """SPY with its chain, the clock on the 22nd, and a book of options, shares and a fund."""
    fund = spy(until=until)
    clock_at(DAY)
    portfolio = make_portfolio(cash=1_000_000, session_date=DAY, **fields)
    if shares:
        opening(portfolio, fund, shares, "200", session_date=DAY)
    if other:
        bond_fund = make_instrument("TLT")
        make_closes(bond_fund, {DAY: 133})
        opening(portfolio, bond_fund, -50, 130, session_date=DAY)
    hold(portfolio, OPTIONS if options is None else options)
    if compute:
        price(DAY)
    return Portfolio.objects.get(pk=portfolio.pk)


def hold(portfolio: Portfolio, options: dict[str, int]) -> list[Instrument]:
    """Options brought in at a dollar a share."""
    made = contracts.ensure(symbols=list(options), by=BY).contracts if options else {}
    for symbol, quantity in options.items():
        opening(portfolio, made[symbol].instrument, quantity, Decimal(1), session_date=DAY)
    return [each.instrument for each in made.values()]


def price(day: date) -> None:
    """Simulated quotes and stored Greeks of one close."""
    option_quotes.simulate(session_date=day)
    held = OptionContract.objects.values_list("instrument_id", flat=True)
    greeks.compute(session_date=day, held=list(held))
