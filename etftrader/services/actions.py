"""Corporate actions entered by hand: announced, and what follows from one that is in effect."""

from datetime import date
from typing import Any

from django.db import transaction

from etftrader.core import jobs
from etftrader.core.actor import Actor
from etftrader.outcomes import REVISE
from marketdata.models import CorporateAction
from marketdata.selectors import keeping
from marketdata.selectors.instruments import UnknownSymbol
from marketdata.services import action_edits


@transaction.atomic
def enter(
    *, symbol: str, reason: str = "", latest: date, by: Actor, **told: Any
) -> CorporateAction:
    """Announce an action by hand; one in effect by the latest close is applied by a worker.

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
    if action.ex_date <= latest:
        jobs.request(
            REVISE,
            as_of=latest,
            inputs={"changed": {instrument.symbol: action.ex_date.isoformat()}},
            requested_by=by.user_id,
            request_id=by.request_id,
        )
    return action
