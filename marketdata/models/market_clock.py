"""The replay clock: which session it is under bundled history."""

from django.db import models

from etftrader.core.models import SharedQuerySet


class ReplayClock(models.Model):
    """One row. Moved by one service, compare-and-set on `revision`."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    start = models.DateField()
    session_date = models.DateField()  # the last session whose close is known
    as_of = models.DateTimeField()  # the moment, UTC
    playing = models.DateField(null=True, blank=True)  # the session whose bars are running
    bar = models.PositiveSmallIntegerField(default=0)  # bars shown of that session
    round = models.PositiveIntegerField(default=1)  # raised when history starts over
    revision = models.PositiveIntegerField(default=1)
    moved_by = models.CharField(max_length=254, blank=True)
    moved_at = models.DateTimeField()

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_clock")
        ]

    def __str__(self) -> str:
        return f"{self.as_of:%Y-%m-%d %H:%M} #{self.pk}"
