"""AppConfig of portfolios."""

from django.apps import AppConfig


class PortfoliosConfig(AppConfig):
    """What do we hold, and what is it worth?"""

    name = "portfolios"
    verbose_name = "Portfolios"
