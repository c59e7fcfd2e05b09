"""Portfolios themselves: made with their owner's part, changed, halted, closed, reopened."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from marketdata.selectors import exchange_rates
from portfolios.choices import (
    AccountStatus,
    AccountType,
    EntryKind,
    PortfolioState,
    PortfolioStatus,
    Role,
    TrackingMode,
)
from portfolios.models import Account, Customer, Membership, Portfolio, User
from portfolios.services import locking

EDITABLE = ("name", "description", "notes", "allow_short", "whole_shares", "tracking_mode")
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
    tracking_mode: str = TrackingMode.LEDGER,
    opened_on: date | None = None,
    by: Actor,
) -> Portfolio:
    """Make an empty portfolio; its limits are the defaults until a row says otherwise.

    Without an account the user's first open paper account takes it. Raises BadInput for a name
    the user has already, and for a currency no exchange rate is known of. The currency stays.
    """
    cleaned = _name(name)
    if base_currency != CURRENCY and base_currency not in exchange_rates.known():
        raise BadInput(
            f"No exchange rate of {base_currency[:3]} is known. Bring in daily prices of a pair "
            "such as EURUSD=X first, or keep the book in USD.",
            attr="base_currency",
        )
    if account is not None:
        account = locking.lock_account(account.pk)
        _check_account(account)
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
        tracking_mode=tracking_mode,
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
    if changes.get("tracking_mode", portfolio.tracking_mode) != portfolio.tracking_mode:
        _check_mode(portfolio, changes["tracking_mode"])
    for field, value in changes.items():
        setattr(portfolio, field, value)
    portfolio.version += 1
    portfolio.save(update_fields=[*changes, "version", "updated_at"])
    _record(portfolio, "portfolio.update", by, before=before, after=_said(portfolio))
    return portfolio


def close(
    *, portfolio_id: UUID, if_match_version: int | None = None, by: Actor, reason: str = ""
) -> Portfolio:
    """Close a portfolio that holds nothing: no booking any more, everything stays readable.

    `if_match_version` as in `update`. Raises Conflict (`positions_held`) while something is held.
    """
    return _put_away(portfolio_id, PortfolioStatus.CLOSED, if_match_version, reason, by)


def archive(
    *, portfolio_id: UUID, if_match_version: int | None = None, by: Actor, reason: str = ""
) -> Portfolio:
    """Put a portfolio away as it is, with what it holds; it can be read and reopened."""
    return _put_away(portfolio_id, PortfolioStatus.ARCHIVED, if_match_version, reason, by)


@transaction.atomic
def _put_away(
    portfolio_id: UUID, status: PortfolioStatus, version: int | None, reason: str, by: Actor
) -> Portfolio:
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _match(portfolio, version)
    if portfolio.status == status:
        return portfolio
    if status == PortfolioStatus.CLOSED:
        _check_flat(portfolio)
    action = "portfolio.close" if status == PortfolioStatus.CLOSED else "portfolio.archive"
    return _set_status(portfolio, status, action, reason, by)


@transaction.atomic
def reopen(
    *, portfolio_id: UUID, if_match_version: int | None = None, by: Actor, reason: str = ""
) -> Portfolio:
    """Take bookings again in a closed or archived portfolio.

    Raises Conflict while its account is closed, and when an open one has its name.
    """
    account_id = Portfolio.objects.filter(pk=portfolio_id).values_list("account_id").first()
    if account_id is None:
        raise NotFound("There is no such portfolio.")
    account = locking.lock_account(account_id[0])
    [portfolio] = locking.lock_portfolios(portfolio_id)
    _match(portfolio, if_match_version)
    if portfolio.status == PortfolioStatus.ACTIVE:
        return portfolio
    _check_account(account)
    try:
        _check_free_beside(portfolio, portfolio.name)
    except BadInput as error:
        raise Conflict(
            "An open portfolio has this name. Rename that one first.", code="name_taken"
        ) from error
    return _set_status(portfolio, PortfolioStatus.ACTIVE, "portfolio.reopen", reason, by)


def _set_status(
    portfolio: Portfolio, status: PortfolioStatus, action: str, reason: str, by: Actor
) -> Portfolio:
    before = {"status": portfolio.status}
    portfolio.status = status
    portfolio.closed_at = None if status == PortfolioStatus.ACTIVE else clock.now()
    portfolio.version += 1
    portfolio.save(update_fields=["status", "closed_at", "version", "updated_at"])
    after = {"status": status.value}
    _record(portfolio, action, by, before=before, after=after, reason=reason)
    return portfolio


def _check_flat(portfolio: Portfolio) -> None:
    held = portfolio.positions.exclude(quantity=Decimal(0)).count()
    if held:
        many = f"{held} positions are" if held > 1 else "1 position is"
        raise Conflict(
            f"{many} held. Sell or transfer them first, or archive the portfolio as it is.",
            code="positions_held",
            positions=held,
        )


def _check_account(account: Account) -> None:
    if account.status != AccountStatus.ACTIVE:
        raise Conflict("The account is closed. Reopen it first.", attr="account")


def _check_mode(portfolio: Portfolio, mode: str) -> None:
    """Holdings may become a ledger any day: openings stand for what was before. Not back."""
    if mode not in TrackingMode.values:
        raise BadInput("It is ledger or holdings.", attr="tracking_mode")
    traded = portfolio.entries.filter(kind=EntryKind.FILL)
    if mode == TrackingMode.HOLDINGS and traded.exists():
        raise Conflict(
            "Trades are booked here. Make another portfolio of holdings and transfer them.",
            code="trades_booked",
            attr="tracking_mode",
        )


def halt(*, portfolio_id: UUID, reason: str, by: Actor) -> Portfolio:
    """Stop trading in a portfolio; corrections stay possible."""
    return _set_state(portfolio_id, PortfolioState.HALTED, reason, "portfolio.halt", by)


def resume(*, portfolio_id: UUID, reason: str = "", by: Actor) -> Portfolio:
    """Let a halted portfolio trade again."""
    return _set_state(portfolio_id, PortfolioState.ACTIVE, reason, "portfolio.resume", by)


def move_to(*, portfolio: Portfolio, user: User) -> None:
    """Keep a locked portfolio among the accounts of its new owner. Raises Conflict."""
    _check_open(portfolio)
    same = Portfolio.objects.open().filter(
        name__iexact=portfolio.name, memberships__user=user, memberships__role=Role.OWNER
    )
    if same.exclude(pk=portfolio.pk).exists():
        raise Conflict(f"You have an open portfolio named {portfolio.name}. Rename it first.")
    portfolio.account = _account(user)
    portfolio.version += 1
    portfolio.save(update_fields=["account", "version", "updated_at"])


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
    if portfolio.status != PortfolioStatus.ACTIVE:
        raise Conflict(
            f"The portfolio is {portfolio.status}. Reopen it first.", code="portfolio_closed"
        )


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
