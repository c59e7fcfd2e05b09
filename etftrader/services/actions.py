"""Corporate actions entered by hand: announced, and what follows from one that is in effect."""

from datetime import date
from typing import Any

from django.db import transaction

from etftrader import day, revision
from etftrader.core import jobs
from etftrader.core.actor import Actor
from marketdata.models import CorporateAction
from marketdata.selectors import keeping
from marketdata.selectors.instruments import UnknownSymbol
from marketdata.services import action_edits

RUN, MORNING = "etftrader.run_day", ("actions", "bookings")


@transaction.atomic
def enter(
    *, symbol: str, reason: str = "", latest: date, by: Actor, **told: Any
) -> CorporateAction:
    """Announce an action by hand; one that is in effect already is applied by a worker.

    That job books it where it is owed and values again what it changes. `told` is the kind, the
    ex-date and the figure; see `action_edits.enter` for what is raised.
    """
    try:
        instrument = keeping.to_keep(symbol, by)
    except UnknownSymbol as unknown:
        near = unknown.figures.get("suggestions", [])
        raise UnknownSymbol(unknown.detail, attr="symbol", suggestions=near) from unknown
    wish = action_edits.Wish(instrument=instrument, **told)
    action = action_edits.enter(wish=wish, latest=latest, reason=reason, by=by)
    _follow(action, latest, by)
    return action


def _follow(action: CorporateAction, latest: date, by: Actor) -> None:
    """Ask for what is due already: the past valued again, or the morning that has passed."""
    today = day.session_of(MORNING[0])
    if action.ex_date <= latest:
        revision.ask(changed={action.instrument.symbol: action.ex_date}, by=by)
    elif action.ex_date <= today:
        jobs.request(
            RUN,
            as_of=today,
            inputs={"steps": list(MORNING)},
            requested_by=by.user_id,
            request_id=by.request_id,
        )
