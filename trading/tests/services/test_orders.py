"""Submitting and cancelling: what is written, what is refused, and that refusals leave no trace."""

from decimal import Decimal

import pytest

from etftrader.core import audit
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import AuditEvent, OutboxEvent
from marketdata.models import DailyBar, Quote, ReplayClock
from marketdata.selectors import sessions
from portfolios.choices import PortfolioState, PortfolioStatus
from portfolios.models import LedgerEntry, Portfolio, Position
from risk.models import CovarianceSnapshot, PreTradeCheck
from trading.models import Order, OrderEvent, Trade
from trading.services import halts, orders
from trading.tests import world
from trading.tests.world import buy, sell

pytestmark = pytest.mark.django_db


def submit(portfolio, ticket, **more):
    owner = portfolio.account.customer.user
    return orders.submit(
        portfolio_id=portfolio.pk,
        ticket=ticket,
        by=world.actor(owner),
        moment=more.pop("moment", None) or sessions.moment(),
        **more,
    )


def books(portfolio):
    """Everything that must not move when something is refused."""
    portfolio = Portfolio.objects.get(pk=portfolio.pk)
    return (
        portfolio.cash,
        portfolio.ledger_seq,
        portfolio.ledger_hash,
        sorted(Position.objects.values_list("instrument__symbol", "quantity", "cost_basis")),
        LedgerEntry.objects.count(),
        Trade.objects.count(),
        OutboxEvent.objects.count(),
    )


def test_a_buy_in_session_fills_at_once_with_its_costs():
    world.make_market()
    portfolio = world.make_portfolio()

    order = submit(portfolio, buy("10"))

    # half-spread 2 bp of 100 = 0.02; no volume known, so no impact; commission 1.00
    trade = Trade.objects.get()
    assert order.state == "filled"
    assert (trade.price, trade.commission) == (Decimal("100.02"), Decimal(1))
    assert (trade.spread_cost, trade.impact_cost) == (Decimal("0.2"), Decimal(0))
    assert trade.price_source == "SIM"
    assert trade.session_date == world.TODAY
    portfolio.refresh_from_db()
    assert portfolio.cash == Decimal("98998.80")  # 100,000 - 1,000.20 - 1.00
    assert Position.objects.get().quantity == 10
    assert order.average_price == Decimal("100.02")
    assert order.filled_quantity == 10


def test_a_fill_leaves_check_event_audit_line_and_announcement():
    world.make_market()
    portfolio = world.make_portfolio()

    order = submit(portfolio, buy("10"))

    event = OrderEvent.objects.get()
    assert (event.number, event.from_state, event.to_state) == (1, "", "filled")
    assert order.check_made.status == "APPROVED"
    assert order.check_made.context == "order"
    assert AuditEvent.objects.filter(action="order.filled", object_id=str(order.pk)).count() == 1
    assert audit.verify(chain=portfolio.pk) == []
    announced = OutboxEvent.objects.get(name="trading.trade_filled")
    assert announced.payload == {"trade_id": str(Trade.objects.get().pk)}
    assert LedgerEntry.objects.filter(source=f"trade:{Trade.objects.get().pk}").exists()


def test_a_sell_realises_its_gain_after_costs_of_the_spread():
    world.make_market()
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "10")

    submit(portfolio, sell("10"))

    # sold at 100 - 0.02 = 99.98 what was brought in at 100: 10 x -0.02
    assert Trade.objects.get().realized_pnl == Decimal("-0.20")
    assert Position.objects.get().quantity == 0


def test_between_sessions_an_order_waits_accepted():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    before = books(portfolio)

    order = submit(portfolio, buy("10"))

    assert order.state == "accepted"
    assert books(portfolio) == before


def test_a_quote_older_than_a_minute_is_waited_out():
    world.make_market()
    world.quote("AAA", Decimal(100), age_s=61)
    portfolio = world.make_portfolio()

    order = submit(portfolio, buy("10"))

    assert order.state == "accepted"
    assert not Trade.objects.exists()


@pytest.mark.parametrize(
    ("ticket", "field"),
    [
        (buy("10", "NOPE"), "symbol"),
        (buy("10", ""), "symbol"),
        (buy("10", "AA\x00"), "symbol"),
        (buy("0"), "quantity"),
        (buy("-3"), "quantity"),
        (buy("1.5"), "quantity"),
        (buy("1.1234567"), "quantity"),
        (buy("1e12"), "quantity"),
        (buy("NaN"), "quantity"),
        (buy("Infinity"), "quantity"),
        (buy("1", order_type="iceberg"), "order_type"),
        (buy("1", order_type="limit"), "limit_price"),
        (buy("1", client_order_id="x" * 65), "client_order_id"),
        (buy("1", client_order_id="a b"), "client_order_id"),
        (buy("1", note="n" * 301), "note"),
    ],
)
def test_a_ticket_wrong_by_itself_names_the_field_and_writes_nothing(ticket, field):
    world.make_market()
    portfolio = world.make_portfolio()
    before = books(portfolio)

    with pytest.raises(BadInput) as refusal:
        submit(portfolio, ticket)

    assert refusal.value.figures["attr"] == field
    assert books(portfolio) == before
    assert not Order.objects.exists()
    assert not PreTradeCheck.objects.exists()


@pytest.mark.parametrize(
    "fields",
    [{"kind": "index"}, {"kind": "private_fund", "pricing": "manual"}, {"active": False}],
)
def test_what_cannot_be_traded_is_bad_input(fields):
    world.make_market()
    world.make_instrument("ODD", **fields)
    portfolio = world.make_portfolio()

    with pytest.raises(BadInput) as refusal:
        submit(portfolio, buy("1", "ODD"))

    assert refusal.value.figures["attr"] == "symbol"
    assert not Order.objects.exists()


def test_fractions_are_fine_where_the_portfolio_allows_them():
    world.make_market()
    portfolio = world.make_portfolio(whole_shares=False)

    order = submit(portfolio, buy("0.123456"))

    assert order.state == "filled"
    assert Position.objects.get().quantity == Decimal("0.123456")


def refused(portfolio, ticket, *codes):
    """Submit, and show that nothing but the refused order and its check was written."""
    before = books(portfolio)

    order = submit(portfolio, ticket)

    assert order.state == "rejected"
    assert tuple(order.reasons) == codes
    assert order.check_made.status in ("REJECTED", "UNAVAILABLE")
    assert list(order.check_made.reasons) == list(codes)
    assert books(portfolio) == before
    assert [event.to_state for event in order.events.all()] == ["rejected"]
    return order


def test_no_cash():
    world.make_market()
    portfolio = world.make_portfolio(cash="1000")
    world.lift_var_limit(portfolio)

    # 10 x 100.02 + 1.00 = 1,001.20
    refused(portfolio, buy("10"), "INSUFFICIENT_CASH")


def test_the_last_share_the_cash_buys_is_bought():
    world.make_market()
    portfolio = world.make_portfolio(cash="1001.21")
    world.lift_var_limit(portfolio)

    assert submit(portfolio, buy("10")).state == "filled"


def test_a_sell_of_more_than_held_is_refused():
    world.make_market()
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "7")

    refused(portfolio, sell("8"), "OVERSELL")


def test_a_short_that_was_brought_in_can_be_bought_back():
    world.make_market()
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "-7")

    assert submit(portfolio, buy("7")).state == "filled"
    assert Position.objects.get().quantity == 0


def test_the_var_limit_refuses_and_names_the_largest_size_that_passes():
    world.make_market()
    portfolio = world.make_portfolio()

    order = refused(portfolio, buy("950"), "VAR_LIMIT")

    # 3 % of 100,000 / (1.644854 x 0.02) = 91,193 dollars
    assert order.check_made.document["verdict"]["max_quantity"] == "911"
    assert submit(portfolio, buy("911")).state == "filled"


def test_a_trade_that_lowers_var_passes_a_broken_limit():
    world.make_market()
    portfolio = world.make_portfolio(cash="1000")
    world.hold(portfolio, "AAA", "500")

    assert submit(portfolio, sell("10")).state == "filled"


def test_without_a_matrix_nothing_is_approved():
    world.make_market()
    CovarianceSnapshot.objects.all().delete()

    refused(world.make_portfolio(), buy("10"), "VAR_UNAVAILABLE")


def test_without_a_price_nothing_is_approved():
    world.make_market()
    Quote.objects.filter(instrument__symbol="AAA").delete()
    DailyBar.objects.filter(instrument__symbol="AAA").delete()

    refused(world.make_portfolio(), buy("10"), "NO_PRICE")


def test_a_quote_older_than_fifteen_minutes_is_stale():
    world.make_market()
    world.quote("AAA", Decimal(100), age_s=901)

    refused(world.make_portfolio(), buy("10"), "PRICE_STALE")


def test_a_halted_portfolio_takes_no_order():
    world.make_market()
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "7")
    Portfolio.objects.update(state=PortfolioState.HALTED)

    refused(portfolio, sell("7"), "PORTFOLIO_HALTED")


def test_a_reducing_portfolio_takes_only_what_reduces():
    world.make_market()
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "7")
    Portfolio.objects.update(state=PortfolioState.REDUCING)

    refused(portfolio, buy("1"), "REDUCING_ONLY")
    assert submit(portfolio, sell("7")).state == "filled"


def test_the_kill_switch_stops_everybody_until_it_is_released():
    world.make_market()
    portfolio = world.make_portfolio()
    by = world.actor(portfolio.account.customer.user)
    halts.start(reason="a strange feed", by=by)

    refused(portfolio, buy("1"), "KILL_SWITCH")
    halts.end(reason="the feed is fine", by=by)
    assert submit(portfolio, buy("1")).state == "filled"


def test_a_closed_portfolio_is_a_conflict():
    world.make_market()
    portfolio = world.make_portfolio()
    Portfolio.objects.update(status=PortfolioStatus.CLOSED)

    with pytest.raises(Conflict):
        submit(portfolio, buy("1"))

    assert not Order.objects.exists()


def test_waiting_orders_count_as_done():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    world.hold(portfolio, "AAA", "7")

    assert submit(portfolio, sell("5")).state == "accepted"
    refused(portfolio, sell("3"), "OVERSELL")
    assert submit(portfolio, sell("2")).state == "accepted"


def test_a_client_order_id_lives_once_in_its_portfolio():
    world.make_market()
    portfolio = world.make_portfolio()
    first = submit(portfolio, buy("1", client_order_id="mine-1"))
    before = books(portfolio)

    with pytest.raises(Conflict) as refusal:
        submit(portfolio, buy("2", client_order_id="mine-1"))

    assert refusal.value.code == "duplicate_client_order_id"
    assert refusal.value.figures["order"] == f"/api/v1/orders/{first.pk}"
    assert books(portfolio) == before
    other = world.make_portfolio(name="Other")
    assert submit(other, buy("1", client_order_id="mine-1")).state == "filled"


def test_a_market_that_moved_during_the_gathering_is_gathered_again():
    world.make_market()
    portfolio = world.make_portfolio()
    earlier = sessions.moment()
    ReplayClock.objects.update(as_of=earlier.as_of.replace(hour=15, minute=0))
    world.quote("AAA", Decimal(101))

    order = submit(portfolio, buy("10"), moment=earlier, market_clock=sessions.moment)

    # 101 + 2 bp = 101.0202; the old moment knew no quote so new
    assert Trade.objects.get().price == Decimal("101.0202")
    assert order.placed_as_of == sessions.now()


def test_a_bar_that_passes_during_the_gathering_leaves_its_newer_price():
    world.make_market()
    portfolio = world.make_portfolio()
    asked = sessions.moment()
    now = world.next_bar({"AAA": Decimal(101)})

    made = orders.check(
        portfolio_id=portfolio.pk,
        ticket=buy("10"),
        by=world.actor(portfolio.account.customer.user),
        moment=asked,
    )
    order = submit(portfolio, buy("10"), moment=asked, market_clock=sessions.moment)

    # yesterday's close would be refused as too old for a running session
    assert (made.status, made.reasons) == ("APPROVED", [])
    assert made.document["pricing"][0]["price"] == "101.00"
    assert order.state == "filled"
    assert Trade.objects.get().executed_at == now.as_of


def test_quotes_of_an_earlier_round_are_no_price():
    world.make_market()
    portfolio = world.make_portfolio()
    asked = sessions.moment()
    world.next_bar()
    ReplayClock.objects.update(round=2)

    made = orders.check(
        portfolio_id=portfolio.pk,
        ticket=buy("10"),
        by=world.actor(portfolio.account.customer.user),
        moment=asked,
    )

    assert "PRICE_STALE" in made.reasons


def test_a_check_keeps_only_itself():
    world.make_market()
    portfolio = world.make_portfolio()
    before = books(portfolio)

    made = orders.check(
        portfolio_id=portfolio.pk,
        ticket=buy("10"),
        by=world.actor(portfolio.account.customer.user),
        moment=sessions.moment(),
    )

    assert made.status == "APPROVED"
    assert made.context == "preview"
    pricing = made.document["pricing"][0]
    assert (pricing["commission"], pricing["spread_cost"]) == ("1.00", "0.20")
    assert pricing["impact_cost"] is None
    assert pricing["cost_bp"] == pytest.approx(12.0)  # 1.20 of 1,000
    assert books(portfolio) == before
    assert not Order.objects.exists()


def test_what_waits_in_a_name_nobody_holds_stands_in_no_other_orders_way():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    world.lift_var_limit(portfolio)
    waiting = submit(portfolio, world.buy("10", symbol="BBB"))

    order = submit(portfolio, world.buy("10", symbol="AAA"))

    assert (waiting.state, order.state, order.reasons) == ("accepted", "accepted", [])


def test_a_waiting_order_can_be_cancelled_once():
    world.make_market(playing=False)
    portfolio = world.make_portfolio()
    order = submit(portfolio, buy("1"))
    by = world.actor(portfolio.account.customer.user)

    cancelled = orders.cancel(order_id=order.pk, by=by, moment=sessions.moment())

    assert cancelled.state == "cancelled"
    with pytest.raises(Conflict) as refusal:
        orders.cancel(order_id=order.pk, by=by, moment=sessions.moment())
    assert refusal.value.figures["state"] == "cancelled"
    assert list(OrderEvent.objects.order_by("number").values_list("number", "to_state")) == [
        (1, "accepted"),
        (2, "cancelled"),
    ]


def test_a_filled_order_cannot_be_cancelled():
    world.make_market()
    portfolio = world.make_portfolio()
    order = submit(portfolio, buy("1"))

    with pytest.raises(Conflict) as refusal:
        orders.cancel(
            order_id=order.pk,
            by=world.actor(portfolio.account.customer.user),
            moment=sessions.moment(),
        )

    assert refusal.value.figures["state"] == "filled"
    assert Order.objects.get().state == "filled"


def test_real_volume_adds_the_impact_of_the_square_root_law():
    world.make_market()
    world.make_volume("AAA", 1_000_000)
    portfolio = world.make_portfolio()

    submit(portfolio, buy("100"))

    # 100 x 0.02 x sqrt(100 / 1,000,000) = 0.02 a share
    trade = Trade.objects.get()
    assert trade.price == Decimal("100.04")
    assert (trade.spread_cost, trade.impact_cost) == (Decimal(2), Decimal(2))
