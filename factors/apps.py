"""AppConfig of factors."""

from django.apps import AppConfig


class FactorsConfig(AppConfig):
    """What drives the returns?"""

    name = "factors"
    verbose_name = "Factors"
