"""Closes held back for a move that a split explains: believed when the split is applied."""

from etftrader.core.actor import Actor
from etftrader.core.money import plain
from marketdata.models import CorporateAction
from marketdata.selectors.corporate_actions import effective
from marketdata.selectors.undone_splits import undone
from marketdata.services import price_gate


def settle(action: CorporateAction, *, by: Actor) -> int:
    """Judge again what was held since a pending split took effect; counts what is believed now.

    The split may have been told after its prices, by a source or by hand; one that takes another
    back explains what came since that one. The caller holds the transaction and the lock of those
    who write bars.
    """
    since = undone(action) or action
    return price_gate.settle(
        instrument=action.instrument,
        since=effective(since.ex_date),
        note=f"explained by the split of {action.ex_date}, {plain(action.ratio)} new for one old",
        by=by,
    )
