"""The roof's tables, and those of the ground floor, which Django finds here."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from etftrader.choices import Cadence, ReportFormat, ReportKind, ReportStatus
from etftrader.core.models import Entity
from etftrader.core.records import AuditEvent, IdempotencyKey, JobRun, OutboxEvent
from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet

__all__ = [
    "AuditEvent",
    "IdempotencyKey",
    "JobRun",
    "OutboxEvent",
    "ReportFile",
    "ReportRun",
    "ReportSchedule",
]


class ReportSchedule(Entity):
    """A report that is made again after the last close of each week, month or quarter."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, choices=ReportKind.choices)
    file_format = models.CharField(max_length=4, choices=ReportFormat.choices)
    cadence = models.CharField(max_length=9, choices=Cadence.choices)
    enabled = models.BooleanField(default=True)
    last_session = models.DateField(null=True, blank=True)  # of the last report it made

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "made_by", "kind", "file_format", "cadence"],
                name="a_report_is_scheduled_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.cadence} {self.kind} #{self.pk}"


class ReportRun(Entity):
    """One report: what was asked for, how far it is, what came of it."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    schedule = models.ForeignKey(
        ReportSchedule, models.SET_NULL, null=True, blank=True, related_name="reports"
    )
    kind = models.CharField(max_length=12, choices=ReportKind.choices)
    file_format = models.CharField(max_length=4, choices=ReportFormat.choices)
    start = models.DateField(null=True, blank=True)  # None: since the book was opened
    end = models.DateField()  # the session its figures are of
    status = models.CharField(
        max_length=7, choices=ReportStatus.choices, default=ReportStatus.QUEUED
    )
    reason = models.CharField(max_length=40, blank=True)  # of a failure
    detail = models.CharField(max_length=300, blank=True)
    job = models.UUIDField(null=True, blank=True)
    size = models.PositiveIntegerField(null=True, blank=True)  # bytes
    checksum = models.CharField(max_length=64, blank=True)  # SHA-256 of the file
    finished_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["schedule", "end"],
                condition=Q(schedule__isnull=False),
                name="one_report_a_session_of_a_schedule",
            )
        ]
        indexes = [models.Index(fields=["portfolio", "-created_at"], name="newest_reports")]

    def __str__(self) -> str:
        return f"{self.kind} {self.end} {self.file_format} #{self.pk}"


class ReportFileQuerySet(OwnedQuerySet):
    """Files of reports."""

    portfolio_path = "report__portfolio"


class ReportFile(models.Model):
    """What was written. In the database: there with its report or not at all, and in its backup."""

    report = models.OneToOneField(ReportRun, models.CASCADE, related_name="file", primary_key=True)
    data = models.BinaryField()

    objects = ReportFileQuerySet.as_manager()

    def __str__(self) -> str:
        return f"file of {self.report_id}"
