"""What was fetched, when, from where, and what was missing."""

from django.db import models

from etftrader.core.models import SharedQuerySet
from marketdata.choices import RefreshStatus


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
