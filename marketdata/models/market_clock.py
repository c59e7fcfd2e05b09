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
    # another value with every change of a session override: who reads the clock sees that
    calendar_stamp = models.UUIDField(null=True, blank=True)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="there_is_one_clock")]

    def __str__(self) -> str:
        return f"{self.as_of:%Y-%m-%d %H:%M} #{self.pk}"


class SessionOverride(models.Model):
    """A day on which the exchange differs from the shipped calendar."""

    id = models.BigAutoField(primary_key=True)
    exchange = models.CharField(max_length=8, default="XNYS")
    date = models.DateField()
    closed = models.BooleanField(default=False)
    closes_at = models.TimeField(null=True, blank=True)  # of an early close, New York
    reason = models.CharField(max_length=120)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["exchange", "date"], name="override_once"),
            models.CheckConstraint(
                condition=models.Q(closed=True, closes_at__isnull=True)
                | models.Q(closed=False, closes_at__isnull=False),
                name="override_closes_or_shortens",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.date} {'closed' if self.closed else self.closes_at} #{self.pk}"
