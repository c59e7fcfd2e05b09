"""Fresh prices on demand: who may ask for what, how often, and the run that fetches it."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.db import transaction

from etftrader.core import clock, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotAllowed
from etftrader.core.outbound.rules import checked_symbol
from etftrader.core.records import JobRun
from marketdata.selectors import sessions
from portfolios.constants import Action
from portfolios.models import Position

JOB = "marketdata.sync_prices"
MOST_SYMBOLS = 200
OWNERS_WAIT = timedelta(minutes=5)  # between two updates an owner asks for


def fetch(*, wish: Mapping[str, Any], everything: bool, by: Actor) -> JobRun:
    """Ask a live source for what a wish names; nothing named means all that is missing.

    Parameters
    ----------
    wish : mapping
        Any of dataset (str), symbols (list of str), start and end (date).
    everything : bool
        Whether the asker may update what is not in the own books, as often as they like.
    by : Actor

    Returns
    -------
    JobRun
        The same wish while open is one run.

    Raises
    ------
    BadInput
        Symbols or dates that cannot be.
    NotAllowed
        An owner names no symbols, or one no book of theirs holds.
    Conflict
        An owner asked less than five minutes ago.
    """
    latest = sessions.latest()
    inputs = _inputs(wish, latest)
    if not everything:
        _require_own(by, inputs.get("symbols"))
    with transaction.atomic():
        if not everything:
            _require_pause(by)
        return jobs.request(
            JOB,
            as_of=latest,
            inputs=inputs,
            requested_by=by.user_id,
            request_id=by.request_id,
        )


def _inputs(wish: Mapping[str, Any], latest: date) -> dict[str, Any]:
    start, end = wish.get("start"), wish.get("end")
    if end and end > latest:
        raise BadInput(
            f"{end} is not known yet: the last close is that of {latest}.",
            attr="end",
            code="after_market_clock",
        )
    if start and start > (end or latest):
        raise BadInput("start lies after end.", attr="start")
    inputs: dict[str, Any] = {}
    if wish.get("dataset"):
        inputs["datasets"] = [wish["dataset"]]
    if wish.get("symbols"):
        words = dict.fromkeys(each.strip().upper() for each in wish["symbols"])
        inputs["symbols"] = [checked_symbol(each) for each in words]
    return inputs | {name: wish[name].isoformat() for name in ("start", "end") if wish.get(name)}


def _require_own(by: Actor, symbols: list[str] | None) -> None:
    """An owner may refresh what the own books hold."""
    owned = Position.objects.for_actor(by, Action.CALCULATE).open()
    held = set(owned.values_list("instrument__symbol", flat=True))
    foreign = [each for each in symbols or () if each not in held]
    if not symbols or foreign:
        words = f"{foreign[0]} is not in a book of yours." if foreign else "Name your symbols."
        raise NotAllowed(f"Only operators update everything. {words}", attr="symbols")


def _require_pause(by: Actor) -> None:
    recent = JobRun.objects.filter(
        job=JOB, requested_by=by.user_id, created_at__gt=clock.now() - OWNERS_WAIT
    )
    if recent.exists():
        raise Conflict("You asked less than five minutes ago.", code="asked_recently")
