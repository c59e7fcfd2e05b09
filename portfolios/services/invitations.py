"""Invitations to a portfolio: sent, sent again, withdrawn, accepted, declined.

Whether an address has an account is never asked when one is sent: nothing differs between the
two. An offer of the role `owner` hands the portfolio over when it is accepted.
"""

import secrets
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import (
    BadInput,
    Conflict,
    DomainError,
    NotAllowed,
    NotFound,
    VersionMismatch,
)
from portfolios.choices import InvitationState, PortfolioStatus, Role
from portfolios.constants import INVITATION_DAYS, MAX_INVITATIONS, MAX_MESSAGE
from portfolios.models import Invitation, Membership, Portfolio, User
from portfolios.selectors.invitations import MISSING, is_expired, needs_link
from portfolios.services import locking, memberships, signing

DAY = timedelta(days=1)


class TooManyInvitations(DomainError):
    """As many as a person may send in a day have been sent."""

    code, status = "throttled", 429


@transaction.atomic
def invite(
    *,
    portfolio_id: UUID,
    email: str,
    role: str,
    can_trade: bool = False,
    message: str = "",
    by: Actor,
) -> tuple[Invitation, str]:
    """Offer a part to an address; answers the row and the text of its link, which is not kept.

    Raises BadInput, Conflict for a member and for an address that has an open one, and
    TooManyInvitations beyond `MAX_INVITATIONS` a day.
    """
    if role != Role.OWNER:
        memberships.check_part(role, can_trade)
    if len(message) > MAX_MESSAGE:
        raise BadInput(f"A message has at most {MAX_MESSAGE} characters.", attr="message")
    address, moment = email.strip().lower(), clock.now()
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _check_free(portfolio, address, role, moment)
    _count(by, moment)
    text = secrets.token_urlsafe(32)
    assert by.user_id is not None
    row = Invitation.objects.create(
        portfolio=portfolio,
        email=address,
        role=role,
        can_trade=can_trade or role == Role.OWNER,
        message=message.strip(),
        hash=signing.hashed(text),
        invited_by_id=by.user_id,
        sent_at=moment,
        sendings=[moment.timestamp()],
        expires_at=moment + timedelta(days=INVITATION_DAYS),
    )
    _record(row, "invitation.sent", by, after=_said(row))
    return row, text


@transaction.atomic
def send_again(*, portfolio_id: UUID, invitation_id: UUID, by: Actor) -> tuple[Invitation, str]:
    """A new link and seven more days; the link of before ends. Raises as `invite` does."""
    locking.lock_portfolios(portfolio_id)
    row, moment = _open(portfolio_id, invitation_id), clock.now()
    _count(by, moment)
    text = secrets.token_urlsafe(32)
    mine = row.sendings if row.invited_by_id == by.user_id else []
    row.sendings = [*_recent(mine, moment), moment.timestamp()]
    row.invited_by_id = by.user_id  # type: ignore[assignment]
    row.hash, row.sent_at = signing.hashed(text), moment
    row.expires_at = moment + timedelta(days=INVITATION_DAYS)
    row.version += 1
    row.save()
    _record(row, "invitation.sent_again", by, after=_said(row))
    return row, text


@transaction.atomic
def withdraw(
    *,
    portfolio_id: UUID,
    invitation_id: UUID,
    if_match_version: int | None = None,
    by: Actor,
) -> None:
    """Take an offer back: its link ends. Raises NotFound, VersionMismatch, and Conflict."""
    locking.lock_portfolios(portfolio_id)
    row = _open(portfolio_id, invitation_id, if_match_version)
    _end(row, InvitationState.WITHDRAWN)
    _record(row, "invitation.withdrawn", by, before=_said(row))


@transaction.atomic
def accept(*, invitation_id: UUID, token: str = "", by: Actor) -> Membership:
    """Take the part that is offered to one's own address.

    Raises NotFound when it is offered to somebody else, Conflict when it has ended or cannot be
    taken now, and NotAllowed where the link itself is asked for (see `needs_link`).
    """
    user, row = _offered(invitation_id, by)
    [portfolio] = locking.lock_portfolios(row.portfolio_id)
    row.refresh_from_db()
    _check_open(row)
    if portfolio.status == PortfolioStatus.CLOSED:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    if needs_link(row, user) and not is_link(row, token):
        raise NotAllowed("Your account is younger than this invitation. Open its link.")
    _end(row, InvitationState.ACCEPTED)
    if row.role == Role.OWNER:
        part = memberships.hand_over(portfolio=portfolio, giver_id=row.invited_by_id, user=user)
        _end_offers(portfolio)
        before = {"user": str(row.invited_by_id), "role": Role.OWNER.value}
        memberships.record(
            part, "portfolio.handed_over", by, before=before, after=memberships.said(part)
        )
        return part
    part = memberships.join(
        portfolio_id=portfolio.pk, user=user, role=row.role, can_trade=row.can_trade
    )
    memberships.record(part, "membership.accepted", by, after=memberships.said(part))
    return part


@transaction.atomic
def decline(*, invitation_id: UUID, by: Actor) -> None:
    """Refuse what is offered; nobody gets it. Raises NotFound and Conflict."""
    _, row = _offered(invitation_id, by)
    locking.lock_portfolios(row.portfolio_id)
    row.refresh_from_db()
    _check_open(row)
    _end(row, InvitationState.DECLINED)
    _record(row, "invitation.declined", by, before=_said(row))


def is_link(row: Invitation, token: str) -> bool:
    """Whether the text is that of the newest link."""
    return bool(token) and secrets.compare_digest(row.hash, signing.hashed(token))


def _check_free(portfolio: Portfolio, address: str, role: str, moment: datetime) -> None:
    if portfolio.status == PortfolioStatus.CLOSED:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")
    parts = Membership.objects.filter(
        portfolio=portfolio, revoked_at__isnull=True, user__email__iexact=address
    )
    if role == Role.OWNER:
        parts = parts.filter(role=Role.OWNER)
    if parts.exists():
        raise Conflict("This address has that part already.", attr="email")
    waiting = Invitation.objects.filter(
        portfolio=portfolio, email=address, state=InvitationState.OPEN
    ).first()
    if waiting is None:
        return
    if waiting.expires_at > moment:
        raise Conflict("This address has an open invitation. Send it again.", attr="email")
    _end(waiting, InvitationState.WITHDRAWN)


def _count(by: Actor, moment: datetime) -> None:
    """Refuse more than `MAX_INVITATIONS` in a day, over all portfolios of a person."""
    audit.serialise(f"invitations:{by.user_id}")
    rows = Invitation.objects.filter(invited_by_id=by.user_id, sent_at__gt=moment - DAY)
    sent = sorted(
        at for row in rows.values_list("sendings", flat=True) for at in _recent(row, moment)
    )
    if len(sent) >= MAX_INVITATIONS:
        wait = sent[-MAX_INVITATIONS] + DAY.total_seconds() - moment.timestamp()
        words = f"You have sent {MAX_INVITATIONS} invitations in a day, which is the most."
        raise TooManyInvitations(words, retry_after=max(1.0, wait))


def _recent(sendings: list[float], moment: datetime) -> list[float]:
    return [at for at in sendings if at > (moment - DAY).timestamp()]


def _offered(invitation_id: UUID, by: Actor) -> tuple[User, Invitation]:
    user = User.objects.filter(pk=by.user_id, is_active=True).first()
    row = (
        Invitation.objects.filter(pk=invitation_id, email=user.email.lower()).first()
        if user is not None
        else None
    )
    if user is None or row is None:
        raise NotFound(MISSING)
    return user, row


def _open(portfolio_id: UUID, invitation_id: UUID, wanted: int | None = None) -> Invitation:
    row = Invitation.objects.filter(portfolio_id=portfolio_id, pk=invitation_id).first()
    if row is None:
        raise NotFound(MISSING)
    if wanted is not None and wanted != row.version:
        raise VersionMismatch("The invitation was changed since it was read.", version=row.version)
    if row.state != InvitationState.OPEN:
        raise Conflict(f"The invitation was {row.state}.", state=row.state)
    return row


def _check_open(row: Invitation) -> None:
    if row.state != InvitationState.OPEN:
        raise Conflict(f"The invitation was {row.state}.", state=row.state)
    if is_expired(row):
        raise Conflict("The invitation has expired. Ask for another.", code="invitation_expired")


def _end(row: Invitation, state: InvitationState) -> None:
    row.state, row.ended_at = state, clock.now()
    row.version += 1
    row.save(update_fields=["state", "ended_at", "version", "updated_at"])


def _end_offers(portfolio: Portfolio) -> None:
    """What the owner of before offered beside: nobody can hand over what they do not own."""
    rows = Invitation.objects.filter(
        portfolio=portfolio, role=Role.OWNER, state=InvitationState.OPEN
    )
    for row in rows:
        _end(row, InvitationState.WITHDRAWN)


def _said(row: Invitation) -> dict[str, Any]:
    return {"email": row.email, "role": row.role, "can_trade": row.can_trade}


def _record(row: Invitation, action: str, by: Actor, **sides: Any) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="invitation",
        object_id=row.pk,
        chain=row.portfolio_id,
        **sides,
    )
