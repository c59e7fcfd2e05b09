"""AppConfig of trading."""

from django.apps import AppConfig


class TradingConfig(AppConfig):
    """What should we do, and what did we do?"""

    name = "trading"
    verbose_name = "Trading"
