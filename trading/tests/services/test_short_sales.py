"""Short sales: margin instead of holdings, covers, flips, cash of the proceeds, what waits."""

from decimal import Decimal

import pytest

from etftrader.core.errors import LimitBreached
from portfolios.models import Portfolio, Position
from portfolios.services import ledger, portfolios, verification
from trading.models import Order, Trade
from trading.services import execution, orders
from trading.tests import world
from trading.tests.services.test_order_types import limit, place
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def book():
    """100,000 in cash and nothing held; only margin bounds it."""
    world.make_market()
    return world.lift_limits(world.make_portfolio(allow_short=True))


def held(symbol="AAA"):
    return Position.objects.get(instrument__symbol=symbol).quantity


def whole(portfolio):
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_a_short_is_sold_with_its_proceeds_in_cash(book):
    order = place(book, sell("500"))

    # 500 x (100 - 2 bp) - 1.00
    book.refresh_from_db()
    assert (order.state, held()) == ("filled", -500)
    assert book.cash == D("149989.00")
    assert Trade.objects.get().realized_pnl == 0
    whole(book)


def test_what_is_held_may_be_sold_and_more_in_one_order(book):
    world.hold(book, "AAA", "7")

    order = place(book, sell("10"))

    # only the seven that were held realise anything: 7 x (99.98 - 100)
    assert (order.state, held()) == ("filled", -3)
    assert Trade.objects.get().realized_pnl == D("-0.14")
    assert Position.objects.get().cost_basis == D("-299.94")
    whole(book)


def test_the_largest_short_is_half_margined_to_the_last_share(book):
    refused = place(book, sell("3000"))

    verdict = refused.check_made.document["verdict"]
    assert (refused.reasons, verdict["binding"]) == (["MARGIN"], "MARGIN")
    # equity 100,000 less 2 bp of what is sold covers half of it: q (50 + 0.02) = 99,999
    assert verdict["max_quantity"] == "1999"
    line = next(e for e in refused.check_made.document["checks"] if e["code"] == "MARGIN")
    assert (line["now"], line["limit"], line["passed"]) == (100_000.0, 150_000.0, False)
    assert line["after"] == pytest.approx(100_000.0 - 3_000 * 0.02 - 1.0, abs=0.2)
    assert place(book, sell("1999")).state == "filled"
    assert place(book, sell("1")).reasons == ["MARGIN"]


def test_without_shorts_a_sale_ends_at_what_is_held():
    world.make_market()
    plain = world.lift_limits(world.make_portfolio())
    world.hold(plain, "AAA", "7")

    order = place(plain, sell("8"))

    assert order.reasons == ["OVERSELL"]
    codes = {each["code"] for each in order.check_made.document["checks"]}
    assert "MARGIN" not in codes


def test_a_cover_needs_no_margin_and_a_flip_needs_cash(book):
    world.hold(book, "AAA", "-900")
    # equity 10,000 beside a gross of 90,000 is far below any margin
    assert place(book, sell("1", "BBB")).reasons == ["MARGIN"]
    assert place(book, buy("400")).state == "filled"
    assert held() == -500

    # 500 bought back and more: 100,000 - 400 x 100.02 - 1.00 pays for 599 in all
    flip = place(book, buy("700"))

    assert flip.reasons == ["INSUFFICIENT_CASH"]
    assert flip.check_made.document["verdict"]["max_quantity"] == "599"
    assert place(book, buy("599")).state == "filled"
    assert held() == 99
    whole(book)


def test_a_short_turns_long_in_one_order(book):
    place(book, sell("100"))

    order = place(book, buy("250"))

    # 100 x (99.98 - 100.02) closed, 150 opened at 100.02
    assert (order.state, held()) == ("filled", 150)
    assert Trade.objects.get(side="buy").realized_pnl == D("-4.00")
    assert Position.objects.get().cost_basis == D("15003.00")
    whole(book)


def test_proceeds_buy_but_only_as_far_as_margin_goes(book):
    place(book, sell("1000"))
    book.refresh_from_db()
    assert book.cash > 199_000

    # 100,000 short and x long: equity of about 100,000 covers half of 200,000
    refused = place(book, buy("2100", "BBB"))

    assert refused.reasons == ["MARGIN"]
    assert place(book, buy("1990", "BBB")).state == "filled"
    whole(book)


def test_sales_that_wait_have_taken_their_margin():
    world.make_market(playing=False)
    book = world.lift_limits(world.make_portfolio(allow_short=True))

    assert place(book, sell("1500")).state == "accepted"
    assert place(book, sell("600")).reasons == ["MARGIN"]
    assert place(book, sell("450")).state == "accepted"


def test_what_waits_to_be_bought_cheaply_is_no_margin(book):
    # at 25 they would be worth twice what they cost, if that price ever came
    waiting = limit(buy, "25", "2000", symbol="BBB", time_in_force="gtc")
    assert place(book, waiting).state == "accepted"

    # gross 100,000 of it when done: of 100,000 equity 1,000 at 100 are left to be short
    assert place(book, sell("1100")).reasons == ["MARGIN"]
    assert place(book, sell("990")).state == "filled"


def test_a_cover_that_waits_is_no_margin_for_what_fills_before_it(book):
    world.hold(book, "AAA", "-900")
    # equity 10,000: the short of 90,000 lacks margin until the cover is done
    cover = place(book, limit(buy, "90", "900", time_in_force="gtc"))

    order = place(book, sell("100", "BBB"))

    assert (cover.state, order.state, order.reasons) == ("accepted", "rejected", ["MARGIN"])
    assert not Trade.objects.exists()


def test_a_short_that_lost_its_margin_while_it_waited_is_cancelled():
    world.make_market(playing=False)
    book = world.lift_limits(world.make_portfolio(cash="11000", allow_short=True))
    world.hold(book, "BBB", "-100")
    order = place(book, sell("40"))
    assert order.state == "accepted"

    moment = world.open_session()
    world.quote("BBB", D(90))
    assert execution.fill_waiting(moment=moment) == []

    order.refresh_from_db()
    # equity 11,000 - 9,000 for a gross of 13,000
    assert (order.state, order.reasons) == ("cancelled", ["MARGIN"])
    whole(book)


def test_a_waiting_sale_ends_at_what_is_held_once_shorts_are_switched_off():
    world.make_market(playing=False)
    book = world.lift_limits(world.make_portfolio(allow_short=True))
    world.hold(book, "AAA", "5")
    order = place(book, sell("8"))
    by = world.actor(book.account.customer.user)
    portfolios.update(portfolio_id=book.pk, by=by, allow_short=False)

    assert execution.fill_waiting(moment=world.open_session()) == []

    order.refresh_from_db()
    assert (order.state, order.reasons, held()) == ("cancelled", ["OVERSELL"], 5)


def test_margin_comes_after_cash_and_before_the_var_limit():
    world.make_market()
    book = world.make_portfolio(cash="1000", allow_short=True)

    # 3,000 short of AAA is beyond margin, VaR, and gross, in this order
    order = place(book, sell("30"))

    assert order.reasons[:2] == ["MARGIN", "VAR_LIMIT"]
    bought = place(book, buy("30"))
    assert bought.reasons[:3] == ["INSUFFICIENT_CASH", "MARGIN", "VAR_LIMIT"]


def test_a_short_that_is_worth_less_has_earned(book):
    place(book, sell("100"))
    world.next_bar({"AAA": D(90)})

    place(book, buy("100"))

    # 100 x (99.98 - 90.018)
    book.refresh_from_db()
    assert Trade.objects.get(side="buy").realized_pnl == D("996.20")
    assert book.cash == D("100994.20")
    whole(book)


def test_a_reducing_book_covers_and_opens_no_short(book):
    world.hold(book, "AAA", "-10")
    Portfolio.objects.update(state="reducing")

    assert place(book, sell("1")).reasons == ["REDUCING_ONLY"]
    assert place(book, buy("11")).reasons == ["REDUCING_ONLY"]
    assert place(book, buy("10")).state == "filled"


def test_an_amount_and_a_weight_size_a_short(book):
    short = place(book, world.Ticket(symbol="AAA", side="sell", amount=D(5_050)))
    assert (short.state, short.quantity) == ("filled", 50)

    cover = place(book, world.Ticket(symbol="AAA", target_weight=D(0)))

    assert (cover.state, cover.side, cover.quantity, held()) == ("filled", "buy", 50, 0)


def test_the_ledger_itself_takes_no_short_where_none_is_allowed():
    world.make_market()
    book = world.make_portfolio()
    instrument = world.Instrument.objects.get(symbol="AAA")

    with pytest.raises(LimitBreached) as refusal:
        ledger.book_fill(
            portfolio_id=book.pk, instrument=instrument, quantity=D(-1), price=D(100), fee=D(0),
            source="trade:x", session_date=world.TODAY,
        )  # fmt: skip

    assert refusal.value.figures["reason"] == "OVERSELL"


def test_a_check_tells_the_margin_and_keeps_nothing_else(book):
    made = orders.check(
        portfolio_id=book.pk,
        ticket=sell("500"),
        by=world.actor(book.account.customer.user),
        moment=world.sessions.moment(),
    )

    line = next(each for each in made.document["checks"] if each["code"] == "MARGIN")
    assert (made.status, line["passed"], line["limit"]) == ("APPROVED", True, 25_000.0)
    assert made.document["solvency"]["held_after"] == -500.0
    assert not Order.objects.exists()
