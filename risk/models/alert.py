"""What asked for attention: raised once, acknowledged, resolved."""

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, EstimateField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import AlertKind, AlertState, Severity


class Alert(Entity):
    """One condition. While it lasts it is this row; `number` counts the channel's changes."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=8, choices=AlertKind.choices)
    key = models.CharField(max_length=120)  # what makes it the same condition
    severity = models.CharField(max_length=8, choices=Severity.choices)
    state = models.CharField(max_length=12, choices=AlertState.choices, default=AlertState.OPEN)
    title = models.CharField(max_length=160)
    detail = models.CharField(max_length=500, blank=True)
    symbol = models.CharField(max_length=32, blank=True)
    measured = EstimateField(null=True, blank=True)
    threshold = EstimateField(null=True, blank=True)
    unit = models.CharField(max_length=12, blank=True)
    simulated = models.BooleanField(default=False)  # raised on simulated minutes
    session_date = models.DateField()
    first_seen = models.DateTimeField()  # market clock
    last_seen = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    number = models.PositiveIntegerField()
    acknowledged_by = models.UUIDField(null=True, blank=True)
    acknowledged_label = models.CharField(max_length=254, blank=True)
    acknowledged_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=500, blank=True)
    resolved_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "key"],
                condition=~Q(state="resolved"),
                name="a_condition_is_raised_once",
            )
        ]
        indexes = [models.Index(fields=["portfolio", "number"], name="alerts_by_number")]

    def __str__(self) -> str:
        return f"{self.title} {self.state} #{self.pk}"
