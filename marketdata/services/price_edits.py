"""Prices written by people: through the gate, each correction a revision that is kept.

What a figure replaces, and what is withdrawn, stays in the quarantine as rejected, raw as it
was, so that no source brings it back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F, QuerySet

from etftrader.core import audit
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.money import FILL_PRICE, plain
from marketdata.calculations import price_checks
from marketdata.choices import InstrumentKind, PriceBasis, Pricing, QuarantineState, Source
from marketdata.constants import MANUAL_MAX, VIX
from marketdata.events import prices_revised
from marketdata.models import DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar
from marketdata.services import bar_store, price_decisions, price_gate

PRICES = ("open", "high", "low", "close", "adj_close")
FIGURES = (*PRICES, "volume")
CORRECTED, WITHDRAWN = price_gate.CORRECTED, "withdrawn"


@dataclass(frozen=True, slots=True)
class Held:
    """A price that the gate held back: nothing was stored, a person decides."""

    doubt: QuarantinedPrice


# whose packed series waits for the end of a batch, and since when it differs
Touched = dict[UUID, tuple[Instrument, date]]


@contextmanager
def together() -> Iterator[Touched]:
    """Many edits in one transaction: each series is packed and announced once, at its end."""
    with transaction.atomic():
        touched: Touched = {}
        yield touched
        for instrument, since in touched.values():
            _revised(instrument, since)


@transaction.atomic
def create(
    *,
    instrument: Instrument,
    day: date,
    figures: dict[str, Any],
    until: date,
    by: Actor,
    touched: Touched | None = None,
) -> DailyBar | Held:
    """Store a session's price of an instrument, as source `manual`.

    Raises BadInput with the field, and Conflict where the session has a price.
    """
    _check(instrument, figures)
    _check_day(day, until)
    audit.serialise("daily bars")
    stood = DailyBar.objects.filter(instrument=instrument, session_date=day).first()
    if stood is not None:
        raise Conflict(
            f"{instrument.symbol} has a price of {day} from {stood.source}. Correct that one.",
            code="price_exists",
            source=stood.source,
        )
    row = _row(instrument, day, Source.MANUAL, figures)
    held = _judged(instrument, row, until)
    if held is not None:
        return held
    made = DailyBar.objects.create(
        instrument=instrument,
        session_date=day,
        source=Source.MANUAL,
        price_basis=row.price_basis,
        revision=_next_revision(instrument, day),
        **{name: figures.get(name) for name in FIGURES},
    )
    _changed(made, touched)
    _record(made, "price.created", by, after=_told(made))
    return made


@transaction.atomic
def update(
    *,
    bar: DailyBar,
    changes: dict[str, Any],
    revision: int,
    until: date,
    by: Actor,
    touched: Touched | None = None,
) -> DailyBar | Held:
    """Correct a bar that stands at a revision; the figure it replaces is kept as corrected.

    Raises BadInput with the field, NotFound, and VersionMismatch when somebody was faster.
    """
    instrument = bar.instrument
    audit.serialise("daily bars")
    row = _stored(bar)
    figures = {name: changes.get(name, getattr(row, name)) for name in FIGURES}
    _check(instrument, figures)
    fresh = {name: figures[name] for name in FIGURES if figures[name] != getattr(row, name)}
    if row.revision != revision:
        raise _moved(row)
    if not fresh:
        return row
    held = _judged(instrument, _row(instrument, row.session_date, row.source, figures), until)
    if held is not None:
        return held
    found = _where(row).filter(revision=revision)
    if not found.update(revision=F("revision") + 1, **fresh):
        raise _moved(row)
    if "close" in fresh:
        price_gate.keep_rejected(row, CORRECTED, by)
    _changed(row, touched)
    after = _stored(bar)
    _record(after, "price.corrected", by, before=_told(row), after=_told(after))
    return after


@transaction.atomic
def withdraw(
    *, bar: DailyBar, revision: int, by: Actor, touched: Touched | None = None
) -> DailyBar:
    """Take a bar out of the series; it stays in the quarantine as rejected, and in the audit.

    Raises NotFound, and VersionMismatch when somebody was faster.
    """
    audit.serialise("daily bars")
    row = _stored(bar)
    if row.revision != revision or not _where(row).filter(revision=revision).delete()[0]:
        raise _moved(row)
    price_gate.keep_rejected(row, WITHDRAWN, by)
    _changed(row, touched)
    _record(row, "price.withdrawn", by, before=_told(row))
    return row


def _check(instrument: Instrument, figures: dict[str, Any]) -> None:
    if instrument.kind == InstrumentKind.OPTION:
        raise BadInput(
            f"{instrument.symbol} is an option: it has quotes, and a value by its model.",
            attr="instrument",
        )
    most = MANUAL_MAX if instrument.pricing == Pricing.MANUAL else Decimal(price_checks.MAX_PRICE)
    for name in PRICES:
        value = figures.get(name)
        if value is None:
            if name == "close":
                raise BadInput("A price has a close.", attr="close", code="required")
            continue
        if not 0 < value <= most:
            raise BadInput(f"A price is above 0 and at most {most:f}.", attr=name)
        if value != value.quantize(FILL_PRICE):
            raise BadInput("A price has at most 4 decimals; nothing is rounded.", attr=name)


def _check_day(day: date, until: date) -> None:
    if day > until:
        raise BadInput(
            f"{day} is not known yet: the market clock stands at {until}.",
            attr="session_date",
            code="after_market_clock",
        )
    if not calendar.is_session(day):
        raise BadInput(
            f"The exchange was closed on {day}.", attr="session_date", code="not_a_session"
        )


def _judged(instrument: Instrument, row: BarRow, until: date) -> Held | None:
    """Ask the gate; None where it believes the row. Owners vouch for what only they see."""
    if instrument.owner_id is not None:
        return None
    # what people put aside before, people may take up again
    _doubts(instrument, row).filter(
        state=QuarantineState.REJECTED, reason__in=(CORRECTED, WITHDRAWN)
    ).delete()
    free = frozenset({row.session_date}) if instrument.symbol == VIX else frozenset()
    passed = price_gate.admit(instrument=instrument, rows=[row], until=until, free=free)
    if passed.rows:
        return None
    doubt = _doubts(instrument, row).order_by("decided_at", "created_at").last()
    assert doubt is not None
    if doubt.state == QuarantineState.REJECTED:
        raise Conflict(
            f"This price was rejected before: {doubt.note or doubt.reason}.",
            code="price_rejected",
            quarantine=str(doubt.pk),
        )
    return Held(doubt)


def _doubts(instrument: Instrument, row: BarRow) -> QuerySet[QuarantinedPrice]:
    """What the quarantine has of this figure."""
    known = price_decisions.read(instrument, [row]).every(row)
    return QuarantinedPrice.objects.filter(pk__in=[each.doubt_id for each in known])


def _next_revision(instrument: Instrument, day: date) -> int:
    """One beyond those that were withdrawn: an old entity tag never means a new price."""
    raws = QuarantinedPrice.objects.filter(
        instrument=instrument, dataset=price_gate.BARS, session_date=day, reason=WITHDRAWN
    ).values_list("raw", flat=True)
    return max((int(raw.get("revision", -1)) for raw in raws), default=-1) + 1


def _row(instrument: Instrument, day: date, source: str, figures: dict[str, Any]) -> BarRow:
    told = {name: figures.get(name) for name in PRICES}
    prices = {name: None if value is None else float(value) for name, value in told.items()}
    manual = instrument.pricing == Pricing.MANUAL
    return BarRow(
        symbol=instrument.symbol,
        session_date=day,
        volume=figures.get("volume"),
        source=str(source),
        price_basis=PriceBasis.MANUAL.value if manual else instrument.price_basis,
        **prices,  # type: ignore[arg-type]  # the close is there, it was checked
    )


def _changed(row: DailyBar, touched: Touched | None) -> None:
    instrument, since = row.instrument, row.session_date
    if touched is None:
        _revised(instrument, since)
        return
    known = touched.get(instrument.pk)
    touched[instrument.pk] = (instrument, min(since, known[1]) if known else since)


def _revised(instrument: Instrument, since: date) -> None:
    """Pack a changed series anew, and tell those whose figures rest on it."""
    _repack(instrument)
    prices_revised.announce(symbol=instrument.symbol, since=since.isoformat())


def _repack(instrument: Instrument) -> None:
    """The packed series anew from the table; what is valued by hand has none."""
    if instrument.pricing == Pricing.MANUAL:
        return
    bars = DailyBar.objects.filter(instrument=instrument).order_by("session_date")
    first = bars.first()
    if first is None:
        PriceSeries.objects.filter(instrument=instrument).delete()
        return
    figures = {name: getattr(first, name) for name in FIGURES}
    row = _row(instrument, first.session_date, first.source, figures)
    if not PriceSeries.objects.filter(instrument=instrument).exists():
        bar_store.pack_series(instrument, [row])
    bar_store.pack_series(instrument, [row])  # a row that is in it rebuilds the whole


def _where(bar: DailyBar) -> Any:
    return DailyBar.objects.filter(
        instrument_id=bar.instrument_id, session_date=bar.session_date, source=bar.source
    )


def _stored(bar: DailyBar) -> DailyBar:
    found = _where(bar).select_related("instrument").first()
    if found is None:
        raise NotFound("There is no such price.")
    return found


def _told(bar: DailyBar) -> dict[str, Any]:
    return {
        "symbol": bar.instrument.symbol,
        "session_date": bar.session_date.isoformat(),
        "source": bar.source,
        **{name: plain(getattr(bar, name)) for name in PRICES},
        "volume": bar.volume,
        "revision": bar.revision,
    }


def _record(bar: DailyBar, action: str, by: Actor, **sides: Any) -> None:
    key = f"{bar.instrument_id}:{bar.session_date}"
    audit.record(by=by, action=action, object_type="daily_bar", object_id=key, **sides)


def _moved(row: DailyBar) -> VersionMismatch:
    return VersionMismatch("It was changed since you read it.", version=row.revision + 1)
