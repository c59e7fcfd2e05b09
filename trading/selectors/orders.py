"""Orders as they are read: the blotter, what still works, one order's timeline."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from risk.services.pretrade import ProposedTrade
from trading.calculations import order_states
from trading.constants import REASON_WORDS
from trading.models import Order, OrderEvent

WORKING = tuple(sorted(order_states.OPEN))


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
    symbol: str


def visible(actor: Actor) -> QuerySet[Order]:
    """Every order the actor may see, newest first, with what a list shows."""
    return (
        Order.objects.for_actor(actor)
        .select_related("instrument", "placed_by", "portfolio")
        .order_by("-created_at", "-pk")
    )


def of_portfolio(portfolio_id: UUID, *, working_only: bool = False) -> QuerySet[Order]:
    """A portfolio's orders, newest first; with `working_only` the ones a bar may still fill."""
    rows = Order.objects.filter(portfolio_id=portfolio_id)
    if working_only:
        rows = rows.filter(state__in=WORKING)
    return rows.select_related("instrument", "placed_by", "check_made").order_by(
        "-created_at", "-pk"
    )


def working(*, portfolio_id: UUID, before: Order | None = None) -> list[ProposedTrade]:
    """What accepted orders still want, oldest first: a new order is judged as if it were done.

    With `before`, only the orders placed before that one: each waits for its elders, never for
    its juniors, so two waiting orders cannot refuse each other.
    """
    rows = Order.objects.filter(portfolio_id=portfolio_id, state__in=WORKING)
    if before is not None:
        rows = rows.filter(created_at__lte=before.created_at).exclude(pk=before.pk)
    return [
        ProposedTrade(
            symbol=order.instrument.symbol,
            side=order.side,
            quantity=order.quantity - order.filled_quantity,
        )
        for order in rows.select_related("instrument").order_by("created_at", "pk")
    ]


def working_symbols(*, portfolio_id: UUID) -> set[str]:
    """The symbols of what still works in a portfolio."""
    rows = Order.objects.filter(portfolio_id=portfolio_id, state__in=WORKING)
    return set(rows.values_list("instrument__symbol", flat=True).distinct())


def waiting(*, portfolio_ids: Iterable[UUID] | None = None) -> list[Waiting]:
    """Every working order, oldest first within its portfolio."""
    rows = Order.objects.filter(state__in=WORKING)
    if portfolio_ids is not None:
        rows = rows.filter(portfolio_id__in=list(portfolio_ids))
    found = rows.order_by("portfolio_id", "created_at", "pk").values_list(
        "pk", "portfolio_id", "instrument__symbol"
    )
    return [Waiting(*row) for row in found]


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
    words = event.to_state.replace("_", " ").capitalize()
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
