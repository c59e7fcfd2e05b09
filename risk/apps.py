"""AppConfig of risk."""

from django.apps import AppConfig


class RiskConfig(AppConfig):
    """How much can it lose?"""

    name = "risk"
    verbose_name = "Risk"
