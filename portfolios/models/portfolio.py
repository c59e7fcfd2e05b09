"""A portfolio: its mode, its cash, the head of its ledger, its state."""

from django.db import models

from etftrader.core.models import Entity, ExactField
from portfolios.choices import PortfolioState, PortfolioStatus, TrackingMode
from portfolios.models.customer import Account
from portfolios.models.owned import OwnedQuerySet


class PortfolioQuerySet(OwnedQuerySet):
    """Portfolios themselves."""

    portfolio_path = ""

    def open(self) -> "PortfolioQuerySet":
        """Those that are not closed."""
        return self.filter(status=PortfolioStatus.ACTIVE)


class Portfolio(Entity):
    """One book. `cash`, `ledger_seq` and the hash are running totals, the ledger's to write."""

    account = models.ForeignKey(Account, models.PROTECT, related_name="portfolios")
    name = models.CharField(max_length=120)
    description = models.CharField(max_length=300, blank=True)
    notes = models.TextField(blank=True, max_length=20_000)
    base_currency = models.CharField(max_length=3, default="USD")
    tracking_mode = models.CharField(
        max_length=8, choices=TrackingMode.choices, default=TrackingMode.LEDGER
    )
    is_paper = models.BooleanField(default=True)
    status = models.CharField(
        max_length=8, choices=PortfolioStatus.choices, default=PortfolioStatus.ACTIVE
    )
    state = models.CharField(
        max_length=8, choices=PortfolioState.choices, default=PortfolioState.ACTIVE
    )
    state_reason = models.CharField(max_length=300, blank=True)
    allow_short = models.BooleanField(default=False)
    whole_shares = models.BooleanField(default=True)
    opened_on = models.DateField(null=True, blank=True)  # session of the first booking
    closed_at = models.DateTimeField(null=True, blank=True)
    cash = ExactField(default=0)
    ledger_seq = models.PositiveIntegerField(default=0)
    ledger_hash = models.CharField(max_length=64, default="0" * 64)
    order_events = models.PositiveIntegerField(default=0)  # numbers of the orders channel
    alert_events = models.PositiveIntegerField(default=0)  # numbers of the alerts channel

    objects = PortfolioQuerySet.as_manager()

    class Meta:
        constraints = [
            # shorts bring cash; without margin rules for debit balances cash never goes below 0
            models.CheckConstraint(condition=models.Q(cash__gte=0), name="cash_is_not_negative")
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"
