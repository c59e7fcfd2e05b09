"""Parts in a portfolio: given, changed, revoked; each act is an audit line."""

from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from portfolios.choices import Role
from portfolios.models import Membership, User
from portfolios.services import locking


@transaction.atomic
def share(
    *, portfolio_id: UUID, email: str, role: str, can_trade: bool = False, by: Actor
) -> Membership:
    """Give an active user a part. Raises BadInput, and Conflict when the user has one already."""
    _check(role, can_trade)
    locking.lock_portfolios(portfolio_id)
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        raise BadInput("Nobody here has this address.", code="unknown_user", attr="email")
    if _live(portfolio_id).filter(user=user).exists():
        raise Conflict("This user has a part already.", attr="email")
    part = Membership.objects.create(
        portfolio_id=portfolio_id, user=user, role=role, can_trade=can_trade
    )
    _record(part, "membership.shared", by, after=_said(part))
    return part


@transaction.atomic
def change(
    *,
    portfolio_id: UUID,
    member_id: UUID,
    role: str,
    can_trade: bool,
    if_match_version: int | None = None,
    by: Actor,
) -> Membership:
    """Give a member another role. Locks the portfolio.

    `if_match_version` is the version that was read; None asks for no match. Raises NotFound,
    VersionMismatch, and Conflict for the owner's own part.
    """
    _check(role, can_trade)
    locking.lock_portfolios(portfolio_id)
    part = _member(portfolio_id, member_id, if_match_version)
    before = _said(part)
    part.role, part.can_trade = role, can_trade
    part.version += 1
    part.save(update_fields=["role", "can_trade", "version", "updated_at"])
    _record(part, "membership.changed", by, before=before, after=_said(part))
    return part


@transaction.atomic
def revoke(
    *, portfolio_id: UUID, member_id: UUID, if_match_version: int | None = None, by: Actor
) -> None:
    """End a member's part; refusals and `if_match_version` as in `change`."""
    locking.lock_portfolios(portfolio_id)
    part = _member(portfolio_id, member_id, if_match_version)
    part.revoked_at = clock.now()
    part.version += 1
    part.save(update_fields=["revoked_at", "version", "updated_at"])
    _record(part, "membership.revoked", by, before=_said(part))


def of_portfolio(*, portfolio_id: UUID) -> list[Membership]:
    """The members, in the order they came."""
    rows = _live(portfolio_id).select_related("user")
    return list(rows.order_by("created_at", "pk"))


def _live(portfolio_id: UUID):  # type: ignore[no-untyped-def]
    return Membership.objects.filter(portfolio_id=portfolio_id, revoked_at__isnull=True)


def _member(portfolio_id: UUID, member_id: UUID, wanted: int | None) -> Membership:
    part = Membership.objects.filter(portfolio_id=portfolio_id, pk=member_id).first()
    if part is not None and wanted is not None and wanted != part.version:
        raise VersionMismatch("The part was changed since it was read.", version=part.version)
    if part is None or part.revoked_at is not None:
        raise NotFound("There is no such member.")
    if part.role == Role.OWNER:
        raise Conflict("The owner's part cannot be changed.")
    return part


def _check(role: str, can_trade: bool) -> None:
    if role not in (Role.EDITOR, Role.VIEWER):
        raise BadInput("A part is editor or viewer.", attr="role")
    if can_trade and role != Role.EDITOR:
        raise BadInput("Only editors may trade.", attr="can_trade")


def _said(part: Membership) -> dict[str, Any]:
    return {"user": str(part.user_id), "role": part.role, "can_trade": part.can_trade}


def _record(part: Membership, action: str, by: Actor, **sides: Any) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="membership",
        object_id=part.pk,
        chain=part.portfolio_id,
        **sides,
    )
