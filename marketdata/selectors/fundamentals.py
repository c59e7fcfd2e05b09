"""What sources say of funds and companies, as of a session."""

from collections.abc import Iterable
from datetime import date
from uuid import UUID

from django.db.models import QuerySet

from marketdata.models import Fundamental, Instrument
from marketdata.providers import sources

FIGURES = ("expense_ratio", "dividend_yield", "pe", "pb", "aum", "duration")
NO_SOURCE, NOT_FETCHED, NOT_STATED = "no_source", "not_fetched", "not_stated"


def history(*, instrument: Instrument, until: date) -> QuerySet[Fundamental]:
    """Every row of an instrument up to a day, newest first."""
    rows = Fundamental.objects.filter(instrument=instrument, as_of__lte=until)
    return rows.order_by("-as_of", "source")


def latest(*, instrument: Instrument, until: date) -> Fundamental | None:
    """The newest row not after a day; None when nobody has said anything."""
    return history(instrument=instrument, until=until).first()


def with_latest(
    *, instrument_ids: Iterable[UUID], until: date
) -> dict[UUID, tuple[Instrument, Fundamental | None]]:
    """Instruments by id, each with its newest row not after a day: two queries."""
    keys = set(instrument_ids)
    rows = Fundamental.objects.filter(instrument_id__in=keys, as_of__lte=until)
    newest = {row.instrument_id: row for row in rows.order_by("as_of", "source")}
    known = Instrument.objects.filter(pk__in=keys)
    return {each.pk: (each, newest.get(each.pk)) for each in known}


def why_none() -> str:
    """Why there is no row: nobody can tell, or nobody was asked yet."""
    return NOT_FETCHED if sources.serving(sources.FUND_DATA) else NO_SOURCE
