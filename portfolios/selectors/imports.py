"""Imports an actor may see."""

from typing import Any
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from portfolios.constants import Action
from portfolios.models import ImportBatch


def batches(*, actor: Actor, portfolio_id: UUID | None = None) -> Any:
    """Return imports, newest first."""
    rows = ImportBatch.objects.for_actor(actor, Action.VIEW).select_related("portfolio", "user")
    if portfolio_id is not None:
        rows = rows.filter(portfolio_id=portfolio_id)
    return rows.order_by("-created_at", "-pk")


def find(*, actor: Actor, import_id: UUID) -> ImportBatch:
    """Return one import. Raises NotFound for a stranger's as for a missing one."""
    found = batches(actor=actor).filter(pk=import_id).first()
    if found is None:
        raise NotFound("There is no such import.")
    return found
