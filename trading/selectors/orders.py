"""Orders as they are read: the blotter, what still works, one order's timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Exists, QuerySet

from etftrader.core.actor import Actor
from portfolios.models import Portfolio
from risk.services.pretrade import ProposedTrade
from trading.calculations import matching, order_states
from trading.calculations.matching import Terms
from trading.choices import BasketKind, TimeInForce
from trading.constants import REASON_WORDS
from trading.models import CostModel, Order, OrderEvent
from trading.selectors import halts

WORKING = tuple(sorted(order_states.OPEN))
CHECKED = ("base_currency", "tracking_mode", "whole_shares")  # what a ticket is checked with


@dataclass(frozen=True, slots=True)
class Step:
    """One line of an order's timeline."""

    at: datetime
    text: str
    who: str
    state: str  # done, bad


@dataclass(frozen=True, slots=True)
class Waiting:
    """An order a bar may fill, by id: rows are read again under the lock."""

    order_id: UUID
    portfolio_id: UUID
    instrument_id: UUID
    symbol: str
    terms: Terms
    since: datetime  # what came no later may neither trigger nor fill it


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a portfolio has around a new order; what is not there is not asked for."""

    base_currency: str
    has_working: bool
    has_costs: bool  # of its own


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about a new order beside the books."""

    has_twin: bool  # an order of that name
    has_working: bool
    is_halted: bool  # for everybody


def visible(actor: Actor) -> QuerySet[Order]:
    """Every order the actor may see, newest first, with what a list shows."""
    return (
        Order.objects.for_actor(actor)
        .select_related("instrument", "placed_by", "portfolio", "basket")
        .order_by("-created_at", "-pk")
    )


def of_portfolio(portfolio_id: UUID, *, working_only: bool = False) -> QuerySet[Order]:
    """A portfolio's orders, newest first; with `working_only` the ones a bar may still fill."""
    rows = Order.objects.filter(portfolio_id=portfolio_id)
    if working_only:
        rows = rows.filter(state__in=WORKING)
    return rows.select_related("instrument", "placed_by", "check_made", "basket").order_by(
        "-created_at", "-pk"
    )


def working(
    *, portfolio_id: UUID, before: Order | None = None, excluding: Order | None = None
) -> list[ProposedTrade]:
    """What accepted orders still want, oldest first: a new order is judged as if it were done.

    With `before`, only the orders placed before that one: each waits for its elders, never for
    its juniors, so two waiting orders cannot refuse each other. `excluding` leaves one out.
    """
    rows = Order.objects.filter(portfolio_id=portfolio_id, state__in=WORKING)
    if before is not None:
        rows = rows.filter(created_at__lte=before.created_at).exclude(pk=before.pk)
    if excluding is not None:
        rows = rows.exclude(pk=excluding.pk)
    return [
        proposed(order) for order in rows.select_related("instrument").order_by("created_at", "pk")
    ]


def begun(*, portfolio_id: UUID) -> tuple[Portfolio, Surroundings] | None:
    """A portfolio and what is around it, before any lock: one query."""
    costs = Exists(CostModel.objects.filter(portfolio_id=portfolio_id))
    rows = Portfolio.objects.filter(pk=portfolio_id).only(*CHECKED)
    for row in rows.annotate(has_working=_any_working(portfolio_id), has_costs=costs):
        return row, Surroundings(row.base_currency, row.has_working, row.has_costs)
    return None


def standing(*, portfolio_id: UUID, client_order_id: str) -> Standing:
    """What stands in the way of a new order, or waits before it, under the lock: one query."""
    twins = Order.objects.filter(portfolio_id=portfolio_id, client_order_id=client_order_id)
    rows = Portfolio.objects.filter(pk=portfolio_id)
    columns = Exists(twins), _any_working(portfolio_id), Exists(halts.open_rows())
    return Standing(*rows.values_list(*columns).get())


def _any_working(portfolio_id: UUID) -> Exists:
    return Exists(Order.objects.filter(portfolio_id=portfolio_id, state__in=WORKING))


def terms(order: Order) -> Terms:
    """What an order asks of a bar."""
    return Terms(
        side=order.side,
        order_type=order.order_type,
        limit_price=order.limit_price,
        stop_price=order.stop_price,
        triggered=order.triggered_at is not None,
    )


def proposed(order: Order) -> ProposedTrade:
    """What an order still wants, as a verdict takes it."""
    return ProposedTrade(
        symbol=order.instrument.symbol,
        side=order.side,
        quantity=order.remaining,
        pays=matching.cash_price(terms(order)),
        order_type=order.order_type,
    )


def is_of_spread(order: Order) -> bool:
    """Whether it is the leg of a spread: it fills, changes and ends with the others."""
    return order.basket is not None and order.basket.kind == BasketKind.SPREAD


def since(order: Order) -> datetime:
    """What came no later than this may neither trigger nor fill an order."""
    known = (order.replaced_as_of or order.placed_as_of, order.triggered_at, order.last_bar)
    return max(each for each in known if each is not None)


def working_symbols(*, portfolio_id: UUID) -> set[str]:
    """The symbols of what still works in a portfolio."""
    rows = Order.objects.filter(portfolio_id=portfolio_id, state__in=WORKING)
    return set(rows.values_list("instrument__symbol", flat=True).distinct())


def waiting(
    *,
    portfolio_ids: Iterable[UUID] | None = None,
    ending_by: datetime | None = None,
    alone: bool = False,
) -> list[Waiting]:
    """Every working order, oldest first within its portfolio; or the day orders a close ends.

    With `alone` without the legs of spreads, which only fill together.
    """
    rows = Order.objects.filter(state__in=WORKING)
    if alone:
        rows = rows.exclude(basket__kind=BasketKind.SPREAD)
    if ending_by is not None:
        rows = rows.filter(time_in_force=TimeInForce.DAY, placed_as_of__lt=ending_by)
    if portfolio_ids is not None:
        rows = rows.filter(portfolio_id__in=list(portfolio_ids))
    return [
        Waiting(
            order_id=order.pk,
            portfolio_id=order.portfolio_id,
            instrument_id=order.instrument_id,
            symbol=order.instrument.symbol,
            terms=terms(order),
            since=since(order),
        )
        for order in rows.select_related("instrument").order_by("portfolio_id", "created_at", "pk")
    ]


def timeline(order: Order) -> list[Step]:
    """What happened to an order, oldest first: checked, then each change of its state."""
    steps = []
    if order.check_made is not None:
        made = order.check_made
        refused = made.status != "APPROVED"
        warned = not refused and set(made.warnings) - {"REDUCING"}
        told = f"Checked: {made.status.lower()}{' with warnings' if warned else ''}"
        steps.append(Step(made.as_of, told, "", "bad" if refused else "done"))
    steps += [_step(event) for event in order.events.order_by("number")]
    return steps


def _step(event: OrderEvent) -> Step:
    # an order may be changed and stay what it is
    words = str(event.detail.get("act") or event.to_state).replace("_", " ").capitalize()
    reasons = event.detail.get("reasons") or []
    if reasons:
        words += ": " + ", ".join(in_words(reasons))
    elif event.detail.get("reason"):
        words += f": {event.detail['reason']}"
    bad = event.to_state in {"rejected", "cancelled", "expired", "busted"}
    return Step(event.as_of, words, event.by_label, "bad" if bad else "done")


def in_words(reasons: Iterable[str]) -> list[str]:
    """Denial codes as a person reads them; an unknown code stays itself."""
    return [REASON_WORDS.get(reason, reason) for reason in reasons]
