"""Baskets: one verdict for all legs, filled all at once or not, cancelled together."""

from dataclasses import replace
from decimal import Decimal

import pytest

from etftrader.core import audit
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from marketdata.selectors import sessions
from portfolios.models import Portfolio, Position
from portfolios.services import verification
from risk.models import PreTradeCheck, RiskLimit
from trading.models import Basket, Order, Trade
from trading.selectors import baskets as read
from trading.services import baskets, execution, halts, orders
from trading.services.basket_tickets import BasketTicket
from trading.tests import world
from trading.tests.services.test_order_types import limit
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def book():
    world.make_market()
    made = world.make_portfolio(cash="1000")
    world.lift_var_limit(made)
    world.hold(made, "AAA", "100")
    return made


def by(book):
    return world.actor(book.account.customer.user)


def basket(*legs, **fields):
    return BasketTicket(legs=legs, **fields)


def place(book, *legs, **fields):
    return baskets.submit(
        portfolio_id=book.pk,
        ticket=basket(*legs, **fields),
        by=by(book),
        moment=sessions.moment(),
        market_clock=sessions.moment,
    )


def told(made):
    return made.check_made.document["legs"]


def test_what_is_sold_pays_for_what_is_bought_after_it(book):
    # 50 x 99.98 - 1 come in, 100 x 50.01 + 1 go out: 1,000 alone would not pay
    made = place(book, sell("50"), buy("100", "BBB"), client_basket_id="swap", note="into BBB")

    assert (read.state(made), made.kind, made.spread_name) == ("filled", "basket", "")
    assert [(o.leg, o.side, o.state, o.client_order_id) for o in made.legs.all()] == [
        (1, "sell", "filled", "swap:1"),
        (2, "buy", "filled", "swap:2"),
    ]
    assert Portfolio.objects.get().cash == D(1000) + D(4999) - D(5001) - D(2)
    assert PreTradeCheck.objects.count() == 1
    check = made.check_made
    assert {o.check_made_id for o in made.legs.all()} == {check.pk}
    assert (check.status, check.context) == ("APPROVED", "basket")
    assert [(leg["symbol"], leg["held_after"], leg["reasons"]) for leg in told(made)] == [
        ("AAA", 50.0, []),
        ("BBB", 100.0, []),
    ]
    assert told(made)[0]["fills_at"] == "99.98"
    assert verification.verify(portfolio_id=book.pk) == []
    assert audit.verify(chain=book.pk) == []


def test_legs_are_judged_in_their_order_and_the_leg_at_fault_is_named(book):
    made = place(book, buy("100", "BBB"), sell("50"))

    assert read.state(made) == "rejected"
    assert [o.reasons for o in made.legs.all()] == [["INSUFFICIENT_CASH"]] * 2
    assert [leg["reasons"] for leg in told(made)] == [["INSUFFICIENT_CASH"], []]
    assert not Trade.objects.exists()
    assert Portfolio.objects.get().cash == 1000


def test_one_bad_leg_refuses_all(book):
    made = place(book, sell("10"), sell("1", "BBB"))

    assert read.state(made) == "rejected"
    assert read.reasons(made) == ["OVERSELL"]
    assert [leg["reasons"] for leg in told(made)] == [[], ["OVERSELL"]]
    assert not Trade.objects.exists()


def test_a_leg_without_a_usable_price_makes_the_whole_unavailable_and_is_named(book):
    world.make_instrument("CCC")

    made = place(book, sell("10"), buy("1", "CCC"))

    assert (read.state(made), made.check_made.status) == ("rejected", "UNAVAILABLE")
    assert told(made)[0]["reasons"] == []
    assert "NO_PRICE" in told(made)[1]["reasons"]
    assert told(made)[0]["cash_after"] is None


def test_limits_count_the_whole(book):
    RiskLimit.objects.all().delete()
    # 3 % of 11,000 is 330; 100 AAA have 329, and each further purchase alone lifts it
    alone = place(book, sell("1"), buy("18", "BBB"))
    assert read.reasons(alone) == ["VAR_LIMIT"]

    hedged = place(book, sell("10"), buy("18", "BBB"))

    assert read.state(hedged) == "filled"


def test_unless_all_can_fill_none_does_and_all_wait(book):
    made = place(book, sell("50"), limit(buy, "40", "100", symbol="BBB"))

    assert read.state(made) == "accepted"
    assert [o.state for o in made.legs.all()] == ["accepted", "accepted"]
    moment = world.next_bar()
    execution.fill_waiting(moment=moment)
    made = read.loaded(made.pk)
    assert (read.state(made), [o.state for o in made.legs.all()]) == (
        "partially_filled",
        ["filled", "accepted"],
    )


def test_what_waits_fills_in_its_order_so_that_the_sale_pays_again():
    world.make_market(playing=False)
    book = world.make_portfolio(cash="1000")
    world.lift_var_limit(book)
    world.hold(book, "AAA", "100")
    made = place(book, sell("50"), buy("100", "BBB"))
    assert read.state(made) == "accepted"

    execution.fill_waiting(moment=world.open_session())

    assert read.state(read.loaded(made.pk)) == "filled"


def test_cash_that_only_waiting_orders_bring_does_not_fill_a_basket(book):
    waits = orders.submit(
        portfolio_id=book.pk,
        ticket=limit(sell, "200", "50"),
        by=by(book),
        moment=sessions.moment(),
    )
    assert waits.state == "accepted"

    made = place(book, sell("1"), buy("100", "BBB"))

    assert read.reasons(made) == ["INSUFFICIENT_CASH"]
    assert [leg["reasons"] for leg in told(made)] == [[], ["INSUFFICIENT_CASH"]]


def test_the_kill_switch_and_a_halt_refuse_the_whole(book):
    halts.start(reason="test", by=by(book))

    made = place(book, sell("1"), sell("1", "BBB"))

    assert "KILL_SWITCH" in read.reasons(made)


def test_a_check_keeps_one_row_and_places_nothing(book):
    ticket = basket(sell("50"), buy("100", "BBB"))

    made = baskets.check(portfolio_id=book.pk, ticket=ticket, by=by(book), moment=sessions.moment())

    assert (made.status, made.context, len(made.document["legs"])) == ("APPROVED", "preview", 2)
    assert made.document["basket"] == {"kind": "basket", "spread_name": None}
    assert made.document["meta"]["check_id"] == str(made.pk)
    assert not Order.objects.exists()
    assert not Basket.objects.exists()


def test_cancel_takes_back_all_that_waits_and_leaves_one_line(book):
    made = place(book, limit(sell, "200", "50"), limit(buy, "10", "5", symbol="BBB"))

    with pytest.raises(VersionMismatch):
        baskets.cancel(basket_id=made.pk, if_match_version=7, by=by(book), moment=sessions.moment())
    done = baskets.cancel(
        basket_id=made.pk, if_match_version=2, by=by(book), moment=sessions.moment()
    )

    assert (read.state(done), read.version(done)) == ("cancelled", 4)
    lines = AuditEvent.objects.filter(object_type="basket").order_by("seq")
    assert [each.action for each in lines] == ["basket.accepted", "basket.cancelled"]
    assert [leg["state"] for leg in lines[1].after["legs"]] == ["cancelled", "cancelled"]
    with pytest.raises(Conflict) as late:
        baskets.cancel(basket_id=made.pk, by=by(book), moment=sessions.moment())
    assert late.value.figures["state"] == "cancelled"


def test_a_cancel_leaves_what_is_filled(book):
    made = place(book, sell("50"), limit(buy, "40", "100", symbol="BBB"))
    execution.fill_waiting(moment=world.next_bar())

    done = baskets.cancel(basket_id=made.pk, by=by(book), moment=sessions.moment())

    assert [o.state for o in done.legs.all()] == ["filled", "cancelled"]
    assert read.state(done) == "ended"
    assert Position.objects.get(instrument__symbol="AAA").quantity == 50


def test_a_leg_of_a_basket_may_be_cancelled_alone(book):
    made = place(book, limit(sell, "200", "50"), limit(buy, "10", "5", symbol="BBB"))

    orders.cancel(order_id=made.legs.get(leg=1).pk, by=by(book), moment=sessions.moment())

    assert read.state(read.loaded(made.pk)) == "accepted"


def test_a_name_is_used_once(book):
    place(book, sell("1"), buy("1", "BBB"), client_basket_id="mine")

    with pytest.raises(Conflict) as again:
        place(book, sell("2"), buy("2", "BBB"), client_basket_id="mine")

    assert again.value.code == "duplicate_client_basket_id"
    assert Basket.objects.count() == 1


@pytest.mark.parametrize(
    ("legs", "fields", "attr"),
    [
        ((sell("1"),), {}, "legs"),
        ((sell("1"),) * 51, {}, "legs"),
        ((sell("1"), buy("1")), {}, "legs.1.symbol"),
        ((sell("1"), buy("0", "BBB")), {}, "legs.1.quantity"),
        ((sell("1"), buy("1", "NOPE")), {}, "legs.1.symbol"),
        ((sell("1"), replace(buy("1", "BBB"), limit_price=D(1))), {}, "legs.1.limit_price"),
        ((sell("1"), buy("1", "BBB")), {"kind": "pair"}, "kind"),
        ((sell("1"), buy("1", "BBB")), {"client_basket_id": "a b"}, "client_basket_id"),
        ((sell("1"), buy("1", "BBB")), {"client_basket_id": "x" * 61}, "client_basket_id"),
        ((sell("1"), buy("1", "BBB")), {"note": "x" * 301}, "note"),
        ((sell("1"), buy("1", "BBB")), {"kind": "spread"}, "legs.0.symbol"),
    ],
)
def test_what_the_form_itself_shows_to_be_wrong_names_the_leg(book, legs, fields, attr):
    with pytest.raises(BadInput) as wrong:
        place(book, *legs, **fields)

    assert wrong.value.figures["attr"] == attr
    assert not Order.objects.exists()
    assert not PreTradeCheck.objects.exists()


def test_a_leg_may_say_an_amount_or_a_target(book):
    ticket = basket(
        replace(sell(), quantity=None, amount=D(1000)),
        replace(buy(symbol="BBB"), quantity=None, side="", target_weight=D("0.1")),
    )

    made = baskets.submit(
        portfolio_id=book.pk, ticket=ticket, by=by(book), moment=sessions.moment()
    )

    # a tenth of 11,000 is 22 shares at 50
    assert [(o.side, o.quantity) for o in made.legs.all()] == [("sell", 10), ("buy", 22)]


def test_a_portfolio_that_is_not_there(book):
    with pytest.raises(NotFound):
        baskets.gather(
            portfolio_id=Position.objects.get().pk,
            ticket=basket(sell("1"), buy("1", "BBB")),
            by=by(book),
            moment=sessions.moment(),
        )
