"""Place, check and cancel several orders that are one: one lock, one verdict, all or none."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotFound, VersionMismatch
from marketdata.models import Instrument
from marketdata.selectors.sessions import Moment
from portfolios.choices import PortfolioStatus
from portfolios.models import Portfolio
from portfolios.services import ledger, locking
from risk.models import PreTradeCheck
from risk.services import pretrade
from trading import live
from trading.calculations import order_states
from trading.choices import OrderState
from trading.constants import CONFLICT as BOOK_CHANGED
from trading.models import Basket, Order
from trading.selectors import bars
from trading.selectors import baskets as read
from trading.selectors import orders as read_orders
from trading.services import (
    basket_gate,
    basket_tickets,
    gate,
    orders,
    sizing,
    transitions,
)
from trading.services.basket_gate import Judged, Leg
from trading.services.basket_tickets import BasketTicket
from trading.services.gate import Prepared

CONTEXT = "basket"
PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Ready:
    """A basket with everything its verdict needs that no lock has to protect."""

    ticket: BasketTicket
    spread_name: str
    prepared: tuple[Prepared, ...]  # of each leg
    moment: Moment
    started: float  # `time.monotonic()` when the gathering began

    @property
    def legs(self) -> list[Leg]:
        """Its legs with the quotes they may fill on at once."""
        return [
            Leg(each, leg.terms, leg.units, bars.at_once(each.instrument, each.mark, self.moment))
            for leg, each in zip(self.ticket.legs, self.prepared, strict=True)
        ]


def submit(
    *,
    portfolio_id: UUID,
    ticket: BasketTicket,
    by: Actor,
    moment: Moment,
    market_clock: Callable[[], Moment] | None = None,
    ready: Ready | None = None,
) -> Basket:
    """Judge a basket under the portfolio's lock and keep the verdict and all its orders.

    Refused, every order is kept rejected. Approved, all are filled at once in their order if each
    can be, wholly; otherwise all wait: those of a basket fill by themselves, those of a spread
    together. Gathering and clocks are as for `orders.submit`.
    Raises BadInput naming the leg, Conflict for a client basket id that was used before and for a
    closed portfolio.
    """
    inputs = ready or gather(portfolio_id=portfolio_id, ticket=ticket, by=by, moment=moment)
    for market in (market_clock, None):
        answer = _decide(portfolio_id, inputs, by, market)
        if isinstance(answer, Basket):
            return answer
        # sized already: a market that moves on does not change what was asked for
        known = {each.instrument.symbol: each.instrument for each in inputs.prepared}
        fresh = _prepared(portfolio_id, known, answer)
        prepared = tuple(fresh[leg.symbol] for leg in inputs.ticket.legs)
        inputs = replace(inputs, prepared=prepared, moment=answer)
    raise AssertionError("the second pass decides")


def gather(*, portfolio_id: UUID, ticket: BasketTicket, by: Actor, moment: Moment) -> Ready:
    """Check a basket and collect what its verdict needs; no lock is held, nothing is written.

    Raises BadInput and NotFound like `submit`.
    """
    started = time.monotonic()
    portfolio = Portfolio.objects.filter(pk=portfolio_id).first()
    if portfolio is None:
        raise NotFound("There is no such portfolio.")
    ledger.check_keeps_trades(portfolio)
    good = basket_tickets.checked(ticket=ticket, whole_shares=portfolio.whole_shares, by=by)
    known = {each.symbol: each for each in good.instruments}
    found = _prepared(portfolio_id, known, moment)
    legs = tuple(
        basket_tickets.named(number, sizing.sized, leg, found[leg.symbol], portfolio)
        for number, leg in enumerate(good.ticket.legs)
    )
    return Ready(
        ticket=replace(good.ticket, legs=legs),
        spread_name=good.spread_name,
        prepared=tuple(found[leg.symbol] for leg in legs),
        moment=moment,
        started=started,
    )


def check(*, portfolio_id: UUID, ticket: BasketTicket, by: Actor, moment: Moment) -> PreTradeCheck:
    """Judge a basket that is not placed: advice, of which only the check itself is kept.

    Raises BadInput and NotFound like `submit`.
    """
    ready = gather(portfolio_id=portfolio_id, ticket=ticket, by=by, moment=moment)
    portfolio = Portfolio.objects.get(pk=portfolio_id)
    return _keep(ready, _judged(portfolio, ready, PREVIEW, by), portfolio_id, PREVIEW, by)


@transaction.atomic
def cancel(
    *, basket_id: UUID, if_match_version: int | None = None, by: Actor, moment: Moment
) -> Basket:
    """Take back what of a basket's orders is not filled; `if_match_version` is what was read.

    Raises NotFound, VersionMismatch, and Conflict with the present state when nothing works.
    """
    known = Basket.objects.filter(pk=basket_id).values_list("portfolio_id", flat=True).first()
    if known is None:
        raise NotFound("There is no such basket.")
    locking.lock_portfolios(known)
    basket = read.loaded(basket_id)
    if if_match_version is not None and if_match_version != read.version(basket):
        raise VersionMismatch("The basket has moved on since it was read.")
    waiting = [each for each in basket.legs.all() if each.state in order_states.OPEN]
    before = read.state(basket)
    if not waiting:
        raise Conflict(
            f"The basket is {before.replace('_', ' ')}: nothing of it waits.",
            code="order_state",
            state=before,
            basket=live.basket_url(basket.pk),
        )
    for order in waiting:
        transitions.move(order, OrderState.CANCELLED, by=by, as_of=moment.as_of)
    basket = read.loaded(basket_id)
    _note(basket, "cancelled", by, before=before)
    return basket


@transaction.atomic
def _decide(
    portfolio_id: UUID,
    ready: Ready,
    by: Actor,
    market_clock: Callable[[], Moment] | None,
) -> Basket | Moment:
    """Everything decisive, under the lock; a later moment when the inputs have aged."""
    [portfolio] = locking.lock_portfolios(portfolio_id)
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    ledger.check_keeps_trades(portfolio)
    _refuse_twin(portfolio_id, ready.ticket.client_basket_id)
    for leg in ready.ticket.legs:
        orders.refuse_twin(portfolio_id, leg.client_order_id)
    if market_clock is not None:
        now = market_clock()
        if pretrade.is_stale(ready.prepared[0].inputs, now):
            return now
    judged = _judged(portfolio, ready, CONTEXT, by)
    if market_clock is not None and BOOK_CHANGED in judged.verdict.reasons:
        return market_clock()
    made = _keep(ready, judged, portfolio_id, CONTEXT, by)
    basket = _new(portfolio_id, ready, made, by)
    basket.save(force_insert=True)
    for place in range(len(ready.ticket.legs)):
        _order(basket, place, ready, judged, portfolio, by)
    basket = read.loaded(basket.pk)
    _note(basket, read.state(basket), by)
    return basket


def _order(
    basket: Basket, place: int, ready: Ready, judged: Judged, portfolio: Portfolio, by: Actor
) -> None:
    """One leg as the order it becomes: rejected with all, filled with all, or waiting."""
    prepared, moment = ready.prepared[place], ready.moment
    order = orders.new(basket.portfolio_id, ready.ticket.legs[place], prepared, by, moment)
    order.basket, order.leg, order.check_made = basket, place + 1, basket.check_made
    attempt = judged.attempts[place]
    if not judged.verdict.approved:
        order.state = OrderState.REJECTED
        order.reasons = list(judged.verdict.reasons)
        transitions.born(order, by=by, as_of=moment.as_of, reasons=order.reasons)
        return
    orders.take(
        order,
        attempt if judged.fills else replace(attempt, fill=None),
        prepared,
        moment,
        by,
        portfolio,
    )


def _judged(portfolio: Portfolio, ready: Ready, context: str, by: Actor) -> Judged:
    return basket_gate.judge(
        portfolio=portfolio,
        legs=ready.legs,
        working=read_orders.working(portfolio_id=portfolio.pk),
        context=context,
        by=by,
    )


def _keep(
    ready: Ready, judged: Judged, portfolio_id: UUID, context: str, by: Actor
) -> PreTradeCheck:
    told: dict[str, Any] = {"kind": ready.ticket.kind, "spread_name": ready.spread_name or None}
    judged.verdict.document["basket"] = told
    return pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio_id,
        context=context,
        by=by,
        started=ready.started,
        as_of=ready.moment.as_of,
    )


def _prepared(
    portfolio_id: UUID, known: Mapping[str, Instrument], moment: Moment
) -> dict[str, Prepared]:
    return gate.prepare(portfolio_id=portfolio_id, instruments=known.values(), moment=moment)


def _new(portfolio_id: UUID, ready: Ready, made: PreTradeCheck, by: Actor) -> Basket:
    return Basket(
        portfolio_id=portfolio_id,
        client_basket_id=ready.ticket.client_basket_id,
        kind=ready.ticket.kind,
        spread_name=ready.spread_name,
        note=ready.ticket.note,
        check_made=made,
        placed_as_of=ready.moment.as_of,
        session_date=ready.moment.current,
        placed_by_id=by.user_id,
        created_at=clock.now(),
    )


def _refuse_twin(portfolio_id: UUID, client_basket_id: str) -> None:
    same = Basket.objects.filter(portfolio_id=portfolio_id, client_basket_id=client_basket_id)
    for twin in same.only("pk"):
        raise Conflict(
            "A basket with this client basket id exists in the portfolio.",
            code="duplicate_client_basket_id",
            basket=live.basket_url(twin.pk),
        )


def _note(basket: Basket, word: str, by: Actor, before: str = "") -> None:
    audit.record(
        by=by,
        action=f"basket.{word}",
        object_type="basket",
        object_id=basket.pk,
        chain=basket.portfolio_id,
        before={"state": before} if before else None,
        after={
            "state": read.state(basket),
            "kind": basket.kind,
            "spread_name": basket.spread_name,
            "legs": [_leg_told(each) for each in basket.legs.all()],
        },
    )


def _leg_told(order: Order) -> dict[str, str]:
    return {
        "order": str(order.pk),
        "symbol": order.instrument.symbol,
        "side": order.side,
        "quantity": live.amount(order.quantity),
        "state": order.state,
    }
