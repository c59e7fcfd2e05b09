"""Splits, dividends and new symbols, each applied once."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, ExactField, SharedQuerySet
from marketdata.choices import ActionKind, ActionStatus, Source
from marketdata.models.instrument import Instrument


class CorporateAction(Entity):
    """One event of one instrument. Bars and books are changed in the run that marks it applied."""

    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="actions")
    kind = models.CharField(max_length=14, choices=ActionKind.choices)
    ex_date = models.DateField()
    pay_date = models.DateField(null=True, blank=True)
    ratio = ExactField(null=True, blank=True)  # new shares per old share
    amount = ExactField(null=True, blank=True)  # dollars a share before tax
    new_symbol = models.CharField(max_length=32, blank=True)
    source = models.CharField(max_length=12, choices=Source.choices)
    status = models.CharField(
        max_length=10, choices=ActionStatus.choices, default=ActionStatus.PENDING
    )
    applied_at = models.DateTimeField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instrument", "kind", "ex_date"], name="action_once"),
            models.CheckConstraint(
                condition=Q(kind="split", ratio__gt=0)
                | Q(kind="dividend", amount__gt=0)
                | Q(kind="symbol_change", new_symbol__gt=""),
                name="action_has_its_figure",
            ),
        ]
        indexes = [models.Index(fields=["status", "ex_date"], name="actions_to_apply")]

    def __str__(self) -> str:
        return f"{self.kind} {self.ex_date} #{self.pk}"
