"""Corporate actions as far as a session knows them, and what splits did to stored prices."""

from collections.abc import Collection, Iterable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, QuerySet

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from etftrader.core.records import AuditEvent
from marketdata.calculations.splits import exact_ratio, whole
from marketdata.choices import ActionKind, ActionStatus, Source
from marketdata.models import CorporateAction, Instrument, OptionContract
from marketdata.selectors import calendar
from marketdata.selectors.sessions import Moment

BY_PEOPLE = ("corporate_action.entered", "corporate_action.rejected")
NEAR = timedelta(days=7)  # five sessions
CLOSE_ENOUGH = Decimal("0.001")  # of a figure: what one source rounds away another keeps


def effective(day: date) -> date:
    """The session at whose open something dated so takes effect: the day or the next session."""
    return day if calendar.is_session(day) else calendar.next(day)


def visible(*, session_date: date) -> list[CorporateAction]:
    """Actions in effect by a session, oldest first; a later one is not known yet."""
    return list(_in_effect(session_date))


def pending(*, session_date: date) -> list[CorporateAction]:
    """Those of them that stored prices do not know yet."""
    return list(_in_effect(session_date).filter(status=ActionStatus.PENDING))


def _in_effect(session_date: date) -> QuerySet[CorporateAction]:
    rows = CorporateAction.objects.filter(ex_date__lte=session_date)
    return rows.select_related("instrument").order_by("ex_date", "kind", "pk")


def listed(*, actor: Actor, moment: Moment) -> QuerySet[CorporateAction]:
    """What a person may see, newest ex-date first: announced ahead only by hand or live.

    What a replay holds of sessions to come is not known yet.
    """
    rows = CorporateAction.objects.for_actor(actor).filter(
        instrument__in=Instrument.objects.for_actor(actor)
    )
    if not moment.live:
        rows = rows.filter(Q(ex_date__lte=moment.current) | Q(source=Source.MANUAL))
    return rows.select_related("instrument").order_by("-ex_date", "instrument__symbol", "kind")


def one(*, actor: Actor, moment: Moment, action_id: UUID) -> CorporateAction:
    """One of those. Raises NotFound."""
    found = listed(actor=actor, moment=moment).filter(pk=action_id).first()
    if found is None:
        raise NotFound("There is no such action.")
    return found


def decisions(of: Iterable[CorporateAction]) -> dict[UUID, AuditEvent]:
    """The last word of a person on each of these actions, where there is one; one query."""
    lines = AuditEvent.objects.filter(
        object_type="corporate_action",
        object_id__in=[str(each.pk) for each in of],
        action__in=BY_PEOPLE,
    )
    return {UUID(line.object_id): line for line in lines.order_by("pk")}


def twin(
    *, instrument: Instrument, ex_date: date, ratio: Decimal, apart: Collection[date] = ()
) -> CorporateAction | None:
    """A believed split the same way within a week, but those of days that are told `apart`.

    Sources date one event differently. One the other way is another event: it undoes the first.
    """
    rows = CorporateAction.objects.filter(
        instrument=instrument,
        kind=ActionKind.SPLIT,
        ex_date__range=(ex_date - NEAR, ex_date + NEAR),
    ).exclude(ex_date__in={ex_date, *apart})
    believed = rows.exclude(status=ActionStatus.REJECTED).order_by("ex_date")
    for each in believed:
        if each.ratio and (each.ratio > 1) == (ratio > 1):
            return each
    return None


def rejected_twin(
    *, instrument: Instrument, ex_date: date, ratio: Decimal
) -> CorporateAction | None:
    """The same split of other days within a week, which a person has rejected."""
    rows = CorporateAction.objects.filter(
        instrument=instrument,
        kind=ActionKind.SPLIT,
        ex_date__range=(ex_date - NEAR, ex_date + NEAR),
        status=ActionStatus.REJECTED,
    )
    for each in rows.exclude(ex_date=ex_date).order_by("ex_date"):
        if each.ratio and abs(each.ratio - ratio) <= CLOSE_ENOUGH * ratio:
            return each
    return None


def symbol_before(action: CorporateAction) -> str | None:
    """What an instrument was called before an applied change of its symbol, by the audit line."""
    line = (
        AuditEvent.objects.filter(
            object_type="corporate_action",
            object_id=str(action.pk),
            action="corporate_action.applied",
        )
        .order_by("pk")
        .last()
    )
    symbol: str | None = (line.after or {}).get("old_symbol") if line else None
    return symbol


def for_books(*, instrument_ids: Iterable[UUID], session_date: date) -> list[CorporateAction]:
    """Applied splits and dividends of instruments by a session, oldest first.

    A split of an underlying is one of its options' too.
    """
    wanted = set(instrument_ids)
    options = OptionContract.objects.filter(instrument__in=wanted)
    wanted |= set(options.values_list("underlying_id", flat=True))
    rows = CorporateAction.objects.filter(
        instrument__in=wanted,
        kind__in=[ActionKind.SPLIT, ActionKind.DIVIDEND],
        status=ActionStatus.APPLIED,
        ex_date__lte=session_date,
    )
    due = rows.select_related("instrument").order_by("ex_date", "kind", "pk")
    return [each for each in due if effective(each.ex_date) <= session_date]


def adjusted_options(action: CorporateAction) -> tuple[list[OptionContract], list[OptionContract]]:
    """Contracts of a split's underlying: those with new terms, and those a person must look at."""
    assert action.ratio is not None
    alive = OptionContract.objects.filter(
        underlying_id=action.instrument_id, expiry__gte=action.ex_date
    )
    contracts = list(alive.select_related("instrument").order_by("instrument__symbol"))
    if not whole(exact_ratio(action.ratio)):
        return [], contracts
    return (
        [each for each in contracts if not each.adjusted],
        [each for each in contracts if each.adjusted],
    )


def split_after(session_date: date) -> Exists:
    """A column for a query of bars: whether a split after the session has restated the row."""
    return Exists(
        CorporateAction.objects.filter(
            instrument_id=OuterRef("instrument_id"),
            kind=ActionKind.SPLIT,
            status=ActionStatus.APPLIED,
            ex_date__gt=session_date,
        )
    )


def factors(
    *, instruments: Iterable[Instrument], session_date: date
) -> dict[UUID, list[tuple[date, Fraction]]]:
    """Splits after a session by instrument, as (ex-date, ratio): stored prices know them already.

    Times their ratios a stored price is in the units of the session. Without one, no entry.
    """
    rows = CorporateAction.objects.filter(
        kind=ActionKind.SPLIT, status=ActionStatus.APPLIED, ex_date__gt=session_date
    ).order_by("ex_date")
    found: dict[UUID, list[tuple[date, Fraction]]] = {}
    for key, ex_date, ratio in rows.values_list("instrument_id", "ex_date", "ratio"):
        if ratio is not None:
            found.setdefault(key, []).append((ex_date, exact_ratio(ratio)))
    asked = {each.pk for each in instruments} if found else set()
    known = {key: steps for key, steps in found.items() if key in asked}
    contracts = OptionContract.objects.filter(
        instrument__in=asked, underlying__in=list(found), adjusted=False
    )
    for contract in contracts if found else ():
        steps = [
            (day, ratio)
            for day, ratio in found[contract.underlying_id]
            if whole(ratio) and day <= contract.expiry
        ]
        if steps:
            known[contract.instrument_id] = steps
    return known


def factor(steps: Sequence[tuple[date, Fraction]], session_date: date) -> Fraction:
    """The product of the ratios of splits after a session."""
    product = Fraction(1)
    for ex_date, ratio in steps:
        if ex_date > session_date:
            product *= ratio
    return product
