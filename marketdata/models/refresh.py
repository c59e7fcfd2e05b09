"""What was fetched, when, from where; what was missing, and what was not believed."""

from django.db import models

from etftrader.core.models import Entity, SharedQuerySet
from marketdata.choices import PriceBasis, QuarantineState, RefreshStatus, Source
from marketdata.models.instrument import Instrument


class DataRefresh(models.Model):
    """One fetch of one dataset for one session."""

    id = models.BigAutoField(primary_key=True)
    dataset = models.CharField(max_length=24)  # daily_bars, yields, vix, covariance …
    source = models.CharField(max_length=24)
    session_date = models.DateField()
    status = models.CharField(max_length=10, choices=RefreshStatus.choices)
    expected = models.PositiveIntegerField()
    received = models.PositiveIntegerField()
    written = models.PositiveIntegerField(default=0)
    missing = models.JSONField(default=list)  # symbols
    error = models.CharField(max_length=300, blank=True)
    run_id = models.UUIDField(null=True, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()

    objects = SharedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["dataset", "-finished_at"], name="newest_refresh")]

    def __str__(self) -> str:
        return f"{self.dataset} {self.session_date} {self.status} #{self.pk}"


class QuarantinedPrice(Entity):
    """A price that was held back, raw as it came, until a person says what it is."""

    instrument = models.ForeignKey(
        Instrument, models.CASCADE, null=True, blank=True, related_name="quarantined"
    )
    symbol = models.CharField(max_length=32)  # as the source wrote it
    dataset = models.CharField(max_length=24)  # daily_bars, quotes, yields
    session_date = models.DateField()
    as_of = models.DateTimeField(null=True, blank=True)
    source = models.CharField(max_length=12, choices=Source.choices)
    price_basis = models.CharField(max_length=12, choices=PriceBasis.choices, blank=True)
    raw = models.JSONField()  # the row, figures as text
    value = models.CharField(max_length=40)  # the figure in doubt, as text
    compared_with = models.CharField(max_length=40, blank=True)  # what it was held against
    reason = models.CharField(max_length=24)
    state = models.CharField(
        max_length=10, choices=QuarantineState.choices, default=QuarantineState.HELD
    )
    times_seen = models.PositiveIntegerField(default=1)
    decided_by = models.UUIDField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)
    run_id = models.UUIDField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["symbol", "dataset", "session_date", "source", "value"],
                name="doubt_once",
            )
        ]
        indexes = [models.Index(fields=["state", "-created_at"], name="quarantine_open")]

    def __str__(self) -> str:
        return f"{self.symbol} {self.session_date} {self.reason} #{self.pk}"
