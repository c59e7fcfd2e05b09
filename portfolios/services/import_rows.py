"""Rows of a file: what each says, whether it can be booked, and whether it was before."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from etftrader.core.errors import BadInput
from etftrader.core.money import plain
from etftrader.core.tables import Line
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument
from marketdata.selectors import calendar, instruments
from portfolios.calculations import csv_rows
from portfolios.calculations.csv_rows import Message, PositionRow, Reading
from portfolios.choices import ImportStatus, RowVerdict
from portfolios.models import ImportBatch, ImportRow, User
from portfolios.services import tags

SUGGESTED_SYMBOLS = 200  # unknown symbols for which a look-alike is searched
CHUNK = 1_000


@dataclass(slots=True)
class Seen:
    """Holdings met so far: in earlier files, in this one, and by ticker and day."""

    booked: set[str]
    here: set[str] = field(default_factory=set)
    days: dict[tuple[str, date], int] = field(default_factory=dict)


def judge(
    *,
    batch: ImportBatch,
    lines: Sequence[Line],
    columns: Mapping[str, int],
    comma: bool,
    user: User,
) -> Iterator[list[ImportRow]]:
    """Give every line its verdict, a thousand at a time; the rows are not saved yet."""
    known: dict[str, Instrument] = {}
    asked: set[str] = set()
    hints: dict[str, list[str]] = {}
    seen = Seen(booked=_booked(batch))
    for start in range(0, len(lines), CHUNK):
        part = lines[start : start + CHUNK]
        readings = [_read(line, columns, batch, comma) for line in part]
        fresh = {each.row.ticker for each in readings if each.row} - asked
        known |= _instruments(fresh, user)
        asked |= fresh
        for reading in readings:
            if reading.row is not None:
                _check_market(reading, known, hints)
        yield [
            _row(batch, line, reading, seen) for line, reading in zip(part, readings, strict=True)
        ]


def _read(line: Line, columns: Mapping[str, int], batch: ImportBatch, comma: bool) -> Reading:
    cells = {name: line.cells[place] for name, place in columns.items() if place < len(line.cells)}
    return csv_rows.read_row(cells, until=batch.session_date, decimal_comma=comma)


def _booked(batch: ImportBatch) -> set[str]:
    """Holdings that earlier files have brought into this portfolio."""
    rows = ImportRow.objects.filter(
        batch__portfolio=batch.portfolio, batch__status=ImportStatus.COMMITTED
    )
    return set(rows.exclude(source="").values_list("fingerprint", flat=True))


def parsed(row: ImportRow) -> PositionRow:
    """What a good row says."""
    said = row.parsed
    assert said is not None
    return PositionRow(
        ticker=said["ticker"],
        quantity=Decimal(said["quantity"]),
        entry_price=Decimal(said["entry_price"]),
        entry_date=date.fromisoformat(said["entry_date"]),
        tags=said["tags"],
    )


def instruments_of(rows: Sequence[ImportRow], user: User) -> dict[str, Instrument]:
    """The instruments of good rows by the ticker that stood there."""
    return _instruments({parsed(row).ticker for row in rows}, user)


def _instruments(tickers: set[str], user: User) -> dict[str, Instrument]:
    found = instruments.by_symbols(tickers)
    rest = tickers - found.keys()
    own = Instrument.objects.filter(owner_id=user.pk, symbol__in=rest)
    return found | {each.symbol: each for each in own}


def _check_market(
    reading: Reading, known: Mapping[str, Instrument], hints: dict[str, list[str]]
) -> None:
    """The instrument exists and can be held, the calendar reaches the date, the tags are words."""
    row = reading.row
    assert row is not None
    instrument = known.get(row.ticker)
    if instrument is None:
        _err(reading, "ticker", "unknown_symbol", f"{row.ticker} is not known.")
        reading.errors[-1] = _with_hint(reading.errors[-1], row.ticker, hints)
    elif instrument.kind == InstrumentKind.INDEX:
        _err(reading, "ticker", "not_tradable", f"{row.ticker} is an index and cannot be held.")
    elif not instrument.active:
        _err(reading, "ticker", "not_tradable", f"{row.ticker} is not traded any more.")
    try:
        session = calendar.on_or_before(row.entry_date)
    except calendar.NotASession:
        _err(reading, "entry_date", "out_of_range", f"{row.entry_date} is before our calendar.")
    else:
        if session != row.entry_date:
            detail = f"The market was closed; it is booked for {session}."
            reading.warnings.append(Message("entry_date", "not_a_session", detail))
    try:
        tags.parse(row.tags)
    except BadInput as error:
        _err(reading, "tags", error.code, error.detail)


def _with_hint(message: Message, ticker: str, hints: dict[str, list[str]]) -> Message:
    # a file full of unknown names must not search the table for each of them
    if ticker not in hints and len(hints) < SUGGESTED_SYMBOLS:
        hints[ticker] = instruments.suggestions(ticker)
    near = hints.get(ticker, [])
    hint = f"Did you mean {', '.join(near)}?" if near else ""
    return Message(message.field, message.code, message.detail, hint)


def _err(reading: Reading, name: str, code: str, detail: str) -> None:
    reading.errors.append(Message(name, code, detail))


def _row(
    batch: ImportBatch,
    line: Line,
    reading: Reading,
    seen: Seen,
) -> ImportRow:
    row = reading.row
    messages = [*reading.errors, *reading.warnings]
    fingerprint = row.fingerprint if row is not None else ""
    if reading.errors or row is None:
        verdict = RowVerdict.ERROR
    elif fingerprint in seen.booked or fingerprint in seen.here:
        verdict = RowVerdict.DUPLICATE
        where = "by an earlier import" if fingerprint in seen.booked else "further up in this file"
        messages.append(Message("ticker", "duplicate", f"The same holding was read {where}."))
    else:
        seen.here.add(fingerprint)
        twin = seen.days.setdefault((row.ticker, row.entry_date), line.number)
        if twin != line.number:
            detail = f"Line {twin} has the same ticker and date with other figures."
            messages.append(Message("ticker", "same_ticker_and_date", detail))
        verdict = RowVerdict.WARNING if messages else RowVerdict.NEW
    return ImportRow(
        batch=batch,
        ordinal=line.number,
        raw=list(line.cells),
        parsed=_said(row) if row is not None and verdict != RowVerdict.ERROR else None,
        fingerprint=fingerprint,
        verdict=verdict,
        messages=[_message(each) for each in messages],
    )


def _said(row: PositionRow) -> dict[str, Any]:
    return {
        "ticker": row.ticker,
        "quantity": plain(row.quantity),
        "entry_price": plain(row.entry_price),
        "entry_date": row.entry_date.isoformat(),
        "tags": row.tags,
    }


def _message(each: Message) -> dict[str, str]:
    return {
        "field": each.field,
        "code": each.code,
        "detail": each.detail,
        "hint": each.hint,
    }
