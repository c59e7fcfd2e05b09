"""Spreads that wait: filled whole, in one transaction, when data after them fills every leg."""

import time
from collections.abc import Iterable, Mapping
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import system
from marketdata.models import Instrument
from marketdata.selectors.sessions import Moment
from portfolios.choices import TrackingMode
from portfolios.models import Portfolio
from portfolios.services import locking
from risk.choices import CheckStatus
from risk.services import pretrade
from trading.calculations import order_states
from trading.calculations.matching import Bar
from trading.choices import OrderState
from trading.models import Basket, Order, Trade
from trading.selectors import bars, baskets, orders
from trading.services import basket_gate, execution, gate, transitions
from trading.services.basket_gate import Judged, Leg
from trading.services.gate import Prepared

BY = system("execution")
Bars = Mapping[UUID, Bar]  # by instrument


def fill_waiting(*, moment: Moment, portfolio_ids: Iterable[UUID] | None = None) -> list[Trade]:
    """Match the spreads that wait, each in its own transaction, with data that came after them.

    A spread of which a leg has no price, or too little volume for all of it, waits on as a whole.
    What the gate no longer approves is cancelled as a whole with the reasons; so is what is left
    of a spread when a leg of it has ended.
    """
    spreads = baskets.waiting_spreads(portfolio_ids=portfolio_ids)
    if not spreads:
        return []
    asked = {leg.instrument_id: leg.instrument for each in spreads for leg in each.legs.all()}
    found = bars.newest(instruments=asked.values(), moment=moment)
    trades = []
    for each in spreads:
        legs = list(each.legs.all())
        if _is_torn(legs):
            _end(each, moment)
        elif _parts(legs, found) is not None:
            prepared = _prepared(each.portfolio_id, [leg.instrument for leg in legs], moment)
            trades += _try(each, prepared, found, moment)
    return trades


def _prepared(
    portfolio_id: UUID, instruments: list[Instrument], moment: Moment
) -> dict[str, Prepared]:
    return gate.prepare(portfolio_id=portfolio_id, instruments=instruments, moment=moment)


def _is_torn(legs: list[Order]) -> bool:
    """Whether a leg has ended while another waits."""
    return any(each.state not in order_states.OPEN for each in legs)


def _parts(legs: list[Order], found: Bars) -> list[Bar] | None:
    """What of the bars came after each leg; None unless all have something."""
    parts = []
    for each in legs:
        bar = found.get(each.instrument_id)
        part = bar.after(orders.since(each)) if bar is not None else None
        if part is None:
            return None
        parts.append(part)
    return parts


@transaction.atomic
def _try(
    spread: Basket, prepared: Mapping[str, Prepared], found: Bars, moment: Moment
) -> list[Trade]:
    """One attempt under the lock; everything decisive is read again."""
    [portfolio] = locking.lock_portfolios(spread.portfolio_id)
    legs = list(baskets.loaded(spread.pk).legs.all())
    parts = _parts(legs, found)
    if parts is None or _is_torn(legs) or execution.is_stopped(portfolio):
        return []
    if portfolio.tracking_mode == TrackingMode.HOLDINGS:
        why = "the portfolio keeps holdings now, not trades"
        for order in legs:
            transitions.move(order, OrderState.CANCELLED, by=BY, as_of=parts[0].ends, reason=why)
        return []
    started = time.monotonic()
    judged = basket_gate.judge(
        portfolio=portfolio,
        legs=[
            Leg(prepared[order.instrument.symbol], orders.terms(order), order.remaining, part)
            for order, part in zip(legs, parts, strict=True)
        ],
        working=orders.working(portfolio_id=portfolio.pk, before=legs[0]),
        context=execution.CONTEXT,
        by=BY,
    )
    if not judged.whole or judged.verdict.status == CheckStatus.UNAVAILABLE:
        return []
    made = pretrade.keep(
        verdict=judged.verdict,
        portfolio_id=portfolio.pk,
        context=execution.CONTEXT,
        by=BY,
        started=started,
        as_of=moment.as_of,
    )
    for order in legs:
        order.check_made = made
    if judged.verdict.approved:
        return _book(legs, judged, parts, prepared, portfolio, moment)
    for order, part in zip(legs, parts, strict=True):
        order.reasons = list(judged.verdict.reasons)
        transitions.move(order, OrderState.CANCELLED, by=BY, as_of=part.ends, reasons=order.reasons)
    return []


def _book(
    legs: list[Order],
    judged: Judged,
    parts: list[Bar],
    prepared: Mapping[str, Prepared],
    portfolio: Portfolio,
    moment: Moment,
) -> list[Trade]:
    trades = []
    for order, attempt, part in zip(legs, judged.attempts, parts, strict=True):
        assert attempt.fill is not None
        assert attempt.match.reference is not None
        mine = prepared[order.instrument.symbol]
        trades.append(
            execution.book(
                order=order,
                fill=attempt.fill,
                reference=attempt.match.reference,
                price_source=execution.source(mine.mark, moment, attempt.match, part),
                executed_at=part.ends,
                session_date=moment.current,
                by=BY,
                rate=mine.rate,
                locked=portfolio,
            )
        )
    return trades


@transaction.atomic
def _end(spread: Basket, moment: Moment) -> None:
    """Cancel what waits of a spread that can no longer fill together."""
    locking.lock_portfolios(spread.portfolio_id)
    for order in baskets.loaded(spread.pk).legs.all():
        if order.state in order_states.OPEN:
            why = "another leg of its spread has ended"
            transitions.move(order, OrderState.CANCELLED, by=BY, as_of=moment.as_of, reason=why)
