"""Choices of market data, stored as the API shows them."""

from django.db.models import TextChoices


class InstrumentKind(TextChoices):
    ETF = "etf"
    STOCK = "stock"
    INDEX = "index"
    OPTION = "option"
    BOND = "bond"
    FX = "fx"
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
    MODEL = "model"  # an option's value by its newest volatility, quoted by nobody


class Source(TextChoices):
    BUNDLED = "bundled"
    SIM = "SIM"  # a simulated path between two real closes
    CSV = "csv"
    YFINANCE = "yfinance"
    FRED = "fred"
    MANUAL = "manual"


class RefreshStatus(TextChoices):
    SUCCEEDED = "succeeded"
    DEGRADED = "degraded"
    FAILED = "failed"


class OptionRight(TextChoices):
    CALL = "call"
    PUT = "put"


class DayCount(TextChoices):
    """How interest is counted between coupon days, as the kernel names it."""

    ACT_ACT = "act/act", "act/act (ICMA)"
    THIRTY_360 = "30/360", "30/360"


class ExerciseStyle(TextChoices):
    AMERICAN = "american"
    EUROPEAN = "european"


class Settlement(TextChoices):
    PHYSICAL = "physical"
    CASH = "cash"


class VolSource(TextChoices):
    QUOTE = "quote"  # implied by the contract's own bid and ask
    SMILE = "smile"  # interpolated in strike between quoted contracts of the expiry
    BUNDLED_SMILE = "smile_2022_vix_scaled"
    HISTORICAL = "hist_vol"  # 60-day volatility of the underlying


class ActionKind(TextChoices):
    SPLIT = "split"
    DIVIDEND = "dividend"
    SYMBOL = "symbol_change"


class ActionStatus(TextChoices):
    PENDING = "pending"
    APPLIED = "applied"
    REJECTED = "rejected"


class QuarantineState(TextChoices):
    HELD = "held"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class UniverseKind(TextChoices):
    LIVE = "live"
    STRATEGY = "strategy"
