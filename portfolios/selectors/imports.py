"""Imports an actor may see."""

from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.records import OPEN, JobRun
from portfolios.calculations.csv_layout import SAMPLES
from portfolios.constants import Action
from portfolios.models import ImportBatch, ImportRow, Portfolio

BOOKING = "portfolios.commit_import"
UNDOING = "portfolios.undo_import"


def batches(*, actor: Actor, portfolio_id: UUID | None = None) -> Any:
    """Return imports, newest first; `may_trade` is for buttons, the door asks again."""
    rows = ImportBatch.objects.for_actor(actor, Action.VIEW).select_related("portfolio", "user")
    mine = Portfolio.objects.for_actor(actor, Action.TRADE).filter(pk=OuterRef("portfolio"))
    rows = rows.annotate(may_trade=Exists(mine))
    if portfolio_id is not None:
        rows = rows.filter(portfolio_id=portfolio_id)
    return rows.order_by("-created_at", "-pk")


def find(*, actor: Actor, import_id: UUID) -> ImportBatch:
    """Return one import. Raises NotFound for a stranger's as for a missing one."""
    found = batches(actor=actor).filter(pk=import_id).first()
    if found is None:
        raise NotFound("There is no such import.")
    return found


def row(*, batch: ImportBatch, ordinal: int) -> ImportRow:
    """Return the row that begins on a line of the file. Raises NotFound."""
    found = batch.rows.filter(ordinal=ordinal).first()
    if found is None:
        raise NotFound("There is no such row.")
    return found


def at_work(batch: ImportBatch) -> JobRun | None:
    """Return the job that books a long file or takes it back, while it waits or runs."""
    mine = JobRun.objects.filter(job__in=(BOOKING, UNDOING), inputs__batch_id=str(batch.pk))
    runs = mine.filter(status__in=OPEN)
    return runs.order_by("created_at", "pk").first()


def samples(batch: ImportBatch) -> list[list[str]]:
    """The first values of each column, in the order of the header."""
    rows = [each.raw for each in batch.rows.order_by("ordinal")[:SAMPLES]]
    width = len(batch.dialect["header"])
    return [[raw[place] for raw in rows if place < len(raw)] for place in range(width)]
