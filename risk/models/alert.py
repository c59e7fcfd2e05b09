"""What asked for attention: raised once, acknowledged, resolved."""

from typing import Self
from uuid import UUID

from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity, EstimateField
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import AlertKind, AlertState, Severity


class AlertQuerySet(OwnedQuerySet):
    """Alerts."""

    def of_book(self, portfolio_id: UUID | None) -> Self:
        """Those of one portfolio, or without one those of the house."""
        if portfolio_id is None:
            return self.filter(portfolio__isnull=True)
        return self.filter(portfolio_id=portfolio_id)


class Alert(Entity):
    """One condition. While it lasts it is this row; `number` counts the channel's changes.

    Without a portfolio it concerns the house: staff that reads every book sees it, nobody else.
    """

    portfolio = models.ForeignKey(
        Portfolio, models.PROTECT, null=True, blank=True, related_name="+"
    )
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

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "key"],
                condition=~Q(state="resolved"),
                name="a_condition_is_raised_once",
            ),
            models.UniqueConstraint(
                fields=["key"],
                condition=Q(portfolio__isnull=True) & ~Q(state="resolved"),
                name="a_condition_of_the_house_is_raised_once",
            ),
        ]
        indexes = [models.Index(fields=["portfolio", "number"], name="alerts_by_number")]

    def __str__(self) -> str:
        return f"{self.title} {self.state} #{self.pk}"
