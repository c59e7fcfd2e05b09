"""Trailing stops: the rule, where each stop stands, what happened."""

from django.db import models

from etftrader.core.models import Entity, EstimateField, ExactField
from marketdata.models import Instrument
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.choices import StopEventKind, StopState


class StopLossRule(Entity):
    """How a portfolio's stops work; without a row the defaults hold."""

    portfolio = models.OneToOneField(Portfolio, models.PROTECT, related_name="+")
    enabled = models.BooleanField(default=True)
    mode = models.CharField(max_length=12, default="table")
    ratchet = models.BooleanField(default=True)

    objects = OwnedQuerySet.as_manager()

    def __str__(self) -> str:
        return f"stops of {self.portfolio_id} #{self.pk}"


class StopLossLevel(models.Model):
    """Where one position's stop stands after a close."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    side = models.CharField(max_length=5)  # long, short
    opened_on = models.DateField()
    entry = ExactField()
    extreme = ExactField()
    stop_price = ExactField()
    stop_fraction = EstimateField()
    close = ExactField(null=True, blank=True)
    distance = EstimateField(null=True, blank=True)  # of the close, negative once triggered
    vix = EstimateField(null=True, blank=True)
    regime = models.CharField(max_length=8)
    state = models.CharField(max_length=14, choices=StopState.choices)
    reason = models.CharField(max_length=40, blank=True)
    session_date = models.DateField()
    triggered_on = models.DateField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "instrument"], name="one_stop_per_position"
            )
        ]

    def __str__(self) -> str:
        return f"{self.instrument_id} {self.stop_price} {self.state} #{self.pk}"


class StopEvent(models.Model):
    """A change of a stop's state. Append-only."""

    id = models.BigAutoField(primary_key=True)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    instrument = models.ForeignKey(Instrument, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=10, choices=StopEventKind.choices)
    session_date = models.DateField()
    close = ExactField()
    stop_price = ExactField()
    vix = EstimateField(null=True, blank=True)
    regime = models.CharField(max_length=8)
    recorded_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "instrument", "session_date", "kind"],
                name="one_stop_event_per_close",
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.session_date} #{self.pk}"
