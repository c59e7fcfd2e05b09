"""A book with several of everything, and as many again: what the cost of pages is tried on."""

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
from django.test import Client

from etftrader.choices import Cadence
from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.records import JobRun
from etftrader.models import ReportRun, ReportSchedule
from etftrader.tests import import_cases, order_cases
from marketdata.constants import STRIP, VIX
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    QuarantinedPrice,
    Quote,
    Valuation,
)
from marketdata.selectors import calendar, sessions
from marketdata.services import contracts, greeks, option_quotes
from marketdata.tests.option_world import BY, spy
from portfolios.models import Membership
from portfolios.services import invitations, ledger, saved_views, snapshots, watchlists
from portfolios.services import tags as tag_services
from portfolios.services import tags_on_positions as tagging
from portfolios.services.tags_on_positions import Wanted
from risk.models import CovarianceSnapshot, StopEvent
from risk.selectors import covariance
from risk.services import alerts, limits, stop_loss, var
from trading.models import Basket, Order, Trade
from trading.services import orders
from trading.services.tickets import Ticket
from trading.tests import world

DAY, CLOSE = world.YESTERDAY, calendar.close_time(world.YESTERDAY)
OPTIONS = (
    ("SPY160819C00212000", "SPY160916P00191000"),
    ("SPY160916C00216000", "SPY160819P00200000", "SPY160715P00202000"),
)


def make(settings: Any, rounds: int = 1) -> SimpleNamespace:
    """A book valued at the close of the 22nd while the 23rd is played.

    Each round is several more of everything.
    """
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    spy()
    world.make_market(matrix=False)
    for symbol in {*STRIP, VIX} - {"SPY"}:
        world.make_bar(world.make_instrument(symbol), DAY, Decimal(20))
    book = world.lift_limits(world.make_portfolio(cash="5000000"))
    owner = book.account.customer.user
    owner.is_staff = True
    owner.save()
    world.add_to_group(owner, "Operator")
    client = Client()
    client.force_login(owner)
    stage = SimpleNamespace(book=book, owner=owner, by=Actor.of_user(owner), client=client)
    stage.other = world.make_portfolio(name="Beside", user=owner)
    stage.list = watchlists.create(user=owner, name="Mine", by=stage.by)
    tag_services.create(user=owner, by=stage.by, name="core")
    tag_services.create(user=owner, by=stage.by, name="#strategy:carry")
    world.hold(book, "AAA", "300")
    world.hold(stage.other, "BBB", "100")
    marks = [str(each + 1) for each in range(rounds)]
    for mark in marks:
        _hold(stage, mark)
    _measure(stage, [symbol for mark in marks for symbol in funds(mark)])
    _quote()
    for mark in marks:
        for part in (_watch, _trade, _share, _keep_house):
            part(stage, mark)
    return _named(stage)


def funds(mark: str) -> list[str]:
    """The funds of one round."""
    return [f"F{mark}{place}" for place in range(3)]


def _named(stage: SimpleNamespace) -> SimpleNamespace:
    """With what the addresses name."""
    stage.book.refresh_from_db()
    held = stage.book.positions.select_related("instrument")
    stage.held = held.get(instrument__symbol="AAA")
    stage.option = held.get(instrument__symbol=OPTIONS[0][0])
    mine = Order.objects.filter(portfolio=stage.book, instrument__symbol="AAA")
    stage.order = mine.filter(state="filled").order_by("pk")[0]
    stage.waiting = mine.filter(state="accepted", basket=None).order_by("pk")[0]
    stage.basket = Basket.objects.filter(portfolio=stage.book).order_by("pk")[0]
    return stage


def _hold(stage: SimpleNamespace, mark: str) -> None:
    """Funds, one of them sold short, and options, with tags, views and cash."""
    for place, symbol in enumerate(funds(mark)):
        made = world.make_instrument(symbol, sector=f"Sector {mark}")
        world.make_bar(made, DAY, Decimal(40))
        _bring(stage, made, Decimal(-20 if place == 2 else 30), Decimal(40))
        position = stage.book.positions.get(instrument=made)
        wanted = Wanted(add=("core", f"own-{symbol}"), strategy="carry")
        tagging.bulk_assign(
            position_ids=[position.pk], wanted=wanted, user=stage.owner, by=stage.by
        )
    named = OPTIONS[int(mark) - 1]
    known = contracts.ensure(symbols=list(named), by=BY).contracts
    for symbol in named:
        _bring(stage, known[symbol].instrument, Decimal(4), Decimal(1))
    saved_views.create(user=stage.owner, name=f"View {mark}", query={"type": "LONG"}, by=stage.by)
    ledger.book_flow(
        portfolio_id=stage.book.pk, amount=Decimal(500), session_date=DAY, source=f"t:{mark}",
        by=stage.by,
    )  # fmt: skip


def _bring(stage: SimpleNamespace, thing: Instrument, quantity: Decimal, price: Decimal) -> None:
    ledger.book_opening(
        portfolio_id=stage.book.pk, instrument=thing, quantity=quantity, price=price,
        session_date=DAY, source=f"test:opening:{thing.symbol}",
    )  # fmt: skip


def _measure(stage: SimpleNamespace, symbols: list[str]) -> None:
    """What the night of the close leaves."""
    option_quotes.simulate(session_date=DAY)
    held = Instrument.objects.filter(kind="option").values_list("pk", flat=True)
    greeks.compute(session_date=DAY, held=list(held))
    labels = ["AAA", "BBB", "SPY", *symbols]
    values = 0.02**2 * (0.75 * np.eye(len(labels)) + 0.25)
    for kind in ("daily", "stressed"):
        CovarianceSnapshot.objects.create(
            kind=kind, session_date=DAY, labels=labels, matrix=covariance.pack(values),
            window_start=date(2015, 6, 22), window_end=DAY, observations=252, method="ewma",
            checksum="0" * 64,
        )  # fmt: skip
    books = [stage.book.pk, stage.other.pk]
    snapshots.take(portfolio_ids=books, session_date=DAY)
    var.compute(portfolio_ids=books, session_date=DAY)
    limits.evaluate(portfolio_ids=books, session_date=DAY)
    stop_loss.evaluate(portfolio_ids=books, session_date=DAY)


def _quote() -> None:
    """A quote of the minute, at its last close, for what has none."""
    for thing in Instrument.objects.exclude(kind="option").filter(quote=None):
        close = DailyBar.objects.filter(instrument=thing).latest("session_date").close
        Quote.objects.create(
            instrument=thing, price=close, previous_close=close, session_date=world.TODAY,
            as_of=sessions.now(), source="SIM",
        )  # fmt: skip


def _watch(stage: SimpleNamespace, mark: str) -> None:
    """Symbols on a list, alerts, what happened to stops, and valuations."""
    symbols = funds(mark)
    watchlists.add_many(watchlist_id=stage.list.pk, symbols=symbols, session_date=DAY, by=stage.by)
    watchlists.create(user=stage.owner, name=f"List {mark}", by=stage.by)
    first = Instrument.objects.get(symbol="AAA")
    for symbol in symbols:
        thing = Instrument.objects.get(symbol=symbol)
        alerts.raise_once(
            portfolio_id=stage.book.pk, kind="stop", key=f"stop:{symbol}", severity="warning",
            title=f"{symbol} is close to its stop", detail="", as_of=CLOSE, session_date=DAY,
        )  # fmt: skip
        StopEvent.objects.create(
            portfolio=stage.book, instrument=thing, kind="warning", session_date=DAY, close=40,
            stop_price=38, regime="low", recorded_at=CLOSE,
        )  # fmt: skip
        for each, day in ((thing, DAY), (first, DAY - timedelta(days=int(symbol[1:])))):
            Valuation.objects.create(instrument=each, as_of_date=day, method="dcf")


def _trade(stage: SimpleNamespace, mark: str) -> None:
    """Orders that wait, one that was filled in several parts, and a basket."""
    for symbol in ("AAA", *funds(mark)):
        _place(stage, world.buy("2", symbol, order_type="limit", limit_price=Decimal(1)))
    bought = _place(stage, world.buy("3"))
    assert bought.state == "filled", bought.reasons
    for part in range(2):
        _fill(bought, part)
    order_cases.make(stage.book, stage.owner, name=f"waits-{mark}")


def _place(stage: SimpleNamespace, ticket: Ticket) -> Order:
    return orders.submit(
        portfolio_id=stage.book.pk, ticket=ticket, by=stage.by, moment=sessions.moment()
    )


def _fill(order: Order, part: int) -> None:
    at = sessions.now() + timedelta(seconds=part + 1)
    Trade.objects.create(
        order=order, portfolio=order.portfolio, instrument=order.instrument, side="buy",
        quantity=1, price=100 + part, price_source="close", reference_price=100, commission=0,
        spread_cost=0, impact_cost=0, currency="USD", executed_at=at, session_date=at.date(),
        recorded_at=at,
    )  # fmt: skip


def _share(stage: SimpleNamespace, mark: str) -> None:
    """Members, an invitation, and further books."""
    for place in range(2):
        person = world.make_user(f"member{mark}{place}@example.com")
        Membership.objects.create(portfolio=stage.book, user=person, role="viewer")
    invitations.invite(
        portfolio_id=stage.book.pk, email=f"new{mark}@example.com", role="viewer", by=stage.by
    )
    world.make_portfolio(name=f"Further {mark}", user=stage.owner)


def _keep_house(stage: SimpleNamespace, mark: str) -> None:
    """Reports, files, runs, doubts and actions."""
    cadence = Cadence.values[int(mark) - 1]
    report = {"portfolio": stage.book, "made_by": stage.owner, "kind": "positions"}
    ReportSchedule.objects.create(**report, file_format="csv", cadence=cadence)
    for place in range(2):
        end = DAY - timedelta(days=2 * int(mark) + place)
        ReportRun.objects.create(**report, file_format="csv", end=end, status="queued")
    stage.file = import_cases.make(stage.book, stage.owner)
    for place, symbol in enumerate(funds(mark)):
        thing = Instrument.objects.get(symbol=symbol)
        stage.doubt = QuarantinedPrice.objects.create(
            instrument=thing, symbol=symbol, dataset="daily_bars", session_date=DAY, source="csv",
            price_basis="close", raw={"close": "200"}, value="200", compared_with="40",
            reason="jump",
        )  # fmt: skip
        CorporateAction.objects.create(
            instrument=thing, kind="split", ratio=2, ex_date=world.TODAY, source="manual"
        )
        CorporateAction.objects.create(
            instrument=Instrument.objects.get(symbol="AAA"), kind="dividend", amount=1,
            ex_date=DAY - timedelta(days=10 * int(mark) + place), source="manual",
        )  # fmt: skip
        stage.run = JobRun.objects.create(
            job="risk.compute", step="risk", as_of=DAY, status="failed", scope=symbol,
            error={"code": "insufficient_data", "detail": "No covariance."},
            items=[{"item": symbol, "status": "failed", "reason": "no_covariance"}],
            inputs={"round": 1}, requested_by=stage.owner.pk,
            started_at=clock.now() - timedelta(seconds=3), finished_at=clock.now(),
        )  # fmt: skip
