"""The document behind a cash booking."""

import uuid

from django.conf import settings
from django.db import models

from etftrader.core.models import ExactField
from portfolios.choices import CashType
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class CashTransaction(models.Model):
    """A deposit, withdrawal or fee. Append-only: a correction is a reversal."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="cash_transactions")
    type = models.CharField(max_length=12, choices=CashType.choices)
    amount = ExactField()  # signed: what the cash balance changed by
    currency = models.CharField(max_length=3)
    external_flow = models.BooleanField()
    session_date = models.DateField()
    ledger_seq = models.PositiveIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    reverses = models.OneToOneField(
        "self", models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.type} {self.amount} #{self.pk}"
