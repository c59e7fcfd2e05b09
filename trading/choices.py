"""Choices of orders and trades, stored as the API shows them."""

from django.db.models import TextChoices


class Side(TextChoices):
    BUY = "buy"
    SELL = "sell"


class OrderType(TextChoices):
    MARKET = "market"


class TimeInForce(TextChoices):
    DAY = "day"


class OrderState(TextChoices):
    ACCEPTED = "accepted"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    BUSTED = "busted"


class OrderSource(TextChoices):
    USER = "user"
    DEMO = "demo"


class PriceSource(TextChoices):
    SIM = "SIM"  # a simulated minute between two real closes
    CLOSE = "close"  # a real close
    BOOKED = "booked"  # a historical fill entered at its price
