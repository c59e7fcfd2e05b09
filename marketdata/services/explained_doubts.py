"""Closes held back for a move that a split explains: believed when the split is applied."""

from collections.abc import Mapping, Sequence
from datetime import date

from etftrader.core.actor import Actor
from etftrader.core.money import plain
from marketdata.calculations import bar_gate
from marketdata.choices import QuarantineState
from marketdata.models import CorporateAction, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.selectors.corporate_actions import effective
from marketdata.selectors.undone_splits import undone
from marketdata.services import gate_rows, price_decisions, price_gate
from marketdata.services.price_decisions import Split


def settle(action: CorporateAction, *, by: Actor) -> int:
    """Judge again what was held since a pending split took effect; counts what is believed now.

    The split may have been told after its prices, by a source or by hand; one that takes another
    back explains what came since that one. The caller holds the transaction and the lock of those
    who write bars.
    """
    return price_gate.settle(
        instrument=action.instrument,
        since=_since(action),
        note=f"explained by the split of {action.ex_date}, {plain(action.ratio)} new for one old",
        by=by,
    )


def foreseen(action: CorporateAction) -> dict[date, float]:
    """The closes `settle` would believe up to the first session in doubt from the ex-date on.

    By session, in dollars of the shares stored today. Nothing is written.
    """
    waiting = _waiting(action)
    days = [each.session_date for each in waiting if each.session_date >= action.ex_date]
    splits = price_decisions.splits(action.instrument) if days else []
    found: dict[date, float] = {}
    for each in waiting if days else ():
        if each.session_date > min(days):
            break
        row = gate_rows.row_of(each, splits)
        if _is_believed(action, row, splits, found):
            found[row.session_date] = row.close
    return found


def _is_believed(
    action: CorporateAction, row: BarRow, splits: Sequence[Split], found: Mapping[date, float]
) -> bool:
    """Whether a close would come through the gate, beside what is stored and what is `found`."""
    day = row.session_date
    stored = gate_rows.last_believed(action.instrument, day)
    before = [each for each in found.items() if each[0] < day] + ([stored] if stored else [])
    [judged] = bar_gate.judge(
        [gate_rows.figures(row)],
        until=day,
        last=max(before, key=lambda each: each[0], default=None),
        splits=gate_rows.pending(splits),
        others=gate_rows.elsewhere(action.instrument, [row])
        | ({day: found[day]} if day in found else {}),
    )
    return judged.verdict == bar_gate.ACCEPTED


def _since(action: CorporateAction) -> date:
    return effective((undone(action) or action).ex_date)


def _waiting(action: CorporateAction) -> list[QuarantinedPrice]:
    """What is held for its move since a split took effect, oldest first, as it is judged."""
    rows = QuarantinedPrice.objects.filter(
        instrument=action.instrument,
        dataset=price_gate.BARS,
        state=QuarantineState.HELD,
        reason__in=bar_gate.MOVES,
        session_date__gte=_since(action),
    )
    return list(rows.select_related("instrument").order_by("session_date", "created_at"))
