"""Rows of a file: what each says, whether it can be booked, and whether it was before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from etftrader.core.errors import BadInput
from etftrader.core.formats import NEW_YORK
from etftrader.core.money import plain, to_money
from marketdata.selectors import calendar
from portfolios.calculations import csv_layout, csv_rows
from portfolios.calculations.csv_cells import Message, Reading
from portfolios.calculations.csv_rows import CashRow, PositionRow, Row, TradeRow
from portfolios.choices import Duplicates, ImportStatus, RowVerdict
from portfolios.constants import MAX_TAGS_PER_USER
from portfolios.models import ImportBatch, ImportRow, Position, Tag, User
from portfolios.selectors import ledger as books
from portfolios.selectors.exchange_tape import History
from portfolios.services import import_fills, tags
from portfolios.services.import_market import Symbols
from portfolios.services.import_store import Draft

BOOKABLE = (RowVerdict.NEW, RowVerdict.UPDATE, RowVerdict.WARNING)
# what such files have booked is in the book, if only for now
STANDING = (ImportStatus.BOOKING, ImportStatus.COMMITTED, ImportStatus.UNDOING)
TWIN = "same_ticker_and_date"
RUNNING = "running"  # in the file's dialect: how far the session had come when it was checked
ZERO, ONE = Decimal(0), Decimal(1)
Twin = tuple[str, date]


@dataclass(frozen=True, slots=True)
class Held:
    """What the book holds of one symbol."""

    quantity: Decimal
    cost_basis: Decimal
    opened_on: date | None


@dataclass(slots=True)
class Seen:
    """Rows met so far, in earlier files and further up in this one."""

    booked: set[str]
    days: set[Twin]
    here: set[str] = field(default_factory=set)
    lines: dict[Twin, int] = field(default_factory=dict)


@dataclass(slots=True)
class Book:
    """The portfolio as it is, and how far it has moved while the rows are walked through."""

    cash: Decimal
    allow_short: bool
    newest: date | None
    held: dict[str, Held]


class Judge:
    """Gives rows their verdicts in the order of the file, a chunk at a time."""

    def __init__(self, batch: ImportBatch, user: User) -> None:
        said = batch.dialect
        self.kind, self.closed, self.running = batch.kind, batch.session_date, running(batch)
        self.until = self.running.astimezone(NEW_YORK).date() if self.running else self.closed
        self.columns: Mapping[str, int] = said["columns"]
        self.comma: bool = said["decimal_comma"]
        self.renamed: Mapping[str, str] = said.get("symbols", {})
        self.duplicates, self.portfolio_id = batch.duplicates, batch.portfolio_id
        self.standing: set[str] = set()  # numbers of this chunk's rows that are trades of the book
        self.symbols = Symbols(user.pk)
        self.seen = _seen(batch)
        self.book = _book(batch)
        self.tags = _tags(user)
        self.parsed_tags: dict[str, list[tuple[str, str]] | BadInput] = {}
        self.effects: list[tuple[date, str, int, str, Decimal, Decimal]] = []
        self.opened: dict[str, Decimal] = {}
        self.cost = ZERO
        self.rates = History(batch.portfolio.base_currency, self.closed)

    def judge(self, rows: Sequence[ImportRow | Draft]) -> None:
        """Write verdict, messages and what was understood into the rows; nothing is saved."""
        readings = [self._read(row) for row in rows]
        self.symbols.learn(each.row.ticker for each in readings if each.row and each.row.ticker)
        said = [each.row for each in readings if isinstance(each.row, TradeRow)]
        numbers = {each.reference for each in said if each.reference}
        self.standing = import_fills.standing(self.portfolio_id, numbers)
        for row, reading in zip(rows, readings, strict=True):
            there = self._stands(reading.row)
            if reading.row is not None and there is None:
                self._check_market(reading)
            self._decide(row, reading, there)

    def _read(self, row: ImportRow | Draft) -> Reading:
        raw = row.raw
        places = self.columns.items()
        cells = {name: raw[place] if place < len(raw) else "" for name, place in places}
        if row.fixed:
            cells |= row.fixed
        reading = csv_rows.read_row(self.kind, cells, until=self.until, decimal_comma=self.comma)
        if reading.row is not None and reading.row.ticker in self.renamed:
            reading.row = replace(reading.row, ticker=self.renamed[reading.row.ticker])
        return reading

    def _check_market(self, reading: Reading) -> None:
        """The instrument exists and can be held, the calendar reaches the date, tags are words."""
        row: Row = reading.row
        if row.ticker:
            refusal = self.symbols.refusal(row.ticker)
            if refusal is not None:
                reading.errors.append(refusal)
            elif self.symbols.name(row.ticker) != row.ticker:
                row = reading.row = replace(row, ticker=self.symbols.name(row.ticker))
        name = _DAY[self.kind]
        try:
            session = calendar.on_or_before(row.day)
        except calendar.NotASession:
            reading.err(name, "out_of_range", f"{row.day} is before our calendar.")
        else:
            if session != row.day:
                detail = f"The market was closed; it is booked for {session}."
                reading.warn(name, "not_a_session", detail)
            # one that was booked before is a duplicate, whatever has happened since
            if row.fingerprint not in self.seen.booked:
                self._check_session(session, name, reading)
            self._check_time(row, reading)
            self._check_currency(row, session, reading)
        if row.tags:
            self._check_tags(row.tags, reading)

    def _check_currency(self, row: Row, session: date, reading: Reading) -> None:
        """Amounts are in what the thing is priced in, cash in the book's own currency."""
        base = self.rates.target
        is_cash = isinstance(row, CashRow)
        own = base if is_cash else self.symbols.currency(row.ticker) or base
        if reading.currency and reading.currency != own:
            told = (
                f"The book keeps cash in {own}." if is_cash else f"{row.ticker} is priced in {own}."
            )
            hint = f"Write its amounts in {own}, or leave the cell empty."
            reading.err("currency", "unsupported_currency", told, hint)
        elif self.rates.rate(own, min(session, self.closed)) is None:
            detail = f"No exchange rate from {own} to {base} is known on {session}."
            hint = f"Bring in daily prices of {own}{base}=X first."
            reading.err("currency", "no_exchange_rate", detail, hint)

    def _rate(self, said: Row) -> Decimal:
        """The book's money for one unit of what a row's amounts are in."""
        day = min(calendar.on_or_before(said.day), self.closed)
        own = self.symbols.currency(said.ticker) or self.rates.target
        return self.rates.rate(own, day) or ONE

    def _check_time(self, row: Row, reading: Reading) -> None:
        at = row.executed_at if isinstance(row, TradeRow) else None
        if at is not None and self.running is not None and at > self.running:
            now = self.running.astimezone(NEW_YORK)
            detail = f"It lies after {now:%H:%M} of {now.date()} in New York, which it is now."
            reading.err("executed_at", "future_time", detail, "Bring it in once it has happened.")

    def _check_session(self, session: date, name: str, reading: Reading) -> None:
        newest = self.book.newest
        if self.kind != csv_layout.POSITIONS and newest is not None and session < newest:
            detail = f"The books have moved on to {newest}; nothing is booked for {session} now."
            hint = "Bring older history into a new portfolio, or as positions."
            reading.err(name, "session_is_past", detail, hint)

    def _check_tags(self, text: str, reading: Reading) -> None:
        if text not in self.parsed_tags:
            try:
                self.parsed_tags[text] = tags.parse(text)
            except BadInput as error:
                self.parsed_tags[text] = error
        found = self.parsed_tags[text]
        if isinstance(found, BadInput):
            reading.err("tags", found.code, found.detail)
            return
        wanted = self.tags | {(kind, name.lower()) for kind, name in found}
        if len(wanted) > MAX_TAGS_PER_USER:
            detail = f"You would have more than {MAX_TAGS_PER_USER} tags, which is the most."
            reading.err("tags", "too_many_tags", detail, "Leave new tags out.")
        elif not reading.errors:
            self.tags = wanted

    def _decide(self, row: ImportRow | Draft, reading: Reading, there: Message | None) -> None:
        said: Row | None = None if reading.errors else reading.row
        if reading.left_out is not None:
            row.verdict, row.parsed, row.fingerprint = RowVerdict.UNCHANGED, None, ""
            row.messages = [_told(reading.left_out)]
            return
        messages = [*reading.errors, *reading.warnings]
        row.fingerprint = said.fingerprint if said is not None else ""
        if said is None:
            row.verdict, row.parsed = RowVerdict.ERROR, None
        elif there is not None:
            row.verdict, row.parsed = RowVerdict.UNCHANGED, said.said()
            messages.append(there)
        else:
            row.verdict, row.parsed = self._verdict(row, said, messages), said.said()
            if row.verdict in BOOKABLE:
                self._note(row, said)
        row.messages = [_told(each) for each in messages]

    def _again(self, row: ImportRow | Draft, said: Row) -> Message | None:
        """Whether the row was read before, or another one of its ticker and date was."""
        seen, mark, twin = self.seen, row.fingerprint, (said.ticker, said.day)
        name = "ticker" if said.ticker else "amount"
        if mark in seen.booked or mark in seen.here:
            where = "by an earlier import" if mark in seen.booked else "further up in this file"
            return Message(name, "duplicate", f"The same row was read {where}.", _CHOICE)
        seen.here.add(mark)
        if self.kind != csv_layout.POSITIONS:
            return None
        line = seen.lines.setdefault(twin, row.ordinal)
        if line == row.ordinal and twin not in seen.days:
            return None
        where = f"Line {line}" if line != row.ordinal else "An earlier import"
        detail = f"{where} has the same ticker and date with other figures."
        return Message(name, TWIN, detail, _CHOICE)

    def _verdict(self, row: ImportRow | Draft, said: Row, messages: list[Message]) -> RowVerdict:
        again = self._again(row, said)
        # what the file says holds for twins alone: booking something twice is asked for row by row
        twin = again is not None and again.code == TWIN
        choice = row.decision or (self.duplicates if twin else Duplicates.SKIP)
        if again is not None:
            messages.append(again)
            if choice == Duplicates.SKIP:
                return RowVerdict.DUPLICATE
        elif choice == Duplicates.SKIP and self._is_held(said):
            return RowVerdict.UNCHANGED
        if messages:
            return RowVerdict.WARNING
        return RowVerdict.UPDATE if said.ticker in self.book.held else RowVerdict.NEW

    def _stands(self, said: Row | None) -> Message | None:
        """Why a trade is not booked, whatever is decided: it was taken back, or is there."""
        if not isinstance(said, TradeRow):
            return None
        if said.taken_back:
            detail = "It was taken back: neither the trade nor its reversal is booked."
            return Message("reversed_by", "taken_back", detail)
        if said.reference in self.standing:
            detail = "This very trade stands in the portfolio already."
            return Message("reference", "stands_already", detail)
        return None

    def _is_held(self, said: Row) -> bool:
        """Whether the book holds exactly what the row says."""
        if not isinstance(said, PositionRow) or said.ticker not in self.book.held:
            return False
        held = self.book.held[said.ticker]
        units = said.quantity * self.symbols.multiplier(said.ticker)
        cost = to_money((said.cost_basis or units * said.entry_price) * self._rate(said))
        there = (held.quantity, held.cost_basis, held.opened_on)
        return there == (said.quantity, cost, calendar.on_or_before(said.entry_date))

    def _note(self, row: ImportRow | Draft, said: Row) -> None:
        if isinstance(said, CashRow):
            self.effects.append((said.day, "", row.ordinal, "", ZERO, said.amount))
            return
        units = said.quantity * self.symbols.multiplier(said.ticker)
        if isinstance(said, TradeRow):
            rate = self._rate(said)
            cash = -(to_money(units * said.price * rate) + to_money(said.fee * rate))
            effect = (said.day, said.when, row.ordinal, said.ticker, said.quantity, cash)
            self.effects.append(effect)
        else:
            cost = said.cost_basis or units * said.entry_price
            self.cost += to_money(cost * self._rate(said))
            there = self.opened.get(said.ticker, ZERO)
            self.opened[said.ticker] = there + said.quantity

    def walk(self) -> dict[int, Message]:
        """What cash and holdings do not cover, by line, when the rows are booked by date.

        A row that is refused moves nothing for those after it.
        """
        if self.kind == csv_layout.POSITIONS:
            return {}
        book, refused = self.book, {}
        held = {symbol: each.quantity for symbol, each in book.held.items()}
        cash = book.cash
        for day, _, line, symbol, quantity, change in sorted(self.effects):
            there = held.get(symbol, ZERO)
            name = "quantity" if symbol else "amount"
            if quantity < 0 and there + quantity < 0 and not book.allow_short:
                detail = f"More sold than the {plain(max(there, ZERO))} held on {day}."
                refused[line] = Message(name, "oversell", detail, "Bring in the holding first.")
            elif change < 0 and cash + change < 0:
                detail = f"Not enough cash on {day}: {plain(cash)}, needed {plain(-change)}."
                refused[line] = Message(name, "insufficient_cash", detail, "Deposit before it.")
            else:
                held[symbol], cash = there + quantity, cash + change
        self.effects = [each for each in self.effects if each[2] not in refused]
        return refused

    def totals(self) -> dict[str, Any]:
        """The portfolio before, and after the rows that can be booked."""
        after = {symbol: each.quantity for symbol, each in self.book.held.items()}
        cash = self.book.cash
        for symbol, quantity in self.opened.items():
            after[symbol] = after.get(symbol, ZERO) + quantity
        for *_, symbol, quantity, change in self.effects:
            if symbol:
                after[symbol] = after.get(symbol, ZERO) + quantity
            cash += change
        return {
            "positions_before": len(self.book.held),
            "positions_after": sum(bool(quantity) for quantity in after.values()),
            "new_symbols": len(after.keys() - self.book.held.keys()),
            "cash_before": plain(self.book.cash),
            "cash_after": plain(cash),
            "cost": plain(self.cost),
        }


_DAY = {
    csv_layout.POSITIONS: "entry_date",
    csv_layout.TRADES: "trade_date",
    csv_layout.CASH: "date",
}
_CHOICE = "Skip it, import it anyway, or merge it."


def refuse(row: ImportRow, message: Message) -> None:
    """Turn a row that was good by itself into a bad one."""
    row.verdict, row.parsed = RowVerdict.ERROR, None
    row.messages = [_told(message), *row.messages]


def parsed(row: ImportRow, kind: str) -> Row:
    """What a good row says."""
    assert row.parsed is not None
    return csv_rows.from_said(kind, row.parsed)


def running(batch: ImportBatch) -> datetime | None:
    """How far the running session had come when the file was checked; None between sessions."""
    text = batch.dialect.get(RUNNING)
    return datetime.fromisoformat(text) if text else None


def booked(batch: ImportBatch) -> set[str]:
    """Fingerprints of what other files have brought into this portfolio and was not taken back."""
    return set(_earlier(batch).values_list("fingerprint", flat=True))


def _earlier(batch: ImportBatch) -> Any:
    rows = ImportRow.objects.filter(
        batch__portfolio=batch.portfolio_id,
        batch__status__in=STANDING,
        batch__kind=batch.kind,
    )
    return rows.exclude(source="").exclude(batch=batch.pk)


def _seen(batch: ImportBatch) -> Seen:
    if batch.kind != csv_layout.POSITIONS:
        return Seen(booked(batch), set())
    marks, days = set(), set()
    for mark, said in _earlier(batch).values_list("fingerprint", "parsed").iterator(2_000):
        marks.add(mark)
        if said:
            days.add((said["ticker"], date.fromisoformat(said["entry_date"])))
    return Seen(marks, days)


def _book(batch: ImportBatch) -> Book:
    rows = Position.objects.open().filter(portfolio=batch.portfolio_id)
    held = {
        symbol: Held(quantity, cost, opened)
        for symbol, quantity, cost, opened in rows.values_list(
            "instrument__symbol", "quantity", "cost_basis", "opened_on"
        )
    }
    portfolio = batch.portfolio
    return Book(portfolio.cash, portfolio.allow_short, books.newest_session(portfolio.pk), held)


def _tags(user: User) -> set[tuple[str, str]]:
    rows = Tag.objects.filter(user=user).values_list("kind", "name")
    return {(kind, name.lower()) for kind, name in rows}


def _told(each: Message) -> dict[str, str]:
    return {
        "field": each.field,
        "code": each.code,
        "detail": each.detail,
        "hint": each.hint,
    }
