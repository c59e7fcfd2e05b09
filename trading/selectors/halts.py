"""Whether trading is stopped for everybody."""

from django.db.models import QuerySet

from trading.models import TradingHalt


def in_force() -> TradingHalt | None:
    """Return the open halt, if there is one."""
    return open_rows().order_by("created_at", "pk").first()


def open_rows() -> QuerySet[TradingHalt]:
    """The open halts: one or none."""
    return TradingHalt.objects.filter(ended_at__isnull=True)
