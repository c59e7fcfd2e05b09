"""Whether trading is stopped for everybody."""

from trading.models import TradingHalt


def in_force() -> TradingHalt | None:
    """Return the open halt, if there is one."""
    return TradingHalt.objects.filter(ended_at__isnull=True).order_by("created_at", "pk").first()
