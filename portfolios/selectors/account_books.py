"""Accounts with the portfolios in them and what those add up to."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.choices import PortfolioStatus
from portfolios.models import Account, PortfolioSnapshot
from portfolios.selectors import portfolios
from portfolios.selectors.portfolios import Listed

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Kept:
    """One account; sums are of its open books that have a snapshot.

    They are None where none has one, and where those that have are kept in several currencies.
    """

    account: Account
    rows: tuple[Listed, ...]  # closed ones too

    @property
    def open(self) -> tuple[Listed, ...]:
        """Its open books."""
        return tuple(each for each in self.rows if each.portfolio.status == PortfolioStatus.ACTIVE)

    @property
    def unvalued(self) -> int:
        """Open books without a snapshot: in no sum."""
        return sum(each.snapshot is None for each in self.open)

    @property
    def currencies(self) -> list[str]:
        """Of the sums; more than one, and there are none."""
        valued = (each for each in self.open if each.snapshot is not None)
        return sorted({each.portfolio.base_currency for each in valued})

    @property
    def nav(self) -> Decimal | None:
        """Equity of its books."""
        return self._sum(lambda row: row.nav)

    @property
    def cash(self) -> Decimal | None:
        """Cash in its books."""
        return self._sum(lambda row: row.cash)

    @property
    def day_pnl(self) -> Decimal | None:
        """Gain of the session of the snapshots."""
        return self._sum(lambda row: row.daily_pnl)

    def _sum(self, read: Callable[[PortfolioSnapshot], Decimal]) -> Decimal | None:
        known = [read(each.snapshot) for each in self.open if each.snapshot is not None]
        return sum(known, ZERO) if known and len(self.currencies) == 1 else None


def visible(*, actor: Actor, until: date) -> list[Kept]:
    """Every account the actor may see, open ones first: five queries for any number."""
    accounts = Account.objects.for_actor(actor).select_related("customer")
    rows: dict[UUID, list[Listed]] = {}
    for each in portfolios.visible(actor=actor, until=until, closed=True):
        rows.setdefault(each.portfolio.account_id, []).append(each)
    ordered = accounts.order_by("status", "name", "pk")
    return [Kept(each, tuple(rows.get(each.pk, ()))) for each in ordered]


def one(*, actor: Actor, account_id: UUID, until: date) -> Kept:
    """One of them. Raises NotFound."""
    account = Account.objects.for_actor(actor).filter(pk=account_id).first()
    if account is None:
        raise NotFound("There is no such account.")
    found = portfolios.visible(actor=actor, until=until, closed=True)
    return Kept(account, tuple(each for each in found if each.portfolio.account_id == account_id))
