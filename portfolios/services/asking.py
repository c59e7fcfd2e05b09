"""How often a person may ask for a batch over a portfolio of theirs."""

from datetime import timedelta

from etftrader.core import clock
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.records import OPEN, JobRun
from portfolios.constants import Action
from portfolios.models import Portfolio
from portfolios.selectors import access

PAUSE = timedelta(minutes=5)


def require_pause(*, job: str, portfolio: Portfolio, by: Actor) -> None:
    """Raise Conflict within five minutes of the last such wish that is over; staff never wait.

    A wish that is still open is no second one: asking again finds the same run.
    """
    if access.staff_may(by, Action.CALCULATE):
        return
    recent = JobRun.objects.filter(
        job=job, requested_by=by.user_id, created_at__gt=clock.now() - PAUSE
    ).exclude(status__in=OPEN)
    mine = str(portfolio.pk)
    if any(mine in map(str, ids) for ids in recent.values_list("portfolio_ids", flat=True)):
        raise Conflict("You asked less than five minutes ago.", code="asked_recently")
