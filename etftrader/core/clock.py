"""The only reader of the wall clock. Rules about prices ask the market clock instead."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    return datetime.now(UTC)
