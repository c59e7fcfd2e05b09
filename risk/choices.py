"""Choices of risk, stored as the API shows them."""

from django.db.models import TextChoices


class CovarianceKind(TextChoices):
    DAILY = "daily"
    STRESSED = "stressed"


class Method(TextChoices):
    PARAMETRIC_EWMA = "parametric_ewma"
    STRESSED = "stressed"


class Measure(TextChoices):
    VAR = "var"
    POSITION_WEIGHT = "position_weight"
    GROSS = "gross"
    DAILY_LOSS = "daily_loss"


class Family(TextChoices):
    MODEL = "model"
    STRESSED = "stressed"
    NONE = ""


class Unit(TextChoices):
    CURRENCY = "currency"
    FRACTION = "fraction"  # of equity


class LimitState(TextChoices):
    WITHIN = "within"
    WATCH = "watch"
    BREACH = "breach"
    UNKNOWN = "unknown"


class AlertKind(TextChoices):
    LIMIT = "limit"
    STOP = "stop"
    BOOKS = "books"
    DATA = "data"


class Severity(TextChoices):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class AlertState(TextChoices):
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class StopState(TextChoices):
    ARMED = "armed"
    NEAR = "near"
    TRIGGERED = "triggered"
    NOT_EVALUATED = "not_evaluated"


class StopEventKind(TextChoices):
    WARNING = "warning"
    TRIGGERED = "triggered"
    CLEARED = "cleared"


class CheckStatus(TextChoices):
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    UNAVAILABLE = "UNAVAILABLE"
