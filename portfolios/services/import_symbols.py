"""Symbols of a checked file that nobody knows: looked up at the sources, then judged anew."""

from datetime import date
from uuid import UUID

from django.db import transaction

from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import JobRun
from marketdata.selectors import lookups
from marketdata.services import resolving
from portfolios.calculations import csv_cells
from portfolios.calculations.csv_cells import Reading
from portfolios.choices import ImportStatus
from portfolios.models import ImportBatch, ImportRow
from portfolios.services import import_edits, import_market

AWAITED = "awaited"  # in the file's dialect: symbol to the run that looks it up
UNKNOWN = ("unknown_symbol", "unknown_underlying")
MOST_AWAITED = 500


def can_look_up() -> bool:
    """Whether a source is set up that may know more symbols."""
    return lookups.can_ask()


def unknown(row: ImportRow) -> str:
    """The symbol of a row that nobody knows, of an option its underlying; empty without one."""
    if not any(each["code"] in UNKNOWN for each in row.messages):
        return ""
    dialect = row.batch.dialect
    place = dialect["columns"].get("ticker")
    stood = row.raw[place] if place is not None and place < len(row.raw) else ""
    ticker = csv_cells.read_ticker(row.fixed.get("ticker", stood).strip(), Reading())
    ticker = dialect.get("symbols", {}).get(ticker, ticker)
    option = csv_cells.option_of(ticker)
    return option.underlying if option else ticker


@transaction.atomic
def look_up(*, batch_id: UUID, ordinal: int, session_date: date, by: Actor) -> JobRun:
    """Have the symbol of a row looked up, and made known where a source has it.

    The file is judged anew once it is known. Raises as `import_edits.fix`, BadInput for a row
    whose symbol is known, Conflict where no source could know it or it was asked for just now.
    """
    batch, row = import_edits.open_row(batch_id, ordinal)
    symbol = unknown(row)
    if not symbol:
        raise BadInput("The symbol of this row is known.", attr="ticker", code="symbol_known")
    awaited = dict(batch.dialect.get(AWAITED, {}))
    if len(awaited) >= MOST_AWAITED:
        raise BadInput(f"At most {MOST_AWAITED} symbols are looked up.", attr="ticker")
    run = resolving.ask_for(symbols=[symbol], session_date=session_date, by=by)
    if run is None:
        words = "It was looked up less than a minute ago, or is being looked up. Wait a minute."
        if not lookups.can_ask():
            words = "There is no source that could know more symbols. Ask an operator to add it."
        raise Conflict(words, code="asked_recently")
    awaited[symbol] = str(run.pk)
    batch.dialect = batch.dialect | {AWAITED: awaited}
    batch.version += 1
    batch.save(update_fields=["dialect", "version", "updated_at"])
    return run


def attach() -> int:
    """Judge files anew whose awaited symbols have become known; counts them. Twice is once."""
    waiting = ImportBatch.objects.filter(status=ImportStatus.CHECKED, dialect__has_key=AWAITED)
    return sum(_attach(key) for key in waiting.values_list("pk", flat=True))


@transaction.atomic
def _attach(batch_id: UUID) -> bool:
    try:
        batch = import_edits.open_file(batch_id)
    except Conflict:
        return False
    awaited = batch.dialect.get(AWAITED, {})
    known = import_market.find(awaited, batch.user_id)
    if not known:
        return False
    left = {symbol: run for symbol, run in awaited.items() if symbol not in known}
    batch.dialect = {name: value for name, value in batch.dialect.items() if name != AWAITED}
    if left:
        batch.dialect[AWAITED] = left
    import_edits.judge_again(batch)
    return True
