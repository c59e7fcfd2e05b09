"""What speaks against a split: a price in doubt, prices that do not show it, its like nearby."""

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
from marketdata.services.price_gate import BARS


def refuse_contradicted(action: CorporateAction) -> None:
    """Raise Conflict where stored or held prices speak against a split; books cannot undo it."""
    if action.kind == ActionKind.SPLIT:
        _refuse_doubted(action)
        _refuse_absent(action)


def twin(
    *, instrument: Instrument, ex_date: date, ratio: Decimal, teller: str | None = None
) -> CorporateAction | None:
    """Another split that is taken to be the same one; a source knows its own apart.

    Until the caller's transaction ends nobody else records a split of the instrument.
    """
    audit.serialise(f"splits:{instrument.pk}")
    return actions.twin(instrument=instrument, ex_date=ex_date, ratio=ratio, but=teller)


def _refuse_doubted(action: CorporateAction) -> None:
    """The first price after it is held back for its move: one of the two is wrong."""
    since = {"instrument": action.instrument, "session_date__gte": action.ex_date}
    believed = DailyBar.objects.filter(**since).aggregate(first=Min("session_date"))["first"]
    doubts = QuarantinedPrice.objects.filter(
        **since, dataset=BARS, state=QuarantineState.HELD, reason__in=MOVES
    )
    first = doubts.aggregate(first=Min("session_date"))["first"]
    if first is not None and (believed is None or first < believed):
        raise Conflict(
            f"The price of {first} was held back: accept or reject it, or reject the split.",
            code="price_in_doubt",
        )


def _refuse_absent(action: CorporateAction) -> None:
    """Believed prices on both sides have no step, and their source did not restate them for it."""
    assert action.ratio is not None
    ratio = exact_ratio(action.ratio)
    before, after = _around(action)
    # who restates its history and tells of the split has no step either
    traded = [each for each in before if each.source in AS_TRADED or action.source == Source.MANUAL]
    pairs = [(old, new) for old in traded for new in after]
    if pairs and all(is_absent(float(old.close), float(new.close), ratio) for old, new in pairs):
        old, new = pairs[0]
        raise Conflict(
            f"The closes of {old.session_date}, {plain(old.close)}, and of {new.session_date}, "
            f"{plain(new.close)}, do not show a split of {plain(action.ratio)} new for one old. "
            "Reject the split, or correct the prices: it is applied once they show it.",
            code="price_contradicts",
        )


def _around(action: CorporateAction) -> tuple[list[DailyBar], list[DailyBar]]:
    """The bars of the last session before it takes effect and of the first from then on."""
    first = actions.effective(action.ex_date)
    span = (first - actions.NEAR, first + actions.NEAR)
    bars = DailyBar.objects.filter(instrument=action.instrument, session_date__range=span)
    before = [each for each in bars if each.session_date < first]
    after = [each for each in bars if each.session_date >= first]
    last = max((each.session_date for each in before), default=None)
    next_one = min((each.session_date for each in after), default=None)
    return (
        [each for each in before if each.session_date == last],
        [each for each in after if each.session_date == next_one],
    )
