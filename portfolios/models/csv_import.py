"""Files people bring: the batch, and every row with its verdict."""

from django.conf import settings
from django.db import models

from etftrader.core.models import Entity, PersonalQuerySet, SharedQuerySet
from portfolios.choices import Duplicates, ImportStatus, RowVerdict
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class ImportBatch(Entity):
    """One checked file; the same file twice changes nothing."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="imports")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    kind = models.CharField(max_length=12, default="positions")
    file_name = models.CharField(max_length=200)
    file_hash = models.CharField(max_length=64)
    dialect = models.JSONField(default=dict)  # delimiter, encoding, header row, decimal comma
    status = models.CharField(
        max_length=10, choices=ImportStatus.choices, default=ImportStatus.CHECKED
    )
    counts = models.JSONField(default=dict)  # verdict -> rows
    problems = models.JSONField(default=list)  # of the file as a whole
    totals = models.JSONField(default=dict)  # of the portfolio, before and after
    duplicates = models.CharField(max_length=6, choices=Duplicates.choices, default=Duplicates.SKIP)
    session_date = models.DateField()
    committed_at = models.DateTimeField(null=True, blank=True)
    undone_at = models.DateTimeField(null=True, blank=True)
    undo_reason = models.CharField(max_length=300, blank=True)
    result = models.JSONField(default=dict)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["portfolio", "file_hash"], name="import_by_file")]

    def __str__(self) -> str:
        return f"{self.file_name} {self.status} #{self.pk}"


class ImportRowQuerySet(OwnedQuerySet):
    """Rows of imports."""

    portfolio_path = "batch__portfolio"


class ImportRow(models.Model):
    """One row as it stood in the file, what was understood, and what is wrong with it."""

    id = models.BigAutoField(primary_key=True)
    batch = models.ForeignKey(ImportBatch, models.CASCADE, related_name="rows")
    ordinal = models.PositiveIntegerField()  # line number in the file
    raw = models.JSONField()
    parsed = models.JSONField(null=True, blank=True)
    fingerprint = models.CharField(max_length=64, blank=True)
    verdict = models.CharField(max_length=10, choices=RowVerdict.choices)
    messages = models.JSONField(default=list)  # {field, code, detail, hint}
    source = models.CharField(max_length=120, blank=True)  # of the booking, once there is one
    fixed = models.JSONField(default=dict)  # field -> what a person wrote instead
    decision = models.CharField(max_length=6, choices=Duplicates.choices, blank=True)
    version = models.PositiveIntegerField(default=1)

    objects = ImportRowQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["batch", "ordinal"], name="one_verdict_per_row")
        ]

    def __str__(self) -> str:
        return f"row {self.ordinal} {self.verdict} #{self.pk}"


class ImportMapping(Entity):
    """Which column is which field, as a person chose for files with this header."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    kind = models.CharField(max_length=12)
    header_hash = models.CharField(max_length=64)
    columns = models.JSONField()  # field -> place of the column
    decimal_comma = models.BooleanField(null=True, blank=True)  # found out where it is null

    objects = PersonalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "kind", "header_hash"], name="mapping_once_per_header"
            )
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"


class ImportAlias(models.Model):
    """Another name of a field, as brokers write it."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=12)
    alias = models.CharField(max_length=60)  # lower case, one blank between words
    field = models.CharField(max_length=24)

    objects = SharedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "alias"], name="alias_once_per_kind")
        ]

    def __str__(self) -> str:
        return f"{self.alias} is {self.field} #{self.pk}"
