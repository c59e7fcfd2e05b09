"""Lists of portfolios with what is known of each."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q

from etftrader.core.actor import Actor
from portfolios.models import Membership, Portfolio, PortfolioSnapshot
from portfolios.selectors import snapshots


@dataclass(frozen=True, slots=True)
class Listed:
    """One portfolio of a list, its newest snapshot and the asker's part in it."""

    portfolio: Portfolio
    snapshot: PortfolioSnapshot | None
    role: str
    positions: int


def visible(*, actor: Actor, until: date, closed: bool = False) -> list[Listed]:
    """Portfolios the actor may see, by name: four queries for any number."""
    if actor.user_id is None:
        return []
    rows: Any = Portfolio.objects.for_actor(actor).select_related("account__customer")
    if not closed:
        rows = rows.open()
    held = Count("positions", filter=~Q(positions__quantity=0))
    found = list(rows.annotate(held=held).order_by("name", "pk"))
    newest = snapshots.latest_of(portfolio_ids=[each.pk for each in found], until=until)
    roles = dict(
        Membership.objects.filter(
            user_id=actor.user_id, revoked_at__isnull=True, portfolio__in=found
        ).values_list("portfolio_id", "role")
    )
    return [
        Listed(each, newest.get(each.pk), roles.get(each.pk, "staff"), each.held) for each in found
    ]
