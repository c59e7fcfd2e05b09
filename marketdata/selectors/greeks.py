"""Greeks as they were known: of one session, or the newest up to one; never a later row."""

from collections.abc import Iterable, Mapping
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
    return newest(between(contract_ids=contract_ids, first=oldest(until), last=until))


def oldest(until: date) -> date:
    """The first session whose Greeks may still serve at another."""
    return calendar.previous(until, MAX_STALE_SESSIONS)


def between(
    *, contract_ids: Iterable[UUID], first: date, last: date
) -> dict[tuple[UUID, date], OptionGreeks]:
    """Rows of the sessions between two, by contract and session."""
    found: dict[tuple[UUID, date], OptionGreeks] = {}
    wanted = list(contract_ids)
    for start in range(0, len(wanted), BATCH):
        rows = OptionGreeks.objects.filter(
            session_date__range=(first, last), contract_id__in=wanted[start : start + BATCH]
        )
        found |= {(row.contract_id, row.session_date): row for row in rows}
    return found


def newest(rows: Mapping[tuple[UUID, date], OptionGreeks]) -> dict[UUID, OptionGreeks]:
    """The last of some rows of each contract."""
    return {key: rows[key, day] for key, day in sorted(rows, key=lambda each: each[1])}


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
