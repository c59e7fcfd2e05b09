"""Corporate actions entered and rejected by people, each act with its audit line."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound
from etftrader.core.money import MAX_AMOUNT, plain, to_money
from etftrader.core.outbound.rules import checked_symbol
from marketdata.calculations.splits import exact_ratio
from marketdata.choices import ActionKind, ActionStatus, InstrumentKind, Source
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.selectors import calendar, corporate_actions
from marketdata.services import action_guards, renaming, symbols

FIGURE = {
    ActionKind.SPLIT: "ratio",
    ActionKind.DIVIDEND: "amount",
    ActionKind.SYMBOL: "new_symbol",
}
ASKED_FOR = {
    "ratio": "A split needs its ratio: new shares for one old, such as 4, or 0.1 for one to ten.",
    "amount": "A dividend needs its amount: dollars a share before tax.",
    "new_symbol": "A symbol change needs the new symbol.",
}
BELONGS = {"ratio": "a split", "amount": "a dividend", "new_symbol": "a symbol change"}
HAVE_ACTIONS = {InstrumentKind.ETF, InstrumentKind.STOCK}
AHEAD = timedelta(days=366)  # how far in advance an action is announced


@dataclass(frozen=True, slots=True)
class Wish:
    """An action as a person enters it; only the figure of its kind is given."""

    instrument: Instrument
    kind: str  # of ActionKind
    ex_date: date
    ratio: Decimal | None = None
    amount: Decimal | None = None
    new_symbol: str = ""
    pay_date: date | None = None


def enter(*, wish: Wish, latest: date, reason: str = "", by: Actor) -> CorporateAction:
    """Announce an action by hand; it is applied when it takes effect.

    One that was announced otherwise is corrected, a rejected one announced again. `latest` is the
    last session whose close is known. Raises BadInput with the field, and Conflict where it
    stands there already, was applied, stands a few sessions beside, or the new symbol is
    another's.
    """
    fields = _checked(wish, latest)
    place = {"instrument": wish.instrument, "kind": wish.kind, "ex_date": wish.ex_date}
    try:
        with transaction.atomic():
            _refuse_twin(wish)
            found = CorporateAction.objects.filter(**place).first()
            if found is not None:
                return _again(found, fields, reason, by)
            made = CorporateAction.objects.create(source=Source.MANUAL, **place, **fields)
            _record("entered", made, by, reason, before=None)
    except IntegrityError as error:
        raise _moved() from error  # somebody else's insert came first
    return made


@transaction.atomic
def reject(*, action_id: UUID, reason: str, by: Actor) -> CorporateAction:
    """Leave an announced action out for good, whatever sources say of it. Twice is once.

    Raises NotFound; BadInput without a reason; Conflict for one that was applied, with the way
    out.
    """
    if not reason.strip():
        raise BadInput("Say why; the audit line keeps it.", attr="reason", code="required")
    pending = CorporateAction.objects.filter(pk=action_id, status=ActionStatus.PENDING)
    won = pending.update(
        status=ActionStatus.REJECTED, updated_at=clock.now(), version=F("version") + 1
    )
    row = CorporateAction.objects.select_related("instrument").filter(pk=action_id).first()
    if row is None:
        raise NotFound("There is no such action.")
    if row.status == ActionStatus.APPLIED:
        raise _applied(row)
    if won:
        _record("rejected", row, by, reason, before={"status": ActionStatus.PENDING})
    return row


def _again(
    found: CorporateAction, fields: dict[str, Any], reason: str, by: Actor
) -> CorporateAction:
    """What stands there corrected, or announced again."""
    if found.status == ActionStatus.APPLIED:
        raise _applied(found)
    before = {name: getattr(found, name) for name in fields}
    if found.status == ActionStatus.PENDING and before == fields:
        raise Conflict("This action is announced already.", code="action_known")
    same = CorporateAction.objects.filter(pk=found.pk, version=found.version)
    won = same.update(
        status=ActionStatus.PENDING,
        source=Source.MANUAL,
        updated_at=clock.now(),
        version=F("version") + 1,
        **fields,
    )
    if not won:
        raise _moved()
    row = CorporateAction.objects.select_related("instrument").get(pk=found.pk)
    said = {"status": found.status, "source": found.source, **_plain(before)}
    _record("entered", row, by, reason, before=said)
    return row


def _checked(wish: Wish, latest: date) -> dict[str, Any]:
    """The fields of an action by hand. Raises BadInput, Conflict."""
    if wish.kind not in ActionKind.values:
        raise BadInput(f"An action is {', '.join(ActionKind.values)}.", attr="kind")
    _check_instrument(wish)
    _check_days(wish, latest)
    kind = ActionKind(wish.kind)
    mine = FIGURE[kind]
    for name, whose in BELONGS.items():
        if name != mine and getattr(wish, name):
            words = f"The {name.replace('_', ' ')} is of {whose}. Leave it out."
            raise BadInput(words, attr=name)
    if getattr(wish, mine) in (None, ""):
        raise BadInput(ASKED_FOR[mine], attr=mine, code="required")
    if kind == ActionKind.SYMBOL:
        return {"new_symbol": _new_symbol(wish), "pay_date": None}
    figure = _amount(getattr(wish, mine), mine)
    if kind == ActionKind.SPLIT and figure == 1:
        raise BadInput("A split of one for one changes nothing.", attr="ratio")
    if kind == ActionKind.DIVIDEND:
        _check_size(wish, figure)
    return {mine: figure, "pay_date": wish.pay_date}


def _refuse_twin(wish: Wish) -> None:
    """Raise Conflict where a split of these days is known: both applied, books change twice."""
    if wish.kind != ActionKind.SPLIT:
        return
    assert wish.ratio is not None
    found = action_guards.twin(instrument=wish.instrument, ex_date=wish.ex_date, ratio=wish.ratio)
    if found is None:
        return
    applied = found.status == ActionStatus.APPLIED
    way = f"It was applied. {way_out(found)}" if applied else "Reject that one first."
    raise Conflict(
        f"The split of {found.ex_date}, {plain(found.ratio)} new for one old, is taken to be the "
        f"same. {way}",
        code="action_near",
        attr="ex_date",
    )


def _check_instrument(wish: Wish) -> None:
    instrument = wish.instrument
    kinds = HAVE_ACTIONS | ({InstrumentKind.INDEX} if wish.kind == ActionKind.SYMBOL else set())
    if instrument.kind not in kinds:
        follows = " An option follows what it is on." if instrument.kind == "option" else ""
        words = f"{instrument.symbol} is no fund and no stock: it has no such action.{follows}"
        raise BadInput(words, attr="symbol")


def _check_days(wish: Wish, latest: date) -> None:
    day, paid = wish.ex_date, wish.pay_date
    furthest = min(latest + AHEAD, calendar.LAST)
    if not calendar.FIRST <= day <= furthest:
        words = f"The ex-date lies between {calendar.FIRST} and {furthest}."
        raise BadInput(words, attr="ex_date")
    if not calendar.is_session(day):
        words = f"The exchange is closed on {day}. The next session is {calendar.next(day)}."
        raise BadInput(words, attr="ex_date", code="not_a_session")
    if paid is None:
        return
    if wish.kind != ActionKind.DIVIDEND:
        raise BadInput("The pay date is of a dividend. Leave it out.", attr="pay_date")
    if not day <= paid <= min(day + AHEAD, calendar.LAST):
        raise BadInput("A dividend is paid within a year from its ex-date on.", attr="pay_date")


def _amount(value: Decimal, name: str) -> Decimal:
    if not value.is_finite() or not 0 < value < MAX_AMOUNT:
        raise BadInput(f"The {name} is greater than 0.", attr=name)
    exact = to_money(value)
    if exact != value:
        raise BadInput(f"The {name} has at most six decimal places.", attr=name)
    return exact


def _check_size(wish: Wish, amount: Decimal) -> None:
    """A dividend is less than the share: more of it is a slip of the pen."""
    before = DailyBar.objects.filter(
        instrument=wish.instrument, session_date__lt=wish.ex_date
    ).order_by("-session_date")
    close = before.values_list("close", flat=True).first()
    if close is None:
        return
    splits = corporate_actions.factors(instruments=[wish.instrument], session_date=wish.ex_date)
    later = corporate_actions.factor(splits.get(wish.instrument.pk, []), wish.ex_date)
    then = float(close) * float(later)
    if float(amount) >= then:
        words = f"{plain(amount)} a share is not below the last price before it, {then:.2f}."
        raise BadInput(words, attr="amount", code="above_price")


def _new_symbol(wish: Wish) -> str:
    new = wish.new_symbol.strip().upper()
    if new == wish.instrument.symbol:
        raise BadInput(f"{new} is its symbol already.", attr="new_symbol")
    try:
        checked_symbol(new)
    except BadInput as refusal:
        raise BadInput(refusal.detail, attr="new_symbol", code=refusal.code) from refusal
    if symbols.is_option(new):
        raise BadInput(f"{new} is the symbol of an option.", attr="new_symbol")
    renaming.require_free(wish.instrument, new)
    return new


def _applied(row: CorporateAction) -> Conflict:
    return Conflict(f"It was applied and cannot be undone. {way_out(row)}", code="action_applied")


def way_out(row: CorporateAction) -> str:
    """How an action that was applied wrongly is put right."""
    if row.kind == ActionKind.SPLIT:
        assert row.ratio is not None
        opposite = to_money(float(1 / exact_ratio(row.ratio)))
        return (
            f"Enter the opposite split, {plain(opposite)} new for one old, with a later ex-date. "
            "Prices that never showed the first one need no correction."
        )
    if row.kind == ActionKind.DIVIDEND:
        return "Put right what each book was paid with a deposit or a withdrawal."
    return "Enter the change back to the former symbol with a later ex-date."


def _moved() -> Conflict:
    return Conflict("Somebody else changed this action just now. Look again.", code="action_moved")


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: plain(value) if isinstance(value, Decimal) else value
        for name, value in fields.items()
        if value not in (None, "")
    }


def _record(
    word: str, row: CorporateAction, by: Actor, reason: str, *, before: dict[str, Any] | None
) -> None:
    figures = {name: getattr(row, name) for name in (*BELONGS, "pay_date")}
    audit.record(
        by=by,
        action=f"corporate_action.{word}",
        object_type="corporate_action",
        object_id=row.pk,
        before=before,
        after={
            "symbol": row.instrument.symbol,
            "kind": row.kind,
            "ex_date": row.ex_date,
            "status": row.status,
            **_plain(figures),
        },
        reason=reason.strip()[:300],
    )
