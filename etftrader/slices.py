"""What the runs of a step are about: the session as a whole, or slices of portfolios."""

from datetime import date
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Q, QuerySet

from etftrader.core.records import JobRun
from etftrader.schedule import Step
from marketdata.selectors import sessions
from marketdata.selectors.sessions import Moment
from portfolios.models import Portfolio

POSITIONS = 1000  # a run of a portfolio step holds about so many


def scopes(step: Step, session_date: date) -> dict[str, list[UUID]]:
    """The scopes of a step's runs, each with its portfolios; none for a step of the session.

    A session keeps the slices it was first cut into; who came later makes further ones.
    """
    prefix = round_name()
    if step.per == "session":
        return {f"{prefix}all": []}
    rest = set(_books(step).values_list("pk", flat=True))
    cut: dict[str, list[UUID]] = {}
    known = JobRun.objects.filter(
        job=step.task, as_of=session_date, scope__startswith=f"{prefix}slice "
    )
    rows = known.order_by("created_at").values_list("scope", "portfolio_ids")
    for scope, portfolio_ids in rows:
        cut[scope] = [each for each in map(UUID, portfolio_ids) if each in rest]
        rest.difference_update(cut[scope])
    for place, portfolio_ids in enumerate(cut_up(rest), len(cut) + 1):
        cut[f"{prefix}slice {place}"] = portfolio_ids
    return {scope: portfolio_ids for scope, portfolio_ids in cut.items() if portfolio_ids}


def round_name(moment: Moment | None = None) -> str:
    """What scopes begin with: history may start over, and its sessions run again."""
    return f"r{(moment or sessions.moment()).round} {settings.MARKETDATA_PROVIDER} "


def cut_up(portfolio_ids: set[UUID]) -> list[list[UUID]]:
    """Portfolios in slices of about as many positions."""
    if not portfolio_ids:
        return []
    counted = (
        Portfolio.objects.annotate(held=Count("positions", filter=~Q(positions__quantity=0)))
        .order_by("pk")
        .values_list("pk", "held")
    )
    slices: list[list[UUID]] = []
    room = 0
    for portfolio_id, held in counted:
        if portfolio_id not in portfolio_ids:
            continue
        if room <= 0:
            slices.append([])
            room = POSITIONS
        slices[-1].append(portfolio_id)
        room -= max(held, 1)
    return slices


def _books(step: Step) -> QuerySet[Portfolio]:
    """The portfolios a step works on, of those with a booking."""
    every = Portfolio.objects.all() if step.closed else Portfolio.objects.open()
    return every.filter(ledger_seq__gt=0)
