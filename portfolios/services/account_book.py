"""Accounts of a person: opened, changed, closed, reopened; each act is one audit line."""

from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, VersionMismatch
from portfolios.choices import AccountStatus, AccountType, PortfolioStatus
from portfolios.models import Account, Customer, User
from portfolios.services import locking

EDITABLE = ("name", "account_type")
MAX_ACCOUNTS = 50  # of one person, closed ones too
MAX_NAME = 120
CURRENCY = "USD"


@transaction.atomic
def open_account(
    *, user: User, name: str, account_type: str, currency: str = CURRENCY, by: Actor
) -> Account:
    """Open an account of a person. Raises BadInput with the field, Conflict for one too many."""
    cleaned = _checked({"name": name, "account_type": account_type})
    if currency != CURRENCY:
        raise BadInput("Accounts are kept in USD.", attr="currency")
    customer, _ = Customer.objects.get_or_create(
        user=user, defaults={"name": user.name or user.email, "email": user.email}
    )
    if customer.accounts.count() >= MAX_ACCOUNTS:
        raise Conflict(f"A person has at most {MAX_ACCOUNTS} accounts.", code="too_many")
    row = Account.objects.create(
        customer=customer, currency=currency, opened_at=clock.now(), **cleaned
    )
    _record(row, "account.open", by, after=_said(row))
    return row


@transaction.atomic
def update(
    *, account_id: UUID, changes: dict[str, Any], if_match_version: int | None = None, by: Actor
) -> Account:
    """Change name or type. Raises NotFound, BadInput, and VersionMismatch for a newer version."""
    row = locking.lock_account(account_id)
    _match(row, if_match_version)
    before = _said(row)
    for field, value in _checked(changes).items():
        setattr(row, field, value)
    _save(row)
    _record(row, "account.update", by, before=before, after=_said(row))
    return row


@transaction.atomic
def close(
    *, account_id: UUID, reason: str = "", if_match_version: int | None = None, by: Actor
) -> Account:
    """Close an account; it stays readable, with its closed portfolios.

    Raises Conflict (`portfolios_open`) while one of its portfolios is open.
    """
    row = locking.lock_account(account_id)
    _match(row, if_match_version)
    if row.status == AccountStatus.CLOSED:
        return row
    names = list(
        row.portfolios.filter(status=PortfolioStatus.ACTIVE).order_by("name").values_list("name")
    )
    if names:
        raise Conflict(
            f"{names[0][0]} is open in it. Close or archive its portfolios first.",
            code="portfolios_open",
            portfolios=len(names),
        )
    return _set_status(row, AccountStatus.CLOSED, "account.close", reason, by)


@transaction.atomic
def reopen(
    *, account_id: UUID, reason: str = "", if_match_version: int | None = None, by: Actor
) -> Account:
    """Open a closed account again."""
    row = locking.lock_account(account_id)
    _match(row, if_match_version)
    if row.status == AccountStatus.ACTIVE:
        return row
    return _set_status(row, AccountStatus.ACTIVE, "account.reopen", reason, by)


def _set_status(
    row: Account, status: AccountStatus, action: str, reason: str, by: Actor
) -> Account:
    before = {"status": row.status}
    row.status = status
    _save(row)
    _record(row, action, by, before=before, after={"status": status.value}, reason=reason)
    return row


def _checked(fields: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(fields) - set(EDITABLE))
    if unknown:
        raise BadInput(f"{unknown[0]} cannot be changed.", attr=unknown[0])
    if "name" in fields:
        fields = fields | {"name": " ".join(fields["name"].split())}
        if not 0 < len(fields["name"]) <= MAX_NAME:
            raise BadInput(f"A name has 1 to {MAX_NAME} characters.", attr="name")
    if fields.get("account_type", AccountType.PAPER) not in AccountType.values:
        raise BadInput(f"It is one of {', '.join(AccountType.values)}.", attr="account_type")
    return fields


def _match(row: Account, wanted: int | None) -> None:
    if wanted is not None and wanted != row.version:
        raise VersionMismatch("The account was changed since it was read.", version=row.version)


def _save(row: Account) -> None:
    row.version += 1
    row.save(update_fields=[*EDITABLE, "status", "version", "updated_at"])


def _said(row: Account) -> dict[str, Any]:
    return {field: getattr(row, field) for field in (*EDITABLE, "currency", "status")}


def _record(row: Account, action: str, by: Actor, **sides: Any) -> None:
    audit.record(by=by, action=action, object_type="account", object_id=row.pk, **sides)
