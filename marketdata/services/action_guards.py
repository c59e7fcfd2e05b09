"""What speaks against a split: a price in doubt, prices that do not show it, its like nearby."""

from collections.abc import Collection, Iterable, Mapping
from datetime import date
from decimal import Decimal

from django.db import connection
from django.db.models import Min

from etftrader.core import audit
from etftrader.core.errors import Conflict
from etftrader.core.money import plain, to_money
from marketdata.calculations.bar_gate import MOVES
from marketdata.calculations.splits import exact_ratio, is_absent
from marketdata.choices import ActionKind, QuarantineState, Source
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice
from marketdata.providers.sources import AS_TRADED
from marketdata.selectors import corporate_actions as actions
from marketdata.selectors.corporate_actions import NEAR, effective
from marketdata.selectors.undone_splits import around, undone
from marketdata.services import explained_doubts
from marketdata.services.price_gate import BARS


class HeldBack(Conflict):
    """A split and a price of which one is wrong: a person decides which."""


def held(*, session_date: date) -> list[tuple[CorporateAction, HeldBack]]:
    """Splits in effect by a session that wait for a person, each with the reason.

    Not those whose prices in doubt will be believed when they are applied.
    """
    found = []
    for action in actions.pending(session_date=session_date):
        try:
            if action.kind == ActionKind.SPLIT:
                refuse_contradicted(action, foreseen=explained_doubts.foreseen(action))
        except HeldBack as problem:
            found.append((action, problem))
    return found


def refuse_contradicted(
    action: CorporateAction, *, foreseen: Mapping[date, float] | None = None
) -> None:
    """Raise HeldBack where stored or held prices speak against a split; books cannot undo it.

    `foreseen` are closes that are about to be stored, in dollars.
    """
    if action.kind == ActionKind.SPLIT:
        _refuse_doubted(action, foreseen or {})
        _refuse_absent(action, foreseen or {})


def alone(instruments: Iterable[Instrument]) -> None:
    """Let nobody else record splits of these until the caller's transaction ends.

    Taken in one order, and before any audit line: who takes one after another may wait for one
    who waits for them. Without a transaction there is nothing to hold.
    """
    if connection.in_atomic_block:
        for key in sorted({str(each.pk) for each in instruments}):
            audit.serialise(f"splits:{key}")


def twin(
    *, instrument: Instrument, ex_date: date, ratio: Decimal, apart: Collection[date] = ()
) -> CorporateAction | None:
    """Another split that is taken to be the same one, but those of days that are told `apart`.

    Until the caller's transaction ends nobody else records a split of the instrument.
    """
    audit.serialise(f"splits:{instrument.pk}")
    return actions.twin(instrument=instrument, ex_date=ex_date, ratio=ratio, apart=apart)


def _refuse_doubted(action: CorporateAction, foreseen: Mapping[date, float]) -> None:
    """The first price after it is held back for its move: one of the two is wrong."""
    since = {"instrument": action.instrument, "session_date__gte": action.ex_date}
    stored = DailyBar.objects.filter(**since).aggregate(first=Min("session_date"))["first"]
    days = [day for day in foreseen if day >= action.ex_date]
    believed = min([*days, *([stored] if stored else [])], default=None)
    doubts = QuarantinedPrice.objects.filter(
        **since, dataset=BARS, state=QuarantineState.HELD, reason__in=MOVES
    )
    first = doubts.aggregate(first=Min("session_date"))["first"]
    if first is not None and (believed is None or first < believed):
        raise HeldBack(
            f"The price of {first} was held back: accept or reject it, or reject the split.",
            code="price_in_doubt",
        )


def _refuse_absent(action: CorporateAction, foreseen: Mapping[date, float]) -> None:
    """Believed prices on both sides have no step, and their source did not restate them for it.

    An opposite split is taken at its word where prices never showed the one it takes back.
    """
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    before, after = around(action)
    # who restates its history and tells of the split has no step either
    traded = [each for each in before if each.source in AS_TRADED or action.source == Source.MANUAL]
    pairs = [(old, day, close) for old in traded for day, close in _first(action, after, foreseen)]
    absent = all(is_absent(float(old.close), close, ratio) for old, _, close in pairs)
    if pairs and absent and undone(action) is None:
        old, day, close = pairs[0]
        raise HeldBack(
            f"The closes of {old.session_date}, {plain(old.close)}, and of {day}, "
            f"{plain(to_money(close))}, do not show a split of {plain(action.ratio)} new for one "
            "old. "
            "Reject the split, or correct the prices: it is applied once they show it.",
            code="price_contradicts",
        )


def _first(
    action: CorporateAction, after: Collection[DailyBar], foreseen: Mapping[date, float]
) -> list[tuple[date, float]]:
    """The closes of the first session from its ex-date on, as they will be stored."""
    first = effective(action.ex_date)
    closes = [(each.session_date, float(each.close)) for each in after]
    ahead = min((day for day in foreseen if first <= day <= first + NEAR), default=None)
    if ahead is not None and all(ahead <= day for day, _ in closes):
        # what is believed takes the place of other sources' closes of its session
        return [(ahead, foreseen[ahead])]
    return closes
