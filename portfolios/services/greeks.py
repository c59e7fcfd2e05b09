"""Ask for the Greeks of what one portfolio holds to be computed again."""

from datetime import date, timedelta
from uuid import UUID

from django.db import transaction

from etftrader.core import clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict, NotEnoughData
from etftrader.core.records import OPEN, JobRun
from marketdata.choices import InstrumentKind
from portfolios.constants import Action
from portfolios.models import Portfolio, Position
from portfolios.selectors import access

JOB = "marketdata.compute_greeks"
PAUSE = timedelta(minutes=5)


def ask(*, portfolio: Portfolio, session_date: date, by: Actor) -> JobRun:
    """Request the job for the options held; the same wish while open is one run.

    Owners may ask once in five minutes for each portfolio, staff who operate always. Raises
    NotEnoughData where no option is held, and Conflict within the five minutes.
    """
    held = _options(portfolio.pk)
    if not held:
        raise NotEnoughData("No options are held here: there are no Greeks to compute.")
    mine = JobRun.objects.filter(job=JOB, inputs__portfolio=str(portfolio.pk))
    waiting = mine.filter(status__in=OPEN, as_of=session_date).first()
    if waiting is not None:
        return waiting
    recent = mine.filter(created_at__gt=clock.now() - PAUSE)
    if recent.exists() and not access.staff_may(by, Action.CALCULATE):
        raise Conflict(
            "The Greeks of this portfolio were asked for less than five minutes ago.",
            code="asked_recently",
        )
    with transaction.atomic():
        return jobs.request(
            JOB,
            as_of=session_date,
            inputs={"held": held, "portfolio": str(portfolio.pk)},
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def _options(portfolio_id: UUID) -> list[str]:
    """Instruments of the options held, in a fixed order: equal wishes look alike."""
    held = Position.objects.open().filter(
        portfolio_id=portfolio_id, instrument__kind=InstrumentKind.OPTION
    )
    return sorted(str(key) for key in held.values_list("instrument_id", flat=True))
