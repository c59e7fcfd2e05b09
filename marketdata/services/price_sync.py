"""Brings prices and yields in: finds what is missing, fetches, checks, writes, keeps the record."""

import logging
from collections.abc import Sequence
from datetime import date, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction

from etftrader.core import clock
from etftrader.core.errors import BadInput, Unavailable
from marketdata.calculations import price_checks
from marketdata.choices import RefreshStatus
from marketdata.models import DataRefresh, Instrument, PriceSeries, TreasuryYield
from marketdata.providers.base import BarRow, DailyProvider, ProviderFailed, YieldRow
from marketdata.providers.bundled import BundledProvider
from marketdata.selectors import calendar, instruments
from marketdata.services import bar_store
from marketdata.services import instruments as instrument_service

logger = logging.getLogger(__name__)

FIRST_SESSION = date(2008, 1, 2)  # where the bundled history begins


def provider(*, until: date) -> DailyProvider:
    """The provider the settings name, which sees nothing after `until`. Raises BadInput."""
    if settings.MARKETDATA_PROVIDER != "bundled":
        raise BadInput(
            f"No provider is called {settings.MARKETDATA_PROVIDER}. "
            "Set MARKETDATA_PROVIDER=bundled.",
            attr="MARKETDATA_PROVIDER",
        )
    return BundledProvider(until=until)


def load_history(*, until: date) -> dict[str, DataRefresh]:
    """Load the provider's instruments and everything it has up to a session; twice is once."""
    source = provider(until=until)
    instrument_service.load_reference(rows=source.instruments())
    return sync(session_date=until)


def sync(*, session_date: date, run_id: UUID | None = None) -> dict[str, DataRefresh]:
    """Fetch what is missing up to a session: daily bars and yields.

    Only sessions after a series' last one are asked for. An empty answer or a failing source
    leaves the last good prices and is recorded. Returns the two records.
    """
    source = provider(until=session_date)
    universe = instruments.universe()
    return {
        "daily_bars": _recorded(
            "daily_bars", source, session_date, run_id, universe, _sync_bars
        ),
        "yields": _recorded("yields", source, session_date, run_id, universe, _sync_yields),
    }


def _recorded(dataset, source, session_date, run_id, universe, work) -> DataRefresh:  # type: ignore[no-untyped-def]
    started = clock.now()
    record = DataRefresh(
        dataset=dataset,
        source=source.name,
        session_date=session_date,
        status=RefreshStatus.SUCCEEDED,
        expected=0,
        received=0,
        run_id=run_id,
        started_at=started,
    )
    try:
        work(record, source, universe, session_date)
    except Unavailable as failure:
        record.status, record.error = RefreshStatus.FAILED, failure.detail[:300]
        logger.warning("source failed", extra={"dataset": dataset, "error": failure.detail})
    record.finished_at = clock.now()
    record.save()
    return record


def _sync_bars(
    record: DataRefresh,
    source: DailyProvider,
    universe: Sequence[Instrument],
    session_date: date,
) -> None:
    known = dict(PriceSeries.objects.values_list("instrument_id", "last_session"))
    record.expected = len(universe)
    for each in universe:
        last = known.get(each.pk)
        start = FIRST_SESSION if last is None else last + timedelta(days=1)
        due = start <= session_date
        rows = list(source.bars([each.symbol], start, session_date)) if due else []
        good = _accepted(rows, each)
        record.written += bar_store.upsert(good, {each.symbol: each})
        bar_store.pack_series(each, good)
        newest = good[-1].session_date if good else last
        if newest == session_date:
            record.received += 1
        else:
            record.missing.append(each.symbol)
    if record.expected and not record.received:
        raise ProviderFailed(f"{source.name} has no prices of {session_date}")
    if record.missing:
        record.status = RefreshStatus.DEGRADED


def _accepted(rows: Sequence[BarRow], instrument: Instrument) -> list[BarRow]:
    """Rows whose close may be believed; what may not is logged with its reason."""
    good = []
    for row in rows:
        reason = price_checks.check_one(row.close)
        if reason is None:
            good.append(row)
        else:
            logger.warning(
                "price refused",
                extra={
                    "symbol": instrument.symbol,
                    "session": str(row.session_date),
                    "why": reason,
                },
            )
    return good


def _sync_yields(
    record: DataRefresh,
    source: DailyProvider,
    universe: Sequence[Instrument],
    session_date: date,
) -> None:
    last = TreasuryYield.objects.order_by("-session_date").values_list("session_date").first()
    start = last[0] + timedelta(days=1) if last else FIRST_SESSION
    rows = list(source.yields(start, session_date))
    _write_yields(rows)
    newest = calendar.on_or_before(session_date)
    record.expected = record.received = 1
    record.written = len(rows)
    have = TreasuryYield.objects.filter(session_date=newest).exists()
    if not have:
        # bond holidays have prices and no yields: late, not failed
        record.received, record.status = 0, RefreshStatus.DEGRADED


@transaction.atomic
def _write_yields(rows: Sequence[YieldRow]) -> None:
    TreasuryYield.objects.bulk_create(
        [
            TreasuryYield(
                session_date=row.session_date,
                tenor=row.tenor,
                percent=row.percent,
                source=row.source,
            )
            for row in rows
        ],
        batch_size=1000,
        update_conflicts=True,
        unique_fields=["session_date", "tenor"],
        update_fields=["percent", "source"],
    )
