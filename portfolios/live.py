"""What the books tell open pages: ids, days and addresses; the figures stand where they lead."""

from datetime import date
from uuid import UUID

from django.urls import reverse

from etftrader.core import push
from portfolios.models import ImportBatch


def publish_snapshot(portfolio_id: UUID, session_date: date) -> None:
    """Say that a book was valued, or valued again, up to the close of a session."""
    told = {
        "session_date": session_date.isoformat(),
        "url": reverse("performance", args=[portfolio_id]),
    }
    push.publish(f"portfolio.{portfolio_id}.analytics", "snapshot.created", told)


def publish_import(batch: ImportBatch) -> None:
    """Tell who brought a file what became of it."""
    told = {
        "id": str(batch.pk),
        "status": str(batch.status),
        "url": reverse("import_detail", args=[batch.pk]),
    }
    push.publish(f"user.{batch.user_id}.notices", "import.finished", told)
