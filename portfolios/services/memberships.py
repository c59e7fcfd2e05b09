"""Parts in a portfolio: given, changed, ended, handed over; each act is one audit line.

A portfolio always has an owner: the owner's part is neither changed nor ended, only handed over.
"""

from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from portfolios.choices import Role
from portfolios.models import Membership, Portfolio, Position, User
from portfolios.services import locking, portfolios

HAS_PART = "This user has a part already."
MAX_REASON = 300


@transaction.atomic
def share(
    *, portfolio_id: UUID, email: str, role: str, can_trade: bool = False, by: Actor
) -> Membership:
    """Give a part to somebody the asker has shared a portfolio with before; others are invited.

    Whoever else has an account stays unknown: an address nobody has and one of a stranger are
    refused alike. Raises BadInput, and Conflict when the user has a part already.
    """
    check_part(role, can_trade)
    locking.lock_portfolios(portfolio_id)
    user = _acquaintance(email, by)
    if user is None:
        raise BadInput(
            "You share no portfolio with anybody of this address. Send an invitation.",
            code="unknown_user",
            attr="email",
        )
    part = join(portfolio_id=portfolio_id, user=user, role=role, can_trade=can_trade)
    record(part, "membership.shared", by, after=said(part))
    return part


def join(*, portfolio_id: UUID, user: User, role: str, can_trade: bool) -> Membership:
    """A new part in a locked portfolio, for services that write the line. Raises Conflict."""
    if _live(portfolio_id).filter(user=user).exists():
        raise Conflict(HAS_PART, attr="email")
    return Membership.objects.create(
        portfolio_id=portfolio_id, user=user, role=role, can_trade=can_trade
    )


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
    check_part(role, can_trade)
    locking.lock_portfolios(portfolio_id)
    part = _member(portfolio_id, member_id, if_match_version)
    before = said(part)
    _set(part, role, can_trade)
    record(part, "membership.changed", by, before=before, after=said(part))
    return part


@transaction.atomic
def revoke(
    *,
    portfolio_id: UUID,
    member_id: UUID,
    reason: str = "",
    if_match_version: int | None = None,
    by: Actor,
) -> None:
    """End a member's part; refusals and `if_match_version` as in `change`.

    Staff, who are no owners of it, say why: raises BadInput without a reason.
    """
    locking.lock_portfolios(portfolio_id)
    part = _member(portfolio_id, member_id, if_match_version)
    mine = _live(portfolio_id).filter(user_id=by.user_id, role=Role.OWNER)
    why = " ".join(reason.split())[:MAX_REASON]
    if not why and not mine.exists():
        raise BadInput("Say why: the members will ask.", attr="reason")
    _end(part)
    record(part, "membership.revoked", by, before=said(part), reason=why)


@transaction.atomic
def leave(*, portfolio_id: UUID, by: Actor) -> None:
    """End one's own part. Raises NotFound, and Conflict for the owner, who hands over first."""
    locking.lock_portfolios(portfolio_id)
    part = _live(portfolio_id).filter(user_id=by.user_id).first()
    if part is None:
        raise NotFound("You have no part in this portfolio.")
    if part.role == Role.OWNER:
        raise Conflict("You own this portfolio. Hand it over first, or close it.")
    _end(part)
    record(part, "membership.left", by, before=said(part))


def hand_over(*, portfolio: Portfolio, giver_id: UUID, user: User) -> Membership:
    """Make `user` the owner of a locked portfolio; the one before stays and may trade.

    For the service of invitations, which writes the line. Raises Conflict when the giver does not
    own it any more, the taker may only read, or it holds what only its owner can value.
    """
    old = _live(portfolio.pk).filter(user_id=giver_id, role=Role.OWNER).first()
    if old is None:
        raise Conflict("Whoever offered this does not own the portfolio any more.")
    if not user.groups.filter(name="Trader").exists():
        raise Conflict("Your account may only read: it cannot own a portfolio.")
    private = Position.objects.open().filter(
        portfolio=portfolio, instrument__owner_id__isnull=False
    )
    if private.exists():
        raise Conflict("It holds an instrument that only its owner values. Sell that first.")
    portfolios.move_to(portfolio=portfolio, user=user)
    part = _live(portfolio.pk).filter(user=user).first()
    if part is None:
        part = Membership.objects.create(
            portfolio=portfolio, user=user, role=Role.OWNER, can_trade=True
        )
    else:
        _set(part, Role.OWNER, can_trade=True)
    _set(old, Role.EDITOR, can_trade=True)
    return part


def of_portfolio(*, portfolio_id: UUID) -> list[Membership]:
    """The members, in the order they came."""
    rows = _live(portfolio_id).select_related("user")
    return list(rows.order_by("created_at", "pk"))


def find(*, portfolio_id: UUID, member_id: UUID) -> Membership | None:
    """One part of a portfolio, ended ones too, with its user."""
    rows = Membership.objects.filter(portfolio_id=portfolio_id, pk=member_id)
    return rows.select_related("user", "portfolio").first()


def check_part(role: str, can_trade: bool) -> None:
    """Refuse what is no part to give. Raises BadInput."""
    if role not in (Role.EDITOR, Role.VIEWER):
        raise BadInput("A part is editor or viewer.", attr="role")
    if can_trade and role != Role.EDITOR:
        raise BadInput("Only editors may trade.", attr="can_trade")


def said(part: Membership) -> dict[str, Any]:
    """What a line says of a part."""
    return {"user": str(part.user_id), "role": part.role, "can_trade": part.can_trade}


def record(part: Membership, action: str, by: Actor, **sides: Any) -> None:
    """Write the line of a part."""
    audit.record(
        by=by,
        action=action,
        object_type="membership",
        object_id=part.pk,
        chain=part.portfolio_id,
        **sides,
    )


def _live(portfolio_id: UUID):  # type: ignore[no-untyped-def]
    return Membership.objects.filter(portfolio_id=portfolio_id, revoked_at__isnull=True)


def _acquaintance(email: str, by: Actor) -> User | None:
    """The active user of an address, if the asker owns or owned a portfolio both had a part in."""
    if by.user_id is None:
        return None
    own = Membership.objects.filter(user_id=by.user_id, role=Role.OWNER)
    known = Membership.objects.filter(portfolio__in=own.values("portfolio"))
    return User.objects.filter(
        email__iexact=email.strip(), is_active=True, pk__in=known.values("user")
    ).first()


def _member(portfolio_id: UUID, member_id: UUID, wanted: int | None) -> Membership:
    part = Membership.objects.filter(portfolio_id=portfolio_id, pk=member_id).first()
    if part is not None and wanted is not None and wanted != part.version:
        raise VersionMismatch("The part was changed since it was read.", version=part.version)
    if part is None or part.revoked_at is not None:
        raise NotFound("There is no such member.")
    if part.role == Role.OWNER:
        raise Conflict("The owner's part cannot be changed. Hand the portfolio over instead.")
    return part


def _set(part: Membership, role: str, can_trade: bool) -> None:
    part.role, part.can_trade = role, can_trade
    part.version += 1
    part.save(update_fields=["role", "can_trade", "version", "updated_at"])


def _end(part: Membership) -> None:
    part.revoked_at = clock.now()
    part.version += 1
    part.save(update_fields=["revoked_at", "version", "updated_at"])
