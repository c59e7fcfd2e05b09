"""What speaks against a split: a price in doubt, prices that do not show it, its like nearby."""

from collections.abc import Collection
from datetime import date
from decimal import Decimal

from django.db.models import Min

from etftrader.core import audit
from etftrader.core.errors import Conflict
from etftrader.core.money import plain
from marketdata.calculations.bar_gate import MOVES
from marketdata.calculations.splits import exact_ratio, is_absent
from marketdata.choices import ActionKind, QuarantineState, Source
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.sources import AS_TRADED
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors.undone_splits import around, undone
from marketdata.services.price_gate import BARS


class HeldBack(Conflict):
    """A split and a price of which one is wrong: a person decides which."""


def held(*, session_date: date) -> list[tuple[CorporateAction, HeldBack]]:
    """Splits in effect by a session that wait for a person, each with the reason."""
    found = []
    for action in actions.pending(session_date=session_date):
        try:
            refuse_contradicted(action)
        except HeldBack as problem:
            found.append((action, problem))
    return found


def refuse_contradicted(action: CorporateAction) -> None:
    """Raise HeldBack where stored or held prices speak against a split; books cannot undo it."""
    if action.kind == ActionKind.SPLIT:
        _refuse_doubted(action)
        _refuse_absent(action)


def twin(
    *, instrument: Instrument, ex_date: date, ratio: Decimal, apart: Collection[date] = ()
) -> CorporateAction | None:
    """Another split that is taken to be the same one, but those of days that are told `apart`.

    Until the caller's transaction ends nobody else records a split of the instrument.
    """
    audit.serialise(f"splits:{instrument.pk}")
    return actions.twin(instrument=instrument, ex_date=ex_date, ratio=ratio, apart=apart)


def _refuse_doubted(action: CorporateAction) -> None:
    """The first price after it is held back for its move: one of the two is wrong."""
    since = {"instrument": action.instrument, "session_date__gte": action.ex_date}
    believed = DailyBar.objects.filter(**since).aggregate(first=Min("session_date"))["first"]
    doubts = QuarantinedPrice.objects.filter(
        **since, dataset=BARS, state=QuarantineState.HELD, reason__in=MOVES
    )
    first = doubts.aggregate(first=Min("session_date"))["first"]
    if first is not None and (believed is None or first < believed):
        raise HeldBack(
            f"The price of {first} was held back: accept or reject it, or reject the split.",
            code="price_in_doubt",
        )


def _refuse_absent(action: CorporateAction) -> None:
    """Believed prices on both sides have no step, and their source did not restate them for it.

    An opposite split is taken at its word where prices never showed the one it takes back.
    """
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    before, after = around(action)
    # who restates its history and tells of the split has no step either
    traded = [each for each in before if each.source in AS_TRADED or action.source == Source.MANUAL]
    pairs = [(old, new) for old in traded for new in after]
    absent = all(is_absent(float(old.close), float(new.close), ratio) for old, new in pairs)
    if pairs and absent and undone(action) is None:
        old, new = pairs[0]
        raise HeldBack(
            f"The closes of {old.session_date}, {plain(old.close)}, and of {new.session_date}, "
            f"{plain(new.close)}, do not show a split of {plain(action.ratio)} new for one old. "
            "Reject the split, or correct the prices: it is applied once they show it.",
            code="price_contradicts",
        )
