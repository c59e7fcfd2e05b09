"""AppConfig of marketdata."""

from django.apps import AppConfig


class MarketdataConfig(AppConfig):
    """What does the market say?"""

    name = "marketdata"
    verbose_name = "Market data"
