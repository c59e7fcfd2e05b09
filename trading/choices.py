"""Choices of orders and trades, stored as the API shows them."""

from django.db.models import TextChoices


class Side(TextChoices):
    BUY = "buy"
    SELL = "sell"


class OrderType(TextChoices):
    MARKET = "market"
    LIMIT = "limit"
    STOP = "stop"
    STOP_LIMIT = "stop_limit", "Stop-limit"
    MARKET_ON_CLOSE = "market_on_close", "Market on close"


class TimeInForce(TextChoices):
    DAY = "day"
    GTC = "gtc", "Good till cancelled"


class OrderState(TextChoices):
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BUSTED = "busted"


class BasketKind(TextChoices):
    BASKET = "basket"
    SPREAD = "spread", "Option spread"


class SpreadName(TextChoices):
    VERTICAL = "vertical"
    STRADDLE = "straddle"
    STRANGLE = "strangle"
    CALENDAR = "calendar"
    CUSTOM = "custom", "Custom spread"


class BasketState(TextChoices):
    """Where the orders of a basket stand together."""

    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BUSTED = "busted"
    ENDED = "ended"  # its orders ended in different ways


class OrderSource(TextChoices):
    USER = "user"
    DEMO = "demo"
    IMPORT = "import"  # a fill that a file has brought


class PriceSource(TextChoices):
    SIM = "SIM"  # a simulated minute between two real closes
    QUOTE = "quote"  # a live quote
    CLOSE = "close"  # a real close
    OPEN = "open"  # a real open
    RANGE = "range"  # a price between a real high and low
    BOOKED = "booked"  # a historical fill entered at its price


class CostPreset(TextChoices):
    DEFAULT = "default", "Default"
    SIMPLE = "simple", "Simple, 5 bp"
    ZERO = "zero", "No costs"
    OPTIONS = "options", "Options, 0.65 a contract"
    CUSTOM = "custom", "Own figures"
