"""The books: balanced legs, dense numbers, each booking hash-linked to the one before."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import ExactField
from marketdata.models import Instrument
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class LedgerEntry(models.Model):
    """One leg of one booking. Append-only: a correction is a reversing booking."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="entries")
    seq = models.PositiveIntegerField()
    leg = models.PositiveSmallIntegerField()
    kind = models.CharField(max_length=12, choices=EntryKind.choices)
    account = models.CharField(max_length=8, choices=LedgerAccount.choices)
    instrument = models.ForeignKey(
        Instrument, models.PROTECT, null=True, blank=True, related_name="+"
    )
    currency = models.CharField(max_length=3, blank=True)
    amount = ExactField()
    # what turned prices into the book's money; null where both are in the same currency
    exchange_rate = ExactField(null=True, blank=True, places=12)
    source = models.CharField(max_length=120)  # what caused it: trade:<id>, import:<id>:<row>
    session_date = models.DateField()
    booked_at = models.DateTimeField()
    reason = models.CharField(max_length=300, blank=True)
    previous_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["portfolio", "seq", "leg"], name="ledger_seq_once"),
            models.UniqueConstraint(fields=["portfolio", "source", "leg"], name="booked_once"),
            models.CheckConstraint(
                condition=Q(instrument__isnull=True, currency__gt="")
                | Q(instrument__isnull=False, currency=""),
                name="one_unit_per_leg",
            ),
        ]
        indexes = [models.Index(fields=["portfolio", "session_date"], name="ledger_of_session")]

    def __str__(self) -> str:
        return f"{self.portfolio_id} {self.seq}.{self.leg} {self.amount} #{self.pk}"
