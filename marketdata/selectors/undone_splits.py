"""Splits that never were: no price ever showed them, and an opposite one by hand takes them back.

Prices of every source are in the same shares before, between and after the two; books are not.
"""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from etftrader.core.records import AuditEvent
from marketdata.calculations.bar_gate import MOVES
from marketdata.calculations.splits import exact_ratio, is_restated
from marketdata.choices import ActionKind, ActionStatus, QuarantineState, Source
from marketdata.models import CorporateAction, DailyBar, QuarantinedPrice
from marketdata.providers.sources import BARS
from marketdata.selectors.corporate_actions import CLOSE_ENOUGH, NEAR, effective

UNDOES = "undoes"  # in the line of an applied split: the one it takes back


def undone(action: CorporateAction) -> CorporateAction | None:
    """The applied split that one by hand takes back, where no price ever showed it.

    Stored prices from before that split were divided for it, and what came afterwards, believed
    or in doubt, was not: the step between the two is the opposite split's.
    """
    if action.kind != ActionKind.SPLIT or action.source != Source.MANUAL:
        return None
    rows = CorporateAction.objects.select_related("instrument").filter(
        instrument=action.instrument_id,
        kind=ActionKind.SPLIT,
        status=ActionStatus.APPLIED,
        ex_date__lt=action.ex_date,
    )
    last = rows.order_by("-ex_date").first()
    return last if last is not None and _takes_back(last, action) else None


def around(action: CorporateAction) -> tuple[list[DailyBar], list[DailyBar]]:
    """The bars of the last session before it takes effect and of the first from then on."""
    first = effective(action.ex_date)
    span = (first - NEAR, first + NEAR)
    bars = DailyBar.objects.filter(instrument=action.instrument_id, session_date__range=span)
    before = [each for each in bars if each.session_date < first]
    after = [each for each in bars if each.session_date >= first]
    last = max((each.session_date for each in before), default=None)
    next_one = min((each.session_date for each in after), default=None)
    return (
        [each for each in before if each.session_date == last],
        [each for each in after if each.session_date == next_one],
    )


def shown(splits: Iterable[CorporateAction]) -> list[tuple[CorporateAction, date]]:
    """The splits that stand in prices, each with the day from which on prices know it.

    `splits` are of any instruments, oldest first. Without those that never were and what took
    them back; what is about to take one back counts from that one's day on.
    """
    rows = list(splits)
    pairs = _pairs(rows)
    if not pairs:
        return [(each, each.ex_date) for each in rows]
    said = _applied_lines([later for _, later in pairs])
    days: dict[UUID, date] = {}
    gone: set[UUID] = set()
    for former, later in pairs:
        if later.status != ActionStatus.APPLIED:
            if _takes_back(former, later):
                days[later.pk] = former.ex_date
        elif said.get(later.pk) == str(former.pk):
            gone |= {former.pk, later.pk}
    return [(each, days.get(each.pk, each.ex_date)) for each in rows if each.pk not in gone]


def _pairs(rows: Iterable[CorporateAction]) -> list[tuple[CorporateAction, CorporateAction]]:
    """Applied splits with the next one of the instrument, by hand, that is their opposite."""
    found = []
    newest: dict[UUID, CorporateAction] = {}
    for each in rows:
        former = newest.get(each.instrument_id)
        if former is not None and each.source == Source.MANUAL and _is_opposite(former, each):
            found.append((former, each))
        if each.status == ActionStatus.APPLIED:
            newest[each.instrument_id] = each
    return found


def _applied_lines(actions: Iterable[CorporateAction]) -> dict[UUID, str]:
    """Which split each of these took back, by the line of its application."""
    lines = AuditEvent.objects.filter(
        object_type="corporate_action",
        object_id__in=[str(each.pk) for each in actions],
        action="corporate_action.applied",
    )
    # of one that was applied again the last line counts
    return {
        UUID(line.object_id): (line.after or {}).get(UNDOES, "") for line in lines.order_by("pk")
    }


def _is_opposite(one: CorporateAction, other: CorporateAction) -> bool:
    if one.ratio is None or other.ratio is None:
        return False
    return abs(one.ratio * other.ratio - 1) <= CLOSE_ENOUGH


def _takes_back(former: CorporateAction, later: CorporateAction) -> bool:
    if not _is_opposite(former, later):
        return False
    assert later.ratio is not None
    before, after = around(former)
    first = effective(former.ex_date)
    doubts = QuarantinedPrice.objects.filter(
        instrument=former.instrument_id,
        dataset=BARS,
        state=QuarantineState.HELD,
        reason__in=MOVES,
        session_date__range=(first, first + NEAR),
    )
    closes = [(each.session_date, float(each.close)) for each in after]
    closes += [(each.session_date, float(each.value)) for each in doubts]
    day = min((day for day, _ in closes), default=None)
    ratio = exact_ratio(later.ratio)
    steps = [(float(old.close), close) for old in before for when, close in closes if when == day]
    return bool(steps) and all(not is_restated(old, new, ratio) for old, new in steps)
