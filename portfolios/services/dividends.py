"""A dividend in one book: owed from its ex-date, paid on its pay date.

What is paid in another currency than the book's is converted at the last close before the ex-date,
and owed in the book's from then on.
"""

from datetime import date
from decimal import Decimal

from etftrader.core.errors import LimitBreached
from etftrader.core.money import plain, to_money
from marketdata.models import CorporateAction
from marketdata.selectors import corporate_actions as actions
from portfolios.calculations.cost_basis import Holding, dividend_amount
from portfolios.choices import CashType, EntryKind, LedgerAccount
from portfolios.models import LedgerEntry, Portfolio
from portfolios.selectors import ledger as books
from portfolios.services import booking, running
from portfolios.services.action_bookings import HOUSE, Done, payment_of, rate_before, source_of
from portfolios.services.booking import Leg

ZERO = Decimal(0)


def book(
    portfolio: Portfolio, action: CorporateAction, session_date: date, done: Done
) -> list[LedgerEntry]:
    """Rows of what is owed, and of the payment when it is due; the portfolio is locked."""
    known = portfolio.entries.filter(source=source_of(action), account=LedgerAccount.ACCRUED)
    # unordered, as there is one at most: ordering by id could lead through the whole ledger
    owed = next(iter(known.values_list("amount", flat=True)), None)
    rows: list[LedgerEntry] = []
    if owed is None:
        owed, rows = _accrue(portfolio, action, done)
    if not owed or portfolio.entries.filter(source=payment_of(action), leg=1).exists():
        return rows
    first = actions.effective(action.ex_date)
    pays = max(first, actions.effective(action.pay_date or action.ex_date))
    if pays <= session_date:
        # what is paid late is paid today: the cash of that past day may not have had it
        rows += _pay(portfolio, action, owed, pays if owed > 0 else session_date, done)
    return rows


def _accrue(
    portfolio: Portfolio, action: CorporateAction, done: Done
) -> tuple[Decimal, list[LedgerEntry]]:
    history = books.unit_history(
        portfolio_ids=[portfolio.pk], instrument_ids=[action.instrument_id]
    )
    first = actions.effective(action.ex_date)
    units = books.units_before(history.get((portfolio.pk, action.instrument_id), ()), first)
    assert action.amount is not None
    owed = dividend_amount(Holding(units), action.amount)
    if not owed:
        return ZERO, []
    rate = rate_before(portfolio, action.instrument, first)
    if rate.value is None:
        done.warn(rate.reason, portfolio, f"{action.instrument.symbol}: the dividend waits for it")
        return ZERO, []
    owed = to_money(owed * rate.value)
    if not owed:
        return ZERO, []
    legs = [Leg(LedgerAccount.ACCRUED, owed), Leg(LedgerAccount.INCOME, -owed)]
    reason = f"{action.instrument.symbol} {plain(action.amount)} a share"
    rows, made = booking.write(
        portfolio,
        EntryKind.DIVIDEND,
        source_of(action),
        first,
        legs,
        reason,
        rate=rate.value if rate.legs else None,
    )
    booking.record(
        portfolio,
        made,
        "corporate_action.dividend",
        HOUSE,
        reason=reason,
        symbol=action.instrument.symbol,
        held=plain(units),
        amount=plain(owed),
        pay_date=action.pay_date.isoformat() if action.pay_date else None,
    )
    done.add("dividends")
    return owed, rows


def _pay(
    portfolio: Portfolio, action: CorporateAction, owed: Decimal, session_date: date, done: Done
) -> list[LedgerEntry]:
    try:
        running.take_cash(portfolio, owed)
    except LimitBreached:
        done.add("waiting")
        done.warn(
            "insufficient_cash",
            portfolio,
            f"{action.instrument.symbol}: {plain(-owed)} stays owed until there is cash",
        )
        return []
    legs = [Leg(LedgerAccount.CASH, owed), Leg(LedgerAccount.ACCRUED, -owed)]
    reason = f"{action.instrument.symbol} dividend of {action.ex_date}"
    rows, made = booking.write(
        portfolio, EntryKind.PAYMENT, payment_of(action), session_date, legs, reason
    )
    booking.document(portfolio, made, CashType.DIVIDEND, owed, session_date, reason, HOUSE)
    booking.record(
        portfolio, made, "corporate_action.paid", HOUSE, reason=reason, amount=plain(owed)
    )
    done.add("payments")
    return rows
