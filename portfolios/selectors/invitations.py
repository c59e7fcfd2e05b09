"""Invitations as both sides see them: of a portfolio, and those to one's own address."""

from uuid import UUID

from django.conf import settings
from django.db.models import QuerySet

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.choices import InvitationState
from portfolios.models import Invitation, User

MISSING = "There is no such invitation."


def of_portfolio(*, portfolio_id: UUID) -> QuerySet[Invitation]:
    """Return the invitations of a portfolio, newest first."""
    rows = Invitation.objects.filter(portfolio_id=portfolio_id).select_related("invited_by")
    return rows.order_by("-sent_at", "pk")


def waiting(*, portfolio_id: UUID) -> list[Invitation]:
    """Return those nobody has answered, expired ones too: they can be sent again."""
    return list(of_portfolio(portfolio_id=portfolio_id).filter(state=InvitationState.OPEN))


def find(*, portfolio_id: UUID, invitation_id: UUID) -> Invitation:
    """Return one of a portfolio's. Raises NotFound."""
    row = of_portfolio(portfolio_id=portfolio_id).filter(pk=invitation_id).first()
    if row is None:
        raise NotFound(MISSING)
    return row


def to_me(actor: Actor) -> QuerySet[Invitation]:
    """Return what is offered to the actor's address and not answered yet, newest first."""
    if actor.user_id is None:
        return Invitation.objects.none()
    # an actor's label is the address the person signs in with
    rows = Invitation.objects.filter(
        email=actor.label.lower(), state=InvitationState.OPEN, expires_at__gt=clock.now()
    )
    return rows.select_related("portfolio", "invited_by").order_by("-sent_at", "pk")


def offered(*, actor: Actor, invitation_id: UUID) -> Invitation:
    """Return one of those. Raises NotFound."""
    row = to_me(actor).filter(pk=invitation_id).first()
    if row is None:
        raise NotFound(MISSING)
    return row


def by_link(*, actor: Actor, link: str) -> Invitation:
    """Return the one whose link has this hash. Raises NotFound, for another's address too.

    Which of the two it is stays unsaid: the link alone tells its finder nothing.
    """
    row = to_me(actor).filter(hash=link).first()
    if row is None:
        raise NotFound(MISSING)
    return row


def asks_for_link(*, actor: Actor, row: Invitation) -> bool:
    """Whether the actor has to come by the link."""
    user = User.objects.filter(pk=actor.user_id).first()
    return user is not None and needs_link(row, user)


def needs_link(row: Invitation, user: User) -> bool:
    """Whether an address alone is no proof: anybody may have registered it meanwhile."""
    return settings.REGISTRATION_OPEN and user.created_at > row.created_at


def is_expired(row: Invitation) -> bool:
    """Whether an open one was not answered in time."""
    return row.state == InvitationState.OPEN and row.expires_at <= clock.now()
