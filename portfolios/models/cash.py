"""The documents behind bookings of cash and of transfers."""

import uuid
from typing import Self

from django.conf import settings
from django.db import models

from etftrader.core.actor import Actor
from etftrader.core.models import ExactField
from marketdata.models import Instrument
from portfolios.choices import CashType
from portfolios.constants import Action
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class CashTransaction(models.Model):
    """A deposit, withdrawal, fee or the like. Append-only: a correction is a reversal."""

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


class TransferQuerySet(OwnedQuerySet):
    """Transfers: seen from either side."""

    def for_actor(self, actor: Actor, action: str = Action.VIEW) -> Self:
        """Those with a side the actor may do this in."""
        seen = Portfolio.objects.for_actor(actor, action).values("pk")
        return self.filter(models.Q(origin__in=seen) | models.Q(target__in=seen))


class Transfer(models.Model):
    """Cash or a holding that went from one book to another. Append-only.

    Both sides are booked under `transfer:<id>`, as external flows of `amount`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    origin = models.ForeignKey(Portfolio, models.PROTECT, related_name="transfers_out")
    target = models.ForeignKey(Portfolio, models.PROTECT, related_name="transfers_in")
    instrument = models.ForeignKey(
        Instrument, models.PROTECT, null=True, blank=True, related_name="+"
    )
    quantity = ExactField(null=True, blank=True)  # signed, as held; null for cash
    price = ExactField(null=True, blank=True)
    amount = ExactField()  # market value, signed like the quantity; or cash
    cost_basis = ExactField(null=True, blank=True)  # that went along
    currency = models.CharField(max_length=3)
    session_date = models.DateField()
    origin_seq = models.PositiveIntegerField()
    target_seq = models.PositiveIntegerField()
    reason = models.CharField(max_length=300, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~models.Q(origin=models.F("target")), name="transfer_between_two"
            )
        ]

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} #{self.pk}"
