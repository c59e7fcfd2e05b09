"""Splits and dividends in the books: each once in each portfolio that held at the ex-date's open.

Bookings stand on the session the action took effect, also when it became known later. A dividend
is owed from its ex-date and paid on its pay date, or at once when no pay date is known; what a
short owes waits until there is cash for it. What is paid in another currency than the book's is
converted at the last close before the ex-date, and owed in the book's from then on.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import audit
from etftrader.core.errors import Conflict, LimitBreached
from etftrader.core.money import FILL_PRICE, plain, to_money
from etftrader.core.records import AuditEvent
from marketdata.calculations.splits import exact_ratio, times
from marketdata.choices import ActionKind, ActionStatus
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import calendar, prices
from marketdata.selectors import corporate_actions as actions
from portfolios.calculations.cost_basis import (
    Holding,
    apply_split,
    split_fraction,
)
from portfolios.choices import EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.selectors import ledger as books
from portfolios.selectors import moved_units
from portfolios.services import booking, dividends, locking, running, split_parts
from portfolios.services.action_bookings import HOUSE, Done, payment_of, rate_before, source_of
from portfolios.services.booking import Leg

ZERO = Decimal(0)
REVIEW = "position.corporate_action_review"


def book_due(
    *,
    session_date: date,
    portfolio_ids: Iterable[UUID] | None = None,
    run_id: UUID | None = None,
) -> dict[str, Any]:
    """Book what applied actions in effect by a session still owe to portfolios; twice is once.

    Without ids every portfolio that was ever opened is looked at, closed ones too: their
    dividends may be outstanding.
    """
    if portfolio_ids is None:
        portfolio_ids = Portfolio.objects.filter(ledger_seq__gt=0).values_list("pk", flat=True)
    wanted = sorted(set(portfolio_ids))
    held = Position.objects.filter(portfolio__in=wanted).values_list("instrument_id", flat=True)
    due = actions.for_books(instrument_ids=held.distinct(), session_date=session_date)
    done = Done()
    for portfolio_id, action in _open_pairs(wanted, due):
        _book(portfolio_id, action, session_date, done)
    return done.result()


def apply(
    *,
    action: CorporateAction,
    session_date: date,
    portfolio_ids: Iterable[UUID] | None = None,
) -> dict[str, Any]:
    """Book one applied action as of a session, in the portfolios given or in all that held.

    Nothing is booked before the session on which it takes effect. Raises Conflict while stored
    prices do not know the action yet.
    """
    if action.status != ActionStatus.APPLIED:
        raise Conflict(
            "Stored prices do not know this action yet. Apply it there first.",
            code="action_not_applied",
        )
    done = Done()
    if actions.effective(action.ex_date) <= session_date:
        wanted = _ever_held(action) if portfolio_ids is None else sorted(set(portfolio_ids))
        for portfolio_id, _ in _open_pairs(wanted, [action]):
            _book(portfolio_id, action, session_date, done)
    return done.result()


def _ever_held(action: CorporateAction) -> list[UUID]:
    keys = [each.pk for each in _touched(action)]
    rows = Position.objects.filter(instrument__in=keys).order_by("portfolio_id")
    return list(rows.values_list("portfolio_id", flat=True).distinct())


def _touched(action: CorporateAction) -> list[Instrument]:
    """The instrument itself, and for a split the options on it."""
    if action.kind != ActionKind.SPLIT:
        return [action.instrument]
    changed, review = actions.adjusted_options(action)
    return [action.instrument, *(each.instrument for each in (*changed, *review))]


def _open_pairs(
    portfolio_ids: Sequence[UUID], due: Sequence[CorporateAction]
) -> Iterator[tuple[UUID, CorporateAction]]:
    """Portfolios that held something of an action at its open and have not booked all of it."""
    if not due:
        return
    booked = books.booked_actions(portfolio_ids=portfolio_ids)
    touched = {each.pk: [one.pk for one in _touched(each)] for each in due}
    history = books.unit_history(
        portfolio_ids=portfolio_ids,
        instrument_ids={key for keys in touched.values() for key in keys},
    )
    for action in due:
        first = actions.effective(action.ex_date)
        for portfolio_id in portfolio_ids:
            sources = booked.get(portfolio_id, ())
            rest = [key for key in touched[action.pk] if _last_source(action, key) not in sources]
            mine = (history.get((portfolio_id, key), ()) for key in rest)
            if any(books.units_before(each, first) for each in mine):
                yield portfolio_id, action


def _last_source(action: CorporateAction, instrument_id: UUID) -> str:
    """The booking with which an action is done with one instrument."""
    if action.kind == ActionKind.DIVIDEND:
        return payment_of(action)
    shares = instrument_id == action.instrument_id
    return source_of(action) if shares else source_of(action, instrument_id)


def _book(portfolio_id: UUID, action: CorporateAction, session_date: date, done: Done) -> None:
    """Everything one action does to one portfolio; what is booked already is left alone."""
    if action.kind == ActionKind.SPLIT:
        _book_split(portfolio_id, action, done)
        return
    with transaction.atomic():
        [portfolio] = locking.lock_portfolios(portfolio_id)
        rows = dividends.book(portfolio, action, session_date, done)
        if rows:
            booking.keep(portfolio, rows)


def _book_split(portfolio_id: UUID, action: CorporateAction, done: Done) -> None:
    """A split in one portfolio, and in those to which some of its units have gone since."""
    reached = partial(
        moved_units.reached,
        portfolio_id=portfolio_id,
        instrument_ids=[each.pk for each in _touched(action)],
        since=actions.effective(action.ex_date),
    )
    wanted = reached()
    while True:
        with transaction.atomic():
            locked = {each.pk: each for each in locking.lock_portfolios(*wanted)}
            # units may have gone further until the locks were ours
            wanted |= reached()
            if wanted == locked.keys():
                rows = _split(locked[portfolio_id], action, locked, done)
                if rows:
                    booking.keep(locked[portfolio_id], rows)
                return


def _split(
    portfolio: Portfolio,
    action: CorporateAction,
    locked: Mapping[UUID, Portfolio],
    done: Done,
) -> list[LedgerEntry]:
    changed, review = actions.adjusted_options(action)
    options = [each.instrument for each in changed]
    flagged = [each.instrument for each in review]
    keys = [each.pk for each in (action.instrument, *options, *flagged)]
    history = books.unit_history(portfolio_ids=[portfolio.pk], instrument_ids=keys)
    first = actions.effective(action.ex_date)

    def held(instrument: Instrument) -> Decimal:
        return books.units_before(history.get((portfolio.pk, instrument.pk), ()), first)

    rows: list[LedgerEntry] = []
    for instrument in (action.instrument, *options):
        rows += _grow(portfolio, action, instrument, held(instrument), locked, done)
    doubtful = [each.symbol for each in flagged if held(each)]
    if doubtful:
        _ask_for_review(portfolio, action, doubtful, done)
    return rows


def _grow(
    portfolio: Portfolio,
    action: CorporateAction,
    instrument: Instrument,
    held: Decimal,
    locked: Mapping[UUID, Portfolio],
    done: Done,
) -> list[LedgerEntry]:
    """Multiply what was held; the basis stays. Whole-share portfolios sell the fraction.

    What has gone to other books since takes its part along.
    """
    source = _last_source(action, instrument.pk)
    if not held or portfolio.entries.filter(source=source, leg=1).exists():
        return []
    assert action.ratio is not None
    units = apply_split(Holding(held), action.ratio).quantity - held
    first = actions.effective(action.ex_date)
    position = running.position_of(portfolio, instrument)
    parts = split_parts.parts(
        action=action,
        instrument=instrument,
        portfolio_id=portfolio.pk,
        units=units,
        locked=locked,
    )
    follow = partial(
        split_parts.book,
        action=action,
        instrument=instrument,
        locked=locked,
        positions={portfolio.pk: position},
    )
    shrinks = units * held < 0
    if shrinks:
        # those who hold the least first, so that no holding is empty on the way and loses its cost
        follow(parts=parts[::-1])
    running.grow(position, units, first)
    legs = [
        Leg(LedgerAccount.HOLDING, units, instrument),
        Leg(LedgerAccount.MARKET, -units, instrument),
    ]
    reason = f"{plain(action.ratio)} new for one old"
    rows, made = booking.write(portfolio, EntryKind.SPLIT, source, first, legs, reason)
    if not shrinks:
        follow(parts=parts)
    if instrument.pk == action.instrument_id and portfolio.whole_shares:
        rows += _in_lieu(portfolio, action, position, done)
    position.save()
    booking.record(
        portfolio,
        made,
        "corporate_action.split",
        HOUSE,
        reason=reason,
        symbol=instrument.symbol,
        held=plain(held),
        quantity=plain(position.quantity),
    )
    done.add("splits")
    return rows


def _in_lieu(
    portfolio: Portfolio, action: CorporateAction, position: Position, done: Done
) -> list[LedgerEntry]:
    """Cash for the fraction, at the last close before the ex-date in the new units."""
    fraction = split_fraction(Holding(position.quantity))
    if not fraction:
        return []
    first, instrument = actions.effective(action.ex_date), action.instrument
    marks = prices.marks(instruments=[instrument], session_date=calendar.previous(first))
    close = marks[instrument.pk].price
    if close is None:
        done.warn("no_price", portfolio, f"{instrument.symbol}: the fraction stays")
        return []
    rate = rate_before(portfolio, instrument, first)
    if rate.value is None:
        done.warn(rate.reason, portfolio, f"{instrument.symbol}: the fraction stays")
        return []
    assert action.ratio is not None
    price = times(close, 1 / exact_ratio(action.ratio), FILL_PRICE)
    paid = to_money(-fraction * price * rate.value)
    try:
        running.take_cash(portfolio, -paid)
    except LimitBreached:
        done.warn("insufficient_cash", portfolio, f"{instrument.symbol}: the fraction stays")
        return []
    running.move(position, instrument, -fraction, paid, first)
    rows, _ = booking.write(
        portfolio,
        EntryKind.FILL,
        source_of(action, "lieu"),
        first,
        booking.fill_legs(instrument, -fraction, paid),
        "cash in lieu",
        rate=rate.value if rate.legs else None,
    )
    done.add("in_lieu")
    return rows


def _ask_for_review(
    portfolio: Portfolio, action: CorporateAction, symbols: Sequence[str], done: Done
) -> None:
    """Contracts whose new terms we do not hold keep the old ones; said once a portfolio."""
    asked = AuditEvent.objects.filter(
        chain=str(portfolio.pk), action=REVIEW, object_id=str(action.pk)
    )
    if asked.exists():
        return
    audit.record(
        by=HOUSE,
        action=REVIEW,
        object_type="corporate_action",
        object_id=action.pk,
        chain=portfolio.pk,
        after={"symbols": list(symbols), "ratio": plain(action.ratio)},
        reason="the terms of these options changed in a way that is not kept here",
    )
    done.add("to_review", len(symbols))
