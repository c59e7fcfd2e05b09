"""Greeks as they were known: of one session, or the newest up to one; never a later row."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from marketdata.constants import MAX_STALE_SESSIONS
from marketdata.models import OptionContract, OptionGreeks
from marketdata.selectors import calendar

BATCH = 500


def of_session(*, contract_ids: Iterable[UUID], session_date: date) -> dict[UUID, OptionGreeks]:
    """Rows of exactly one session, by contract; contracts without one are absent."""
    found: dict[UUID, OptionGreeks] = {}
    wanted = list(contract_ids)
    for start in range(0, len(wanted), BATCH):
        rows = OptionGreeks.objects.filter(
            session_date=session_date, contract_id__in=wanted[start : start + BATCH]
        )
        found |= {row.contract_id: row for row in rows}
    return found


def latest(*, contract_ids: Iterable[UUID], until: date) -> dict[UUID, OptionGreeks]:
    """The newest row of each contract up to a session, at most five sessions old."""
    found: dict[UUID, OptionGreeks] = {}
    wanted = list(contract_ids)
    first = calendar.previous(until, MAX_STALE_SESSIONS)
    for start in range(0, len(wanted), BATCH):
        rows = OptionGreeks.objects.filter(
            session_date__range=(first, until), contract_id__in=wanted[start : start + BATCH]
        ).order_by("session_date")
        found |= {row.contract_id: row for row in rows}
    return found


def of_instruments(
    *, instrument_ids: Iterable[UUID], session_date: date
) -> dict[UUID, OptionGreeks]:
    """Rows of one session by the option's instrument, which is what positions name."""
    owners = dict(
        OptionContract.objects.filter(instrument_id__in=set(instrument_ids)).values_list(
            "pk", "instrument_id"
        )
    )
    rows = of_session(contract_ids=owners, session_date=session_date)
    return {owners[contract_id]: row for contract_id, row in rows.items()}
