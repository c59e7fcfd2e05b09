"""Splits in the orders that wait: the shares asked for are those after the split."""

from collections.abc import Iterable
from datetime import date
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from fractions import Fraction
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import system
from etftrader.core.money import FILL_PRICE, MONEY
from marketdata.calculations.splits import exact_ratio, times
from marketdata.choices import ActionKind
from marketdata.models import CorporateAction
from marketdata.selectors import calendar
from marketdata.selectors import corporate_actions as actions
from portfolios.services import locking
from trading import live
from trading.calculations import order_states
from trading.choices import OrderState, Side
from trading.models import Order
from trading.selectors.orders import WORKING
from trading.services import transitions

BY = system("corporate actions")


def restate(*, portfolio_ids: Iterable[UUID], session_date: date) -> int:
    """Multiply what waiting orders still want by the splits since they were placed; twice is once.

    An order keeps whole shares where its portfolio does; one of which nothing whole is left is
    cancelled. The answer counts the orders that changed.
    """
    rows = Order.objects.filter(portfolio_id__in=list(portfolio_ids), state__in=WORKING)
    waiting = list(rows.order_by("portfolio_id", "created_at", "pk"))
    known = {each.instrument_id for each in waiting}
    due = actions.for_books(instrument_ids=known, session_date=session_date) if waiting else []
    done = 0
    for action in due:
        if action.kind == ActionKind.SPLIT:
            touched = _touched(action)
            done += sum(_restate(each, action) for each in waiting if each.instrument_id in touched)
    return done


def _touched(action: CorporateAction) -> set[UUID]:
    """The instrument itself, and the options whose terms follow it."""
    changed, _ = actions.adjusted_options(action)
    return {action.instrument_id, *(each.instrument_id for each in changed)}


@transaction.atomic
def _restate(waiting: Order, action: CorporateAction) -> int:
    [portfolio] = locking.lock_portfolios(waiting.portfolio_id)
    order = Order.objects.select_related("instrument").get(pk=waiting.pk)
    opens = calendar.open_time(actions.effective(action.ex_date))
    if order.state not in order_states.OPEN or order.placed_as_of >= opens:
        return 0
    if order.events.filter(detail__split=str(action.pk)).exists():
        return 0
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    before, rest = order.quantity, order.quantity - order.filled_quantity
    rest = _units(rest, ratio, whole=portfolio.whole_shares)
    told = {"split": str(action.pk), "quantity_before": live.amount(before)}
    words = f"{ratio.numerator} new for {ratio.denominator} old"
    if not rest:
        reason = f"{words} leaves nothing whole to trade"
        transitions.move(order, OrderState.CANCELLED, by=BY, as_of=opens, reason=reason, **told)
        return 1
    order.filled_quantity = times(order.filled_quantity, ratio, MONEY)
    order.quantity = order.filled_quantity + rest
    if order.average_price is not None:
        order.average_price = times(order.average_price, 1 / ratio, FILL_PRICE)
    if order.stop_price is not None:
        order.stop_price = max(times(order.stop_price, 1 / ratio, FILL_PRICE), FILL_PRICE)
    if order.limit_price is not None:
        order.limit_price = _limit(order.limit_price, ratio, order.side)
    reason = f"{words}: {live.amount(order.quantity)} instead of {live.amount(before)}"
    transitions.amended(order, "restated", by=BY, as_of=opens, reason=reason, **told)
    return 1


def _limit(price: Decimal, ratio: Fraction, side: str) -> Decimal:
    """A limit in new shares; its last digit never makes it easier to meet."""
    rounding = ROUND_DOWN if side == Side.BUY else ROUND_UP
    exact = price * ratio.denominator / ratio.numerator
    return max(exact.quantize(FILL_PRICE, rounding=rounding), FILL_PRICE)


def _units(quantity: Decimal, ratio: Fraction, *, whole: bool) -> Decimal:
    grown = times(quantity, ratio, MONEY)
    return grown.quantize(Decimal(1), rounding=ROUND_DOWN) if whole else grown
