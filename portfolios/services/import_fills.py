"""Fills of a file: booked many at a time, with the documents others keep of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.errors import Conflict
from etftrader.core.money import to_money
from marketdata.models import Instrument
from portfolios import events
from portfolios.choices import EntryKind, PortfolioState
from portfolios.events import FileFill, Returned
from portfolios.models import LedgerEntry, Portfolio, Position
from portfolios.services import booking, ledger, running

TRADE = "trade:"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A fill to be booked; `quantity` signed, price and fee in the instrument's currency."""

    trade_id: UUID
    row: str  # import:<batch>:<row>
    instrument: Instrument
    quantity: Decimal
    price: Decimal
    fee: Decimal
    executed_at: datetime
    session_date: date
    note: str = ""
    rate: Decimal | None = None  # the book's money for one unit of the instrument's currency


def source_of(trade_id: UUID) -> str:
    """Under which its booking stands."""
    return f"{TRADE}{trade_id}"


def book(*, portfolio: Portfolio, fills: Sequence[Wanted], by: Actor) -> list[FileFill]:
    """Book fills in their order, all or none, and have their documents kept.

    The caller holds the portfolio's lock, in its transaction, and hands over fills that were
    never booked before. Raises as `ledger.book_fill`.
    """
    if not fills:
        return []
    _check(portfolio, min(each.session_date for each in fills))
    positions = _positions(portfolio, {each.instrument.pk for each in fills})
    rows: list[LedgerEntry] = []
    done = []
    for each in fills:
        key = each.instrument.pk
        if key not in positions:
            positions[key] = running.position_of(portfolio, each.instrument)
        legs, made = _fill(portfolio, positions[key], each)
        rows += legs
        done.append(made)
    for position in positions.values():
        position.save()
    booking.keep(portfolio, rows)
    for record in events.recorders:
        record(portfolio, done, by)
    return done


def _positions(portfolio: Portfolio, instrument_ids: set[UUID]) -> dict[UUID, Position]:
    """Those that are there; the rest is made at its first booking."""
    found = Position.objects.filter(portfolio=portfolio, instrument__in=instrument_ids)
    known = {each.instrument_id: each for each in found}
    for each in known.values():
        each.portfolio = portfolio  # the row under the lock, not a second reading of it
    return known


def _check(portfolio: Portfolio, oldest: date) -> None:
    if portfolio.state == PortfolioState.HALTED:
        raise Conflict("The portfolio is halted.", code="portfolio_halted")
    ledger.check_open(portfolio)
    ledger.check_keeps_trades(portfolio)
    ledger.check_session(portfolio, oldest)


def _fill(
    portfolio: Portfolio, position: Position, each: Wanted
) -> tuple[list[LedgerEntry], FileFill]:
    rate = booking.exchange_rate(portfolio, each.instrument, each.rate)
    quantity, fee = ledger.nonzero(each.quantity), to_money(each.fee * (rate or 1))
    paid = ledger.value_of(quantity, each.price, each.instrument, rate)
    running.check_holding(portfolio, position, quantity)
    running.take_cash(portfolio, -(paid + fee))
    realized = running.move(position, each.instrument, quantity, paid, each.session_date, fee)
    legs = booking.fill_legs(each.instrument, quantity, paid, fee)
    source = source_of(each.trade_id)
    rows, _ = booking.write(
        portfolio, EntryKind.FILL, source, each.session_date, legs, "", realized, rate
    )
    made = FileFill(
        each.trade_id,
        each.row,
        each.instrument,
        quantity,
        each.price,
        to_money(each.fee),
        realized,
        each.executed_at,
        each.session_date,
        each.note,
        rate,
    )
    return rows, made


def returned(
    *, portfolio: Portfolio, sources: Iterable[str], reason: str, session_date: date, by: Actor
) -> None:
    """Have the documents of reversed fills marked; `sources` with the newest booking first."""
    ids = [UUID(each.removeprefix(TRADE)) for each in sources if each.startswith(TRADE)]
    if ids:
        told = Returned(ids, reason, session_date)
        for take_back in events.returners:
            take_back(portfolio, told, by)


def standing(portfolio_id: UUID, references: Iterable[str]) -> set[str]:
    """Those of the senders' own numbers that are trades of this portfolio."""
    sources = {}
    for text in references:
        try:
            sources[source_of(UUID(text))] = text
        except ValueError:
            continue
    if not sources:
        return set()
    rows = LedgerEntry.objects.filter(portfolio=portfolio_id, leg=1, source__in=sources)
    return {sources[each] for each in rows.values_list("source", flat=True)}
