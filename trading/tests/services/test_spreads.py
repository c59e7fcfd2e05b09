"""Spreads of options: named by their legs, judged as one, filled together or not at all."""

from dataclasses import replace
from decimal import Decimal

import pytest

from etftrader.core.errors import BadInput, Conflict
from marketdata.models import Instrument, OptionGreeks, OptionQuote
from marketdata.selectors import calendar, sessions
from marketdata.services import contracts
from marketdata.tests.option_world import BY
from portfolios.models import Position
from portfolios.services import verification
from risk.models import PreTradeCheck
from trading.models import Basket, Order, Trade
from trading.selectors import baskets as read
from trading.services import amending, baskets, execution, orders, spread_fills
from trading.services.amending import Changes
from trading.services.basket_tickets import BasketTicket
from trading.tests import world
from trading.tests.world import TODAY, YESTERDAY, buy, sell

pytestmark = pytest.mark.django_db
D = Decimal
CALL, HIGHER = "AAA160715C00100000", "AAA160715C00105000"
PUT, LATER = "AAA160715P00100000", "AAA160819C00100000"
MIDDLES = {CALL: (D("2.90"), D("3.10")), HIGHER: (D("0.90"), D("1.10")), PUT: (D(2), D(3))}
DELTAS = {CALL: 0.5, HIGHER: 0.25, PUT: -0.5, LATER: 0.55}


def priced(symbol, day, bid, ask):
    """A quote at the close, and the Greeks of it."""
    instrument = Instrument.objects.get(symbol=symbol)
    at = calendar.close_time(day)
    OptionQuote.objects.create(
        contract=instrument.option, session_date=day, as_of=at, source="yfinance", bid=bid, ask=ask
    )
    OptionGreeks.objects.create(
        contract=instrument.option,
        session_date=day,
        price=float(bid + ask) / 2,
        delta=DELTAS[symbol],
        underlying_price=100.0,
        iv=0.2,
        rate=0.0,
        dividend_yield=0.0,
        vol_source="quote",
        model="bsm",
    )


@pytest.fixture
def book():
    world.make_market(playing=False)
    contracts.ensure(symbols=[CALL, HIGHER, PUT, LATER], by=BY)
    for symbol, middle in MIDDLES.items():
        priced(symbol, YESTERDAY, *middle)
    made = world.make_portfolio(allow_short=True)
    world.lift_var_limit(made)
    return made


def by(book):
    return world.actor(book.account.customer.user)


def ticket(*legs, **fields):
    return BasketTicket(legs=legs, kind="spread", **fields)


def place(book, *legs, **fields):
    return baskets.submit(
        portfolio_id=book.pk, ticket=ticket(*legs, **fields), by=by(book), moment=sessions.moment()
    )


def vertical(book, contracts_="10", **fields):
    return place(book, buy(contracts_, CALL, **fields), sell(contracts_, HIGHER, **fields))


def close(*without):
    """The 23rd ends; its quotes are those of the 22nd, but for some that have none."""
    for symbol, middle in MIDDLES.items():
        if symbol not in without:
            priced(symbol, TODAY, *middle)
    return world.close_session()


def fill(moment):
    return [
        *execution.fill_waiting(moment=moment),
        *spread_fills.fill_waiting(moment=moment),
    ]


def states(made):
    return [each.state for each in read.loaded(made.pk).legs.all()]


def held():
    rows = Position.objects.open().values_list("instrument__symbol", "quantity")
    return {symbol: int(quantity) for symbol, quantity in rows}


def test_a_spread_waits_for_prices_after_it_and_fills_together(book):
    made = vertical(book)
    assert (made.spread_name, read.label(made), read.state(made)) == (
        "vertical",
        "Vertical",
        "accepted",
    )

    trades = fill(close())

    assert states(made) == ["filled", "filled"]
    assert [(each.side, each.price_source) for each in trades] == [
        ("buy", "close"),
        ("sell", "close"),
    ]
    assert held() == {CALL: 10, HIGHER: -10}
    checks = {each.check_made_id for each in read.loaded(made.pk).legs.all()}
    assert len(checks) == 1
    assert PreTradeCheck.objects.get(pk=checks.pop()).context == "fill"
    assert verification.verify(portfolio_id=book.pk) == []


def test_twice_fills_it_once(book):
    vertical(book)
    moment = close()
    fill(moment)

    assert fill(moment) == []
    assert Trade.objects.count() == 2


def test_a_leg_without_a_price_keeps_the_other_waiting(book):
    made = vertical(book, time_in_force="gtc")

    assert fill(close(HIGHER)) == []

    assert states(made) == ["accepted", "accepted"]
    assert held() == {}


def test_what_the_gate_no_longer_approves_is_cancelled_as_a_whole(book):
    made = vertical(book)
    type(book).objects.filter(pk=book.pk).update(cash=100)

    fill(close())

    made = read.loaded(made.pk)
    assert [each.state for each in made.legs.all()] == ["cancelled", "cancelled"]
    assert read.reasons(made)[0] == "INSUFFICIENT_CASH"
    assert held() == {}


def test_a_halt_lets_it_wait(book):
    made = vertical(book)
    type(book).objects.filter(pk=book.pk).update(state="halted")

    fill(close())

    assert states(made) == ["accepted", "accepted"]


def test_a_day_spread_expires_with_all_its_legs(book):
    made = vertical(book)
    close(CALL, HIGHER)

    execution.expire(session_date=TODAY)

    assert states(made) == ["expired", "expired"]


def test_what_is_left_of_a_torn_spread_ends(book):
    made = vertical(book, time_in_force="gtc")
    Order.objects.filter(basket=made, leg=1).update(state="cancelled")

    fill(close())

    assert states(made) == ["cancelled", "cancelled"]
    last = made.legs.get(leg=2).events.order_by("-number").first()
    assert last.detail["reason"] == "another leg of its spread has ended"


def test_a_leg_cannot_be_cancelled_or_replaced_alone(book):
    made = vertical(book)
    leg = made.legs.get(leg=1)

    with pytest.raises(Conflict) as cancelled:
        orders.cancel(order_id=leg.pk, by=by(book), moment=sessions.moment())
    with pytest.raises(Conflict) as replaced:
        amending.replace_order(
            order_id=leg.pk, changes=Changes(quantity=D(5)), by=by(book), moment=sessions.moment()
        )

    assert {cancelled.value.code, replaced.value.code} == {"leg_of_a_spread"}
    baskets.cancel(basket_id=made.pk, by=by(book), moment=sessions.moment())
    assert states(made) == ["cancelled", "cancelled"]


def test_selling_a_leg_short_is_refused_where_shorts_are(book):
    type(book).objects.filter(pk=book.pk).update(allow_short=False)

    made = vertical(book)

    assert read.state(made) == "rejected"
    assert [leg["reasons"] for leg in made.check_made.document["legs"]] == [[], ["OVERSELL"]]
    assert place(book, buy("1", CALL), buy("1", PUT)).spread_name == "straddle"


def test_without_prices_of_a_leg_nothing_is_approved(book):
    made = place(book, buy("1", LATER), sell("1", CALL))

    assert (made.spread_name, read.state(made), made.check_made.status) == (
        "calendar",
        "rejected",
        "UNAVAILABLE",
    )
    assert "NO_PRICE" in made.check_made.document["legs"][0]["reasons"]


def test_the_risk_of_the_legs_counts_together(book):
    made = vertical(book)

    # deltas of 0.5 and -0.25 on 1,000 shares at 100
    assert D(made.check_made.document["after"]["delta_net"]) == pytest.approx(D(25_000))


@pytest.mark.parametrize(
    ("legs", "attr"),
    [
        ((buy("1", CALL), buy("1", "AAA")), "legs.1.symbol"),
        ((buy("1", CALL),), "legs"),
        ((buy("1", CALL), sell("1.5", HIGHER)), "legs.1.quantity"),
        (
            (buy("1", CALL), sell("1", HIGHER, order_type="limit", limit_price=D(1))),
            "legs.1.order_type",
        ),
        ((buy("1", CALL), sell("1", HIGHER, time_in_force="gtc")), "legs.1.time_in_force"),
        (
            (buy("1", CALL), replace(sell("1", HIGHER), quantity=None, amount=D(9))),
            "legs.1.quantity",
        ),
    ],
)
def test_what_is_no_spread_names_the_leg(book, legs, attr):
    with pytest.raises(BadInput) as wrong:
        place(book, *legs)

    assert wrong.value.figures["attr"] == attr
    assert not Basket.objects.exists()


def test_five_legs_are_no_spread(book):
    more = [f"AAA160715C00{strike}000" for strike in (110, 115, 120)]
    contracts.ensure(symbols=more, by=BY)

    with pytest.raises(BadInput, match="2 to 4 legs"):
        place(book, *(buy("1", symbol) for symbol in (CALL, HIGHER, *more)))


def test_options_in_a_basket_fill_by_themselves(book):
    made = baskets.submit(
        portfolio_id=book.pk,
        ticket=BasketTicket(legs=(buy("1", CALL), buy("1", PUT))),
        by=by(book),
        moment=sessions.moment(),
    )

    fill(close(PUT))

    assert states(made) == ["filled", "accepted"]
    assert made.session_date == YESTERDAY
