"""The door's question: whether this actor may do this with that portfolio."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, formats
from etftrader.core.actor import Actor
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.records import AuditEvent
from portfolios.choices import Role
from portfolios.constants import PERMISSIONS, READING, Action
from portfolios.models import Membership, Portfolio, UserPreference

STAFF_READ = "staff.read"
MISSING = "There is no such portfolio."
AUDIT_EVERY = timedelta(hours=1)


def portfolio_for(actor: Actor, portfolio_id: UUID | str, action: str = Action.VIEW) -> Portfolio:
    """Return the portfolio when the actor may do this with it.

    Parameters
    ----------
    actor : Actor
        Membership, groups and token scopes must all agree.
    portfolio_id : UUID
        As it stood in the request.
    action : Action
        What is going to happen.

    Returns
    -------
    Portfolio
        With its account and customer.

    Raises
    ------
    NotFound
        There is none, or the actor has no part in it: the same answer after the same queries.
    NotAllowed
        It is visible, but role, group or token does not include this.
    """
    return _opened(actor, portfolio_id, Action(action))[0]


def portfolio_with_actions(actor: Actor, portfolio_id: UUID | str) -> tuple[Portfolio, set[Action]]:
    """A portfolio the actor may see, and what they may do with it, for buttons: one question.

    Raises as `portfolio_for` does.
    """
    found, part = _opened(actor, portfolio_id, Action.VIEW)
    return found, {action for action in Action if _includes(actor, part, action)}


def _opened(
    actor: Actor, portfolio_id: UUID | str, wanted: Action
) -> tuple[Portfolio, Membership | None]:
    if actor.user_id is None:
        raise NotFound(MISSING)
    part = (
        Membership.objects.filter(
            portfolio_id=portfolio_id, user_id=actor.user_id, revoked_at__isnull=True
        )
        .select_related("portfolio__account__customer")
        .first()
    )
    found = part.portfolio if part is not None else _for_staff(actor, portfolio_id)
    formats.speak(found.base_currency)  # amounts of this request are in it
    _check_scope(actor, wanted)
    if part is not None and not (_refusal(actor, part, wanted) and _as_staff(actor, wanted)):
        _check_role(actor, part, wanted)
        return found, part
    _check_staff(actor, wanted)
    _note_staff(actor, found)
    return found, part


def actions_of(actor: Actor, portfolio: Portfolio) -> set[Action]:
    """Return what the actor may do, for buttons; the door asks again. One query."""
    if actor.user_id is None:
        return set()
    part = part_of(actor, portfolio)
    if part is None and not actor.reads_all:
        return set()
    return {action for action in Action if _includes(actor, part, action)}


def part_of(actor: Actor, portfolio: Portfolio) -> Membership | None:
    """The actor's own part in the portfolio."""
    if actor.user_id is None:
        return None
    return Membership.objects.filter(
        portfolio=portfolio, user_id=actor.user_id, revoked_at__isnull=True
    ).first()


def _includes(actor: Actor, part: Membership | None, action: Action) -> bool:
    if PERMISSIONS[action].scope not in actor.scopes:
        return False
    if part is not None and not _refusal(actor, part, action):
        return True
    return _as_staff(actor, action)


def may(actor: Actor, portfolio: Portfolio, action: str) -> bool:
    """Whether the actor may do this, for buttons; the door asks again."""
    try:
        portfolio_for(actor, portfolio.pk, action)
    except (NotFound, NotAllowed):
        return False
    return True


def _for_staff(actor: Actor, portfolio_id: UUID | str) -> Portfolio:
    """The portfolio of somebody else; only staff who may read see that there is one."""
    found = (
        Portfolio.objects.for_actor(actor, Action.VIEW)
        .select_related("account__customer")
        .filter(pk=portfolio_id)
        .first()
        if actor.reads_all
        else None
    )
    if found is None:
        raise NotFound(MISSING)
    return found


def _check_scope(actor: Actor, action: Action) -> None:
    scope = PERMISSIONS[action].scope
    if scope not in actor.scopes:
        raise NotAllowed(f"This token has no {scope} scope.", scope=scope)


def _refusal(actor: Actor, part: Membership, action: Action) -> str:
    """Why a member may not do it; empty where nothing stands against it."""
    rule = PERMISSIONS[action]
    allowed = part.role in rule.roles
    if rule.if_can_trade and part.role != Role.OWNER:
        allowed = allowed and part.can_trade
    if not allowed:
        return "Your role in this portfolio does not include this."
    if rule.groups and not actor.groups & rule.groups:
        return "Your account may only read."
    return ""


def _check_role(actor: Actor, part: Membership, action: Action) -> None:
    refusal = _refusal(actor, part, action)
    if refusal:
        raise NotAllowed(refusal, role=part.role)


def role_of(actor: Actor, portfolio: Portfolio) -> str:
    """The actor's part in a portfolio; staff who read it have none of it."""
    part = part_of(actor, portfolio)
    return "staff" if part is None else str(part.role)


def staff_may(actor: Actor, action: Action) -> bool:
    """Whether this is staff whose group does this with any portfolio."""
    return actor.is_staff and bool(actor.groups & PERMISSIONS[action].staff)


def _as_staff(actor: Actor, action: Action) -> bool:
    return actor.reads_all and (action in READING or staff_may(actor, action))


def _check_staff(actor: Actor, action: Action) -> None:
    """Staff read everything, audited, and never act for a user."""
    if not _as_staff(actor, action):
        raise NotAllowed("Staff may read this portfolio, not act in it.")


def _note_staff(actor: Actor, portfolio: Portfolio) -> None:
    """One line per person, portfolio and hour."""
    if actor.user_id is None:
        return
    noted = AuditEvent.objects.filter(
        action=STAFF_READ,
        object_type="portfolio",
        object_id=str(portfolio.pk),
        actor_id=actor.user_id,
        recorded_at__gt=clock.now() - AUDIT_EVERY,
    )
    if noted.exists():
        return
    with transaction.atomic():
        audit.record(
            by=actor,
            action=STAFF_READ,
            object_type="portfolio",
            object_id=portfolio.pk,
            chain=portfolio.pk,
        )


def note_reading(actor: Actor, rows: Iterable[Any], own: Collection[UUID] | None = None) -> None:
    """Leave one line when staff are shown rows of other people, however many there are.

    Parameters
    ----------
    actor : Actor
        Who looks. Members, and staff looking at their own rows, leave none.
    rows : iterable of Model
        Rows of one model with `for_actor`, about to be shown.
    own : collection of UUID, optional
        Those the actor has a part in, where that was read with the rows.
    """
    shown = list(rows) if actor.reads_all and actor.user_id is not None else []
    if not shown:
        return
    model = type(shown[0])
    if own is None:
        known = model.objects.for_actor(as_person(actor)).filter(pk__in=[e.pk for e in shown])
        own = set(known.values_list("pk", flat=True))
    others = [each for each in shown if each.pk not in own]
    if not others:
        return
    books = sorted({str(book) for each in others if (book := _book_of(each))})
    with transaction.atomic():
        audit.record(
            by=actor,
            action=STAFF_READ,
            object_type=model._meta.model_name,
            object_id=others[0].pk if len(others) == 1 else f"{len(others)} rows",
            chain=books[0] if len(books) == 1 else audit.SITE,
            after={"portfolios": books} if books else {"rows": [str(each.pk) for each in others]},
        )


def as_person(actor: Actor) -> Actor:
    """The actor without what only staff may see."""
    return replace(actor, is_staff=False, is_superuser=False)


def _book_of(row: Any) -> UUID | None:
    return row.pk if isinstance(row, Portfolio) else getattr(row, "portfolio_id", None)


def default_portfolio(actor: Actor) -> Portfolio:
    """The actor's chosen portfolio, else the oldest open one of theirs. Raises NotFound."""
    own = Portfolio.objects.open().filter(
        memberships__user_id=actor.user_id, memberships__revoked_at__isnull=True
    )
    preference = UserPreference.objects.for_actor(actor).first()
    chosen = preference.default_portfolio_id if preference else None
    found = own.filter(pk=chosen).first() or own.order_by("created_at", "pk").first()
    if found is None:
        raise NotFound("You have no portfolio yet.")
    return found
