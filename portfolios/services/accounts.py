"""People: created with their account, passwords changed, sign-ins ended."""

from collections.abc import Iterable
from uuid import UUID

from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound
from portfolios.choices import AccountType
from portfolios.models import Account, Customer, TokenFamily, User, UserPreference

MAX_PASSWORD = 128
TRADER, VIEWER = "Trader", "Viewer"


@transaction.atomic
def create_user(
    *,
    email: str,
    password: str | None,
    name: str = "",
    groups: Iterable[str] = (TRADER,),
    is_staff: bool = False,
    is_demo: bool = False,
    by: Actor,
) -> User:
    """Create a person with preferences, customer and paper account.

    Raises Conflict when the address is taken. The password is not judged here; doors do that.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_user(
                email, password, name=name, is_staff=is_staff, is_demo=is_demo
            )
    except IntegrityError as error:
        raise Conflict("There is a user with this address.", attr="email") from error
    user.groups.set(Group.objects.filter(name__in=list(groups)))
    complete(user=user)
    audit.record(
        by=by,
        action="user.created",
        object_type="user",
        object_id=user.pk,
        after={"email": user.email, "groups": sorted(groups)},
    )
    return user


def complete(*, user: User) -> None:
    """Give a person what everybody has: preferences, a customer and a paper account."""
    UserPreference.objects.create(user=user)
    customer = Customer.objects.create(user=user, name=user.name or user.email, email=user.email)
    Account.objects.create(
        customer=customer,
        name="Paper account",
        account_type=AccountType.PAPER,
        opened_at=clock.now(),
    )


def check_password(password: str, user: User | None = None, *, attr: str = "new_password") -> None:
    """Refuse short, long and common passwords. Raises BadInput."""
    if len(password) > MAX_PASSWORD:
        raise BadInput(f"A password has at most {MAX_PASSWORD} characters.", attr=attr)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadInput(" ".join(error.messages), attr=attr) from error


@transaction.atomic
def change_password(*, user: User, old: str, new: str, by: Actor) -> User:
    """Set a new password; every session, access and refresh token of before ends.

    Raises BadInput when the old one is wrong or the new one is weak.
    """
    if not user.check_password(old):
        raise BadInput("The old password is wrong.", attr="old_password")
    check_password(new, user)
    user.set_password(new)
    user.save(update_fields=["password", "updated_at"])
    _end(user.pk)
    audit.record(by=by, action="password.changed", object_type="user", object_id=user.pk)
    user.refresh_from_db()
    return user


@transaction.atomic
def end_everywhere(*, user_id: UUID, by: Actor) -> None:
    """Sign a user out on every device; personal tokens stay."""
    _end(user_id)
    audit.record(by=by, action="sessions.ended", object_type="user", object_id=user_id)


@transaction.atomic
def deactivate(*, user_id: UUID, reason: str, by: Actor) -> None:
    """Close the door for a user; what the user did stays. Raises NotFound."""
    if not User.objects.filter(pk=user_id).update(is_active=False):
        raise NotFound("There is no such user.")
    _end(user_id)
    audit.record(
        by=by, action="user.deactivated", object_type="user", object_id=user_id, reason=reason
    )


def _end(user_id: UUID) -> None:
    # the number alone is enough for tokens; families too, so that the list of sign-ins is true
    User.objects.filter(pk=user_id).update(session_version=F("session_version") + 1)
    TokenFamily.objects.filter(user_id=user_id, revoked_at__isnull=True).update(
        revoked_at=clock.now()
    )


@transaction.atomic
def change_profile(*, user: User, name: str, preference: dict[str, object]) -> None:
    """Name and looks."""
    User.objects.filter(pk=user.pk).update(name=name)
    UserPreference.objects.update_or_create(user=user, defaults=preference)
