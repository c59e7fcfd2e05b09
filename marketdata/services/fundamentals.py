"""Fund and company data: asked of the sources one symbol at a time, kept with its day."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F

from etftrader.core import audit, clock
from etftrader.core.actor import system
from etftrader.core.errors import DomainError
from marketdata.choices import InstrumentKind, RefreshStatus
from marketdata.models import DataRefresh, Instrument
from marketdata.providers import sources
from marketdata.providers.base import FundRow
from marketdata.providers.sources import FUND_DATA
from marketdata.selectors import coverage, instruments
from marketdata.services import instruments as instrument_service
from marketdata.services.bar_sync import FAILED, OK, SKIPPED, Outcome

JOB = "marketdata.sync_fundamentals"
DESCRIBED = (InstrumentKind.ETF, InstrumentKind.STOCK)
BY = system("fund data")
_MOST_MISSING = 500
_NO_SOURCE = "no source of fund data is set up"


def sync(
    *, session_date: date, symbols: Sequence[str] | None = None, run_id: UUID | None = None
) -> list[Outcome]:
    """Fetch what the sources say of funds and companies; one outcome a symbol.

    Without `symbols` the whole universe is asked about. No transaction is open while a source is
    asked; one failure leaves the others whole. The same day asked twice is one row.
    """
    started = clock.now()
    asked = _members(symbols, session_date)
    providers = sources.providers(FUND_DATA, until=session_date)
    outcomes, said = [], set()
    for symbol, instrument in asked.items():
        if instrument is None:
            outcomes.append(Outcome(symbol, FAILED, "unknown_symbol"))
        elif not providers or instrument.kind not in DESCRIBED:
            why = _NO_SOURCE if not providers else f"nobody describes a {instrument.kind}"
            outcomes.append(Outcome(symbol, SKIPPED, why))
        else:
            told, why = _ask(providers, symbol)
            if told is not None:
                keep(instrument=instrument, told=told, as_of=session_date)
                said.add(told.source)
            outcomes.append(Outcome(symbol, OK if told else FAILED, why))
    if providers:
        _record(session_date, outcomes, said, started, run_id)
    return outcomes


@transaction.atomic
def keep(*, instrument: Instrument, told: FundRow, as_of: date) -> None:
    """Keep what a source says on a day; another sector becomes the instrument's, audited."""
    instrument_service.keep_facts(instrument=instrument, told=told, as_of=as_of)
    sector = (told.sector or "").strip()[:60]
    if not sector or sector == instrument.sector:
        return
    stood = Instrument.objects.filter(pk=instrument.pk, version=instrument.version)
    if not stood.update(sector=sector, version=F("version") + 1, updated_at=clock.now()):
        return  # a person changed it meanwhile, and knows better
    audit.record(
        by=BY,
        action="instrument.sector_changed",
        object_type="instrument",
        object_id=instrument.pk,
        before={"symbol": instrument.symbol, "sector": instrument.sector},
        after={"sector": sector, "source": told.source},
    )


def _members(symbols: Sequence[str] | None, until: date) -> dict[str, Instrument | None]:
    if symbols is None:
        due = coverage.due(session_date=until)
        return {each.symbol: each for each in due if each.kind in DESCRIBED}
    known = instruments.by_symbols(symbols)
    wanted = dict.fromkeys(symbol.strip().upper() for symbol in symbols)
    return {symbol: known.get(symbol) for symbol in wanted}


def _ask(providers: Sequence[Any], symbol: str) -> tuple[FundRow | None, str]:
    reasons = []
    for provider in providers:
        try:
            return provider.fund(symbol), ""
        except DomainError as failure:
            reasons.append(f"{provider.name}: {failure.code}: {failure.detail}")
    return None, "; ".join(reasons)[:300]


def _record(
    session_date: date,
    outcomes: Sequence[Outcome],
    said: set[str],
    started: datetime,
    run_id: UUID | None,
) -> None:
    failed = [each for each in outcomes if each.status == FAILED]
    good = sum(each.status == OK for each in outcomes)
    status = RefreshStatus.SUCCEEDED
    if failed:
        status = RefreshStatus.DEGRADED if good else RefreshStatus.FAILED
    DataRefresh.objects.create(
        dataset=FUND_DATA,
        source="+".join(sorted(said) or sources.serving(FUND_DATA))[:24],
        session_date=session_date,
        status=status,
        expected=len(outcomes),
        received=good,
        written=good,
        missing=[each.item for each in failed][:_MOST_MISSING],
        error=f"{failed[0].item}: {failed[0].reason}"[:300] if failed else "",
        run_id=run_id,
        started_at=started,
        finished_at=clock.now(),
    )
