"""Steps of the latest session asked for by hand: for everybody, or for one book."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from etftrader.core import clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.records import JobRun
from etftrader.selectors import followed
from marketdata.selectors import sessions
from portfolios.models import Portfolio
from portfolios.services import greeks

DAY = "etftrader.run_day"
# what may be asked for: the steps for everybody, the job for one book
KINDS: dict[str, tuple[tuple[str, ...], str]] = {
    "market-data": (("prices", "rates"), "marketdata.sync_prices"),
    "greeks": (("greeks",), "marketdata.compute_greeks"),
    "snapshots": (("snapshots",), "portfolios.take_snapshots"),
    "risk-metrics": (("covariance", "risk", "limits"), "risk.compute"),
}
OWNERS_WAIT = timedelta(minutes=5)  # between two of one kind that an owner asks for


def ask(*, kind: str, portfolio: Portfolio | None, everything: bool, by: Actor) -> JobRun:
    """Ask for a kind of work on the latest session; the same wish while open is one run.

    Without a portfolio it is done for everybody. Snapshots of a book are followed by its risk,
    and that by its limits. Raises Conflict when somebody who may not do `everything` asked less
    than five minutes ago, and for a book that holds nothing with prices; NotEnoughData for one
    without options.
    """
    if kind == "greeks" and portfolio is not None:
        return greeks.ask(portfolio=portfolio, session_date=sessions.latest(), by=by)
    steps, job = KINDS[kind]
    inputs: dict[str, Any] = {"steps": list(steps)}
    portfolio_ids: list[UUID] = []
    if portfolio is None:
        job = DAY
    elif kind == "market-data":
        inputs = {"symbols": _held(portfolio)}
    else:
        inputs, portfolio_ids = {}, [portfolio.pk]
    with transaction.atomic():
        if not everything:
            _require_pause(job, by)
        return jobs.request(
            job,
            as_of=sessions.latest(),
            inputs=inputs,
            portfolio_ids=portfolio_ids,
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def recent(*, by: Actor, everything: bool, limit: int) -> list[JobRun]:
    """What was asked for by hand, newest first; of others only for who may do everything."""
    of_books = Q(job__in=[job for _, job in KINDS.values()], step="", requested_by__isnull=False)
    rows = JobRun.objects.filter(Q(job=DAY) | of_books)
    if not everything:
        rows = rows.filter(requested_by=by.user_id)
    return list(rows.order_by("-created_at")[:limit])


def steps_of(run: JobRun) -> list[str]:
    """The steps of the day a run is about."""
    named = {job: steps for steps, job in KINDS.values()}
    return list(run.inputs.get("steps") or named.get(run.job, ()))


def _held(portfolio: Portfolio) -> list[str]:
    symbols = followed.symbols_of(portfolio.pk)
    if not symbols:
        raise Conflict("The portfolio holds nothing that has prices.", code="nothing_held")
    return symbols


def _require_pause(job: str, by: Actor) -> None:
    recent = JobRun.objects.filter(
        job=job, requested_by=by.user_id, created_at__gt=clock.now() - OWNERS_WAIT
    )
    if recent.exists():
        raise Conflict("You asked less than five minutes ago.", code="asked_recently")
