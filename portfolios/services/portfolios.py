"""Portfolios themselves: made with their owner's part, changed, halted, resumed, closed."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from portfolios.choices import (
    AccountStatus,
    AccountType,
    PortfolioState,
    PortfolioStatus,
    Role,
)
from portfolios.models import Account, Customer, Membership, Portfolio, User
from portfolios.services import locking

EDITABLE = ("name", "description", "notes", "allow_short", "whole_shares")
CURRENCY = "USD"


@transaction.atomic
def create(
    *,
    user: User,
    name: str,
    account: Account | None = None,
    description: str = "",
    notes: str = "",
    allow_short: bool = False,
    whole_shares: bool = True,
    is_paper: bool = True,
    base_currency: str = CURRENCY,
    opened_on: date | None = None,
    by: Actor,
) -> Portfolio:
    """Make an empty portfolio; its limits are the defaults until a row says otherwise.

    Without an account the user's first open paper account takes it. Raises BadInput for a name
    the user has already, and for a currency other than US dollars.
    """
    cleaned = _name(name)
    if base_currency != CURRENCY:
        raise BadInput("Books are kept in USD.", attr="base_currency")
    if account is not None and account.status != AccountStatus.ACTIVE:
        raise Conflict("The account is closed.", attr="account")
    _check_free(user.pk, cleaned)
    portfolio = Portfolio.objects.create(
        account=account or _account(user),
        name=cleaned,
        description=description.strip(),
        notes=notes,
        allow_short=allow_short,
        whole_shares=whole_shares,
        is_paper=is_paper,
        base_currency=base_currency,
        opened_on=opened_on,
    )
    Membership.objects.create(portfolio=portfolio, user=user, role=Role.OWNER, can_trade=True)
    _record(portfolio, "portfolio.create", by, after=_said(portfolio))
    return portfolio


@transaction.atomic
def update(
    *, portfolio_id: UUID, if_match_version: int | None = None, by: Actor, **changes: Any
) -> Portfolio:
    """Change name, texts or rules. Locks the portfolio.

    `if_match_version` is the version that was read; None asks for no match. Raises
    VersionMismatch, and Conflict when shorts are held and would be forbidden.
    """
    unknown = set(changes) - set(EDITABLE)
    if unknown:
        raise BadInput(f"{sorted(unknown)[0]} cannot be changed.", attr=sorted(unknown)[0])
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _match(portfolio, if_match_version)
    _check_open(portfolio)
    before = _said(portfolio)
    if "name" in changes:
        changes["name"] = _name(changes["name"])
        if changes["name"] != portfolio.name:
            _check_free_beside(portfolio, changes["name"])
    shorts = portfolio.positions.filter(quantity__lt=Decimal(0))
    if changes.get("allow_short") is False and portfolio.allow_short and shorts.exists():
        raise Conflict("Short positions are held; buy them back first.", attr="allow_short")
    for field, value in changes.items():
        setattr(portfolio, field, value)
    portfolio.version += 1
    portfolio.save(update_fields=[*changes, "version", "updated_at"])
    _record(portfolio, "portfolio.update", by, before=before, after=_said(portfolio))
    return portfolio


@transaction.atomic
def close(
    *, portfolio_id: UUID, if_match_version: int | None = None, by: Actor, reason: str = ""
) -> Portfolio:
    """Close a portfolio: nothing can be booked any more, everything stays readable.

    `if_match_version` as in `update`.
    """
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _match(portfolio, if_match_version)
    if portfolio.status == PortfolioStatus.CLOSED:
        return portfolio
    portfolio.status = PortfolioStatus.CLOSED
    portfolio.closed_at = clock.now()
    portfolio.version += 1
    portfolio.save(update_fields=["status", "closed_at", "version", "updated_at"])
    _record(portfolio, "portfolio.close", by, after={"status": "closed"}, reason=reason)
    return portfolio


def halt(*, portfolio_id: UUID, reason: str, by: Actor) -> Portfolio:
    """Stop trading in a portfolio; corrections stay possible."""
    return _set_state(portfolio_id, PortfolioState.HALTED, reason, "portfolio.halt", by)


def resume(*, portfolio_id: UUID, reason: str = "", by: Actor) -> Portfolio:
    """Let a halted portfolio trade again."""
    return _set_state(portfolio_id, PortfolioState.ACTIVE, reason, "portfolio.resume", by)


def next_order_number(portfolio_id: UUID) -> int:
    """The next number of the portfolio's orders channel, inside the caller's transaction."""
    return _next(portfolio_id, "order_events")


def next_alert_number(portfolio_id: UUID) -> int:
    """The next number of the portfolio's alerts channel, inside the caller's transaction."""
    return _next(portfolio_id, "alert_events")


def _next(portfolio_id: UUID, counter: str) -> int:
    # the UPDATE locks the row, so the number read back is ours alone until we commit
    mine = Portfolio.objects.filter(pk=portfolio_id)
    if not mine.update(**{counter: F(counter) + 1}):
        raise NotFound("There is no such portfolio.")
    return mine.values_list(counter, flat=True).get()


@transaction.atomic
def _set_state(
    portfolio_id: UUID, state: PortfolioState, reason: str, action: str, by: Actor
) -> Portfolio:
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _check_open(portfolio)
    if portfolio.state == state:
        return portfolio
    before = {"state": portfolio.state, "reason": portfolio.state_reason}
    portfolio.state, portfolio.state_reason = state, reason[:300]
    portfolio.version += 1
    portfolio.save(update_fields=["state", "state_reason", "version", "updated_at"])
    _record(portfolio, action, by, before=before, after={"state": state.value}, reason=reason)
    return portfolio


def _account(user: User) -> Account:
    customer, _ = Customer.objects.get_or_create(
        user=user, defaults={"name": user.name or user.email, "email": user.email}
    )
    found = (
        Account.objects.filter(customer=customer, status=AccountStatus.ACTIVE)
        .order_by("created_at", "pk")
        .first()
    )
    return found or Account.objects.create(
        customer=customer,
        name="Paper account",
        account_type=AccountType.PAPER,
        opened_at=clock.now(),
    )


def _name(name: str) -> str:
    cleaned = " ".join(name.split())
    if not cleaned:
        raise BadInput("A portfolio has a name.", attr="name")
    if len(cleaned) > 120:
        raise BadInput("A name has at most 120 characters.", attr="name")
    return cleaned


def _check_free(user_id: UUID, name: str, besides: UUID | None = None) -> None:
    same = Portfolio.objects.open().filter(
        name__iexact=name, memberships__user_id=user_id, memberships__role=Role.OWNER
    )
    if same.exclude(pk=besides).exists():
        raise BadInput("You have an open portfolio of that name.", attr="name")


def _check_free_beside(portfolio: Portfolio, name: str) -> None:
    owner = portfolio.memberships.filter(role=Role.OWNER, revoked_at__isnull=True).first()
    if owner is not None:
        _check_free(owner.user_id, name, portfolio.pk)


def _check_open(portfolio: Portfolio) -> None:
    if portfolio.status == PortfolioStatus.CLOSED:
        raise Conflict("The portfolio is closed.", code="portfolio_closed")


def _match(portfolio: Portfolio, wanted: int | None) -> None:
    if wanted is not None and wanted != portfolio.version:
        raise VersionMismatch(
            "The portfolio was changed since it was read.", version=portfolio.version
        )


def _said(portfolio: Portfolio) -> dict[str, Any]:
    return {field: getattr(portfolio, field) for field in (*EDITABLE, "base_currency")}


def _record(portfolio: Portfolio, action: str, by: Actor, **sides: Any) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="portfolio",
        object_id=portfolio.pk,
        chain=portfolio.pk,
        **sides,
    )
