"""A price in doubt, end to end: held by the gate, refused by orders, no word for the value."""

from decimal import Decimal

import pytest

from etftrader.core.actor import system
from marketdata.models import Instrument, QuarantinedPrice, ReplayClock
from marketdata.providers.base import BarRow, SymbolHistory
from marketdata.selectors import calendar, sessions
from marketdata.services import bar_sync, price_gate
from portfolios.models import LedgerEntry, User
from portfolios.selectors import positions
from trading.models import Order, Trade
from trading.services import execution, orders
from trading.tests import world
from trading.tests.world import TODAY, YESTERDAY

pytestmark = pytest.mark.django_db
BY = system("tests")


@pytest.fixture
def book():
    """Ten AAA at the close of the 22nd, a hundred dollars each, a BBB at fifty, and cash."""
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "10")
    world.hold(portfolio, "BBB", "1")
    world.lift_var_limit(portfolio)
    return portfolio


def told(symbol, day, close, source="csv"):
    """A source tells a close; the gate judges it."""
    of = Instrument.objects.get(symbol=symbol)
    row = BarRow(
        symbol=symbol, session_date=day, open=None, high=None, low=None, close=close,
        adj_close=None, volume=None, source=source, price_basis="close",
    )  # fmt: skip
    said = SymbolHistory(symbol, (row,), (), ())
    bar_sync.write({symbol: of}, [said], until=day, brought=bar_sync.Brought())
    return QuarantinedPrice.objects.filter(symbol=symbol, session_date=day, source=source).first()


def submit(portfolio, ticket):
    by = world.actor(User.objects.get())
    return orders.submit(portfolio_id=portfolio.pk, ticket=ticket, by=by, moment=sessions.moment())


def worth(portfolio):
    """Equity, and the class and reason of the line in AAA."""
    portfolio.refresh_from_db()
    found = positions.now(portfolio=portfolio, moment=sessions.moment())
    [line] = [each for each in found.valuation.lines if each.line.symbol == "AAA"]
    return found, str(line.mark.price_class), line.reason


def test_two_sources_that_differ_refuse_orders_until_a_person_has_looked(book):
    before, kind, reason = worth(book)
    assert (kind, reason) == ("eod", "")

    doubt = told("AAA", YESTERDAY, 108.0)

    assert doubt.reason == "sources_differ"
    after, kind, reason = worth(book)
    assert (after.nav, kind, reason) == (before.nav, "suspect", "price_suspect")
    assert {each["code"] for each in after.valuation.warnings} == {"price_suspect"}
    assert after.valuation.coverage == pytest.approx(50 / 1_050)
    entries = LedgerEntry.objects.count()
    for ticket in (world.buy("1"), world.sell("1"), world.buy("1", "BBB")):
        order = submit(book, ticket)
        # a held name that is in doubt makes every VaR of the book unknown
        assert (order.state, order.reasons) == ("rejected", ["PRICE_SUSPECT"])
        assert order.check_made.status == "UNAVAILABLE"
    assert (LedgerEntry.objects.count(), Trade.objects.count()) == (entries, 0)

    price_gate.reject(doubt_id=doubt.pk, by=BY)

    back, kind, reason = worth(book)
    assert (back.nav, kind, reason) == (before.nav, "eod", "")
    assert submit(book, world.buy("1")).state == "accepted"


def test_an_accepted_price_is_the_price_of_orders_and_of_the_value(book):
    before, *_ = worth(book)
    doubt = told("AAA", YESTERDAY, 108.0)

    price_gate.accept(doubt_id=doubt.pk, by=BY)

    after, kind, reason = worth(book)
    assert (after.nav - before.nav, kind, reason) == (Decimal(80), "eod", "")
    assert submit(book, world.sell("1")).state == "accepted"


def test_a_jump_is_suspect_while_it_waits_and_stale_when_it_was_rejected(book):
    waiting = submit(book, world.buy("1", "BBB"))
    asked = submit(book, world.buy("1"))
    assert (waiting.reasons, asked.reasons) == ([], [])
    before, *_ = worth(book)
    doubt = told("AAA", TODAY, 161.0)
    world.make_bar(Instrument.objects.get(symbol="BBB"), TODAY, Decimal(50))
    world.make_matrix(TODAY)
    ReplayClock.objects.update(session_date=TODAY, as_of=calendar.close_time(TODAY))

    after, kind, reason = worth(book)
    assert (after.nav, kind, reason) == (before.nav, "suspect", "price_suspect")
    assert submit(book, world.sell("1")).reasons == ["PRICE_SUSPECT"]
    # what waits goes on waiting
    assert execution.fill_waiting(moment=sessions.moment()) == []
    assert Order.objects.filter(pk__in=[waiting.pk, asked.pk], state="accepted").count() == 2

    price_gate.reject(doubt_id=doubt.pk, by=BY)

    after, kind, reason = worth(book)
    assert (after.nav, kind, reason) == (before.nav, "stale", "")
    assert submit(book, world.sell("1")).reasons == ["PRICE_STALE"]
