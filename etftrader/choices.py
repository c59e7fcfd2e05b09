"""Choices of the roof, stored as the API shows them."""

from django.db.models import TextChoices


class ReportKind(TextChoices):
    """What a report is about."""

    TEAR_SHEET = "tear_sheet", "Tear sheet"
    POSITIONS = "positions", "Positions"
    TRADES = "trades", "Trades"
    TAX_YEAR = "tax_year", "Closed lots of a tax year"
    INCOME = "income", "Income"
    ARCHIVE = "archive", "Full archive"


class ReportFormat(TextChoices):
    """What a report is written as."""

    HTML = "html", "HTML"
    PDF = "pdf", "PDF"
    CSV = "csv", "CSV"
    XLSX = "xlsx", "XLSX"
    JSON = "json", "JSON"


class ReportStatus(TextChoices):
    """How far a report is."""

    QUEUED = "queued"
    READY = "ready"
    FAILED = "failed"
    EXPIRED = "expired"  # its file is gone; it can be made again with the inputs kept


class Cadence(TextChoices):
    """When a scheduled report is made: after the last close of each."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
