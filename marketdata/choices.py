"""Choices of market data, stored as the API shows them."""

from django.db.models import TextChoices


class InstrumentKind(TextChoices):
    ETF = "etf"
    STOCK = "stock"
    INDEX = "index"
    PRIVATE = "private_fund"


class Pricing(TextChoices):
    AUTO = "auto"  # a provider
    MANUAL = "manual"  # the owner's valuation


class PriceBasis(TextChoices):
    CLOSE = "close"  # split-adjusted, dividends not included
    ADJUSTED = "adjusted"  # dividends reinvested
    INDEX_LEVEL = "index_level"
    MANUAL = "manual"


class PriceClass(TextChoices):
    LIVE = "live"
    DELAYED = "delayed"
    EOD = "eod"
    STALE = "stale"
    SUSPECT = "suspect"
    MANUAL = "manual"


class Source(TextChoices):
    BUNDLED = "bundled"
    SIM = "SIM"  # a simulated path between two real closes
    MANUAL = "manual"


class RefreshStatus(TextChoices):
    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"
    FAILED = "failed"
