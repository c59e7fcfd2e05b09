"""The door's question: whether this actor may do this with that portfolio."""

from datetime import timedelta
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import ADMIN, READ, TRADE, Actor
from etftrader.core.errors import NotAllowed, NotFound
from etftrader.core.records import AuditEvent
from portfolios.constants import ROLES, SCOPE_OF, Action
from portfolios.models import Membership, Portfolio, UserPreference

STAFF_READ = "staff.read"
MISSING = "There is no such portfolio."
AUDIT_EVERY = timedelta(hours=1)
_READING = (Action.VIEW, Action.VIEW_AUDIT)
# what staff of these groups may do with any portfolio; nobody trades for a user
_STAFF = {
    Action.CALCULATE: frozenset({"Operator", "Admin"}),
    Action.HALT: frozenset({"Risk manager", "Admin"}),
}
# the site groups that open a scope; reading needs none
_GROUPS = {TRADE: frozenset({"Trader"}), ADMIN: frozenset({"Trader"})}


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
    wanted = Action(action)
    if actor.user_id is None:
        raise NotFound(MISSING)
    part = (
        Membership.objects.filter(
            portfolio_id=portfolio_id, user_id=actor.user_id, revoked_at__isnull=True
        )
        .select_related("portfolio__account__customer")
        .first()
    )
    if part is None:
        found = _for_staff(actor, portfolio_id)
        _check_scope(actor, wanted)
        _check_staff(actor, wanted)
        _note_staff(actor, found)
        return found
    _check_scope(actor, wanted)
    _check_role(actor, part, wanted)
    return part.portfolio


def actions_of(actor: Actor, portfolio: Portfolio) -> set[Action]:
    """Return what the actor's membership includes, for buttons; the door asks for the rest."""
    if actor.user_id is None:
        return set()
    mine = Membership.objects.filter(
        portfolio=portfolio, user_id=actor.user_id, revoked_at__isnull=True
    )
    role = mine.values_list("role", flat=True).first()
    return {action for action, roles in ROLES.items() if role in roles}


def may(actor: Actor, portfolio: Portfolio, action: str) -> bool:
    """Whether the actor may do this, for buttons; the door asks again."""
    try:
        portfolio_for(actor, portfolio.pk, action)
    except (NotFound, NotAllowed):
        return False
    return True


def _for_staff(actor: Actor, portfolio_id: UUID | str) -> Portfolio:
    """The portfolio of somebody else; only staff see that there is one."""
    found = (
        Portfolio.objects.for_actor(actor, Action.VIEW)
        .select_related("account__customer")
        .filter(pk=portfolio_id)
        .first()
        if actor.is_staff
        else None
    )
    if found is None:
        raise NotFound(MISSING)
    return found


def _check_scope(actor: Actor, action: Action) -> None:
    scope = SCOPE_OF[action]
    if scope not in actor.scopes:
        raise NotAllowed(f"This token has no {scope} scope.", scope=scope)


def _check_role(actor: Actor, part: Membership, action: Action) -> None:
    allowed = part.role in ROLES[action]
    if action == Action.TRADE and part.role != "owner":
        allowed = allowed and part.can_trade
    if not allowed:
        raise NotAllowed("Your role in this portfolio does not include this.", role=part.role)
    groups = _GROUPS.get(SCOPE_OF[action])
    if SCOPE_OF[action] != READ and groups and not actor.groups & groups:
        raise NotAllowed("Your account may only read.")


def _check_staff(actor: Actor, action: Action) -> None:
    """Staff read everything, audited, and never act for a user."""
    if action in _READING:
        return
    if not (actor.is_staff and actor.groups & _STAFF.get(action, frozenset())):
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
