"""Prices that are only the last good ones: something newer of the name waits for a person.

A close in doubt stands for its session: it is newer than every price before that close, and at
odds with another close of the same session that differs from it by more than two sources may.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from uuid import UUID

from django.db.models import QuerySet

from etftrader.core.formats import number
from marketdata.calculations.bar_gate import MAX_DISAGREEMENT
from marketdata.choices import PriceClass
from marketdata.models import QuarantinedPrice
from marketdata.providers.sources import BARS
from marketdata.selectors import calendar, open_doubts
from marketdata.selectors.bar_marks import Mark
from marketdata.selectors.option_marks import MODEL

PRICE_SUSPECT = "price_suspect"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A price nobody has decided about yet."""

    at: datetime
    price: float | None
    is_close: bool
    session_date: date

    def outdates(self, since: datetime | None, price: float | None) -> bool:
        """Whether a price of a moment is not the newest word about its name."""
        if since is None or self.at > since:
            return True
        if not self.is_close or self.at < since:
            return False
        return not price or self.price is None or abs(self.price / price - 1) > MAX_DISAGREEMENT


@dataclass(frozen=True, slots=True)
class Quoted:
    """What waits of a name, and since when its quote of the session stands; None without one."""

    waiting: tuple[Waiting, ...]
    since: datetime | None


def marked(
    found: Mapping[UUID, Mark], *, until: date, options: Mapping[UUID, UUID] | None = None
) -> dict[UUID, Mark]:
    """The same marks; one with a newer price in quarantine is SUSPECT and keeps its own.

    Parameters
    ----------
    found : mapping of instrument id to Mark
        Prices as they stand.
    until : date
        The newest session whose doubts may be known.
    options : mapping of instrument id to UUID, optional
        The underlying of each that is an option: as doubtful as that, of which their value is
        made, or at least their delta.

    Returns
    -------
    dict
        One query.
    """
    return Doubts(found, until=until, options=options).marked(found, until=until)


class Doubts:
    """What waits of some names, read once: held against their prices of any session until then."""

    def __init__(
        self,
        instrument_ids: Iterable[UUID],
        *,
        until: date,
        options: Mapping[UUID, UUID] | None = None,
    ) -> None:
        self.underlyings = options or {}
        self.waiting = waiting({*instrument_ids, *self.underlyings.values()}, until=until)

    def marked(self, found: Mapping[UUID, Mark], *, until: date) -> dict[UUID, Mark]:
        """The same marks, SUSPECT where something known by a session casts doubt on them."""
        known = {
            key: [each for each in told if each.session_date <= until]
            for key, told in self.waiting.items()
        }
        under = self.underlyings
        return {
            key: _suspect(mark) if _is_doubted(mark, known, under.get(key)) else mark
            for key, mark in found.items()
        }


def waiting(instrument_ids: Iterable[UUID], *, until: date) -> dict[UUID, list[Waiting]]:
    """What waits for a person of these names: one query."""
    found: dict[UUID, list[Waiting]] = {}
    columns = ("instrument_id", "dataset", "session_date", "as_of", "value")
    for owner, *facts in _rows(instrument_ids, until).values_list(*columns):
        if owner is not None:
            found.setdefault(owner, []).append(_waiting(*facts))
    return found


def behind_quotes(instrument_ids: Iterable[UUID], *, session_date: date) -> dict[UUID, Quoted]:
    """What waits of these names while a session plays, beside their quotes of it: one query."""
    found: dict[UUID, Quoted] = {}
    columns = ("instrument_id", "instrument__quote__session_date", "instrument__quote__as_of",
               "dataset", "session_date", "as_of", "value")  # fmt: skip
    rows = _rows(instrument_ids, session_date).values_list(*columns)
    for owner, quoted_on, quoted_at, *facts in rows:
        if owner is not None:
            before = found[owner].waiting if owner in found else ()
            since = quoted_at if quoted_on == session_date else None
            found[owner] = Quoted((*before, _waiting(*facts)), since)
    return found


def _rows(instrument_ids: Iterable[UUID], until: date) -> QuerySet[QuarantinedPrice]:
    whose = open_doubts.rows().filter(instrument__in=list(instrument_ids))
    return whose.filter(session_date__lte=until)


def _waiting(dataset: str, session_date: date, as_of: datetime | None, value: str) -> Waiting:
    figure = number(value)
    is_close = dataset == BARS or as_of is None
    at = calendar.close_time(session_date) if as_of is None or is_close else as_of
    return Waiting(at, None if figure is None else float(figure), is_close, session_date)


def _is_doubted(mark: Mark, doubts: Mapping[UUID, list[Waiting]], underlying: UUID | None) -> bool:
    if mark.price is None:
        return False
    price = float(mark.price)
    own = any(each.outdates(mark.as_of, price) for each in doubts.get(mark.instrument_id, ()))
    if own or underlying is None or mark.session_date is None:
        return own
    # a quote of about four o'clock stands beside the underlying's close
    quoted = not _is_derived(mark)
    since = calendar.close_time(mark.session_date) if quoted else mark.as_of
    spot = mark.greeks.spot if mark.greeks is not None else None
    return any(each.outdates(since, spot) for each in doubts.get(underlying, ()))


def _is_derived(mark: Mark) -> bool:
    """Whether an option's value was made from its underlying's price: nobody quoted it."""
    return mark.price_class == PriceClass.MODEL or mark.source == MODEL


def _suspect(mark: Mark) -> Mark:
    return replace(mark, price_class=PriceClass.SUSPECT.value, reason=PRICE_SUSPECT)
