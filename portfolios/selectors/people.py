"""People as the doors meet them: oneself, one's accounts, one's acts, the demo's users."""

from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound
from etftrader.core.records import AuditEvent
from portfolios.choices import AccountStatus
from portfolios.models import Account, User


def me(actor: Actor) -> User:
    """Return the user behind an actor. Raises NotFound for the house itself."""
    if actor.user_id is None:
        raise NotFound("There is no such user.")
    return User.objects.get(pk=actor.user_id)


def account_of(*, actor: Actor, account_id: UUID) -> Account | None:
    """Return one of the actor's own accounts; staff see others but own none of them."""
    if actor.user_id is None:
        return None
    own = Account.objects.filter(customer__user_id=actor.user_id)
    return own.filter(pk=account_id).first()


def open_accounts(*, actor: Actor) -> list[Account]:
    """Return the actor's own accounts that take portfolios, by name."""
    if actor.user_id is None:
        return []
    own = Account.objects.filter(customer__user_id=actor.user_id, status=AccountStatus.ACTIVE)
    return list(own.order_by("name", "pk"))


def check_customer(user: User, customer_id: UUID | None) -> None:
    """Raise BadInput for a customer who is not this person; none named is this person."""
    own = getattr(getattr(user, "customer", None), "pk", None)
    if customer_id is not None and customer_id != own:
        raise BadInput("You are no such customer.", attr="customer", code="does_not_exist")


def acts_of(*, actor: Actor) -> QuerySet[AuditEvent]:
    """Return the audit lines the actor caused, for their own reading."""
    if actor.user_id is None:
        return AuditEvent.objects.none()
    return AuditEvent.objects.filter(actor_id=actor.user_id)


def demo_emails() -> list[str]:
    """Return how the demo's users sign in, the oldest first."""
    rows = User.objects.filter(is_demo=True, is_active=True).order_by("created_at", "pk")
    return list(rows.values_list("email", flat=True))
