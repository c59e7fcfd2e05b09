"""What is known of instruments before a batch of their ticks: the last believed price, the day."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import OuterRef, QuerySet, Subquery
from numpy.typing import NDArray

from marketdata.calculations import tick_batch
from marketdata.calculations.tick_batch import TickBatch
from marketdata.choices import ActionKind, ActionStatus, QuarantineState
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice, Quote
from marketdata.selectors import calendar

DATASET = "quotes"
_FEW = 500  # ids; more are looked up by reading all rows
_HOUR_US = 3_600_000_000
_NEVER = np.iinfo(np.int64).min
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class References:
    """Per label of a batch, m of them; NaN where nothing is known."""

    price: NDArray[np.float64]  # last believed, dollars
    ts: NDArray[np.int64]  # of the stored quote, microseconds
    session: NDArray[np.int64]  # newest one of the batch's ticks, days since 1970-01-01
    previous_close: NDArray[np.float64]  # before that session, dollars
    volume: NDArray[np.float64]  # of that session so far, shares

    def session_volume(self, fresh: TickBatch, ahead: TickBatch) -> NDArray[np.float64]:
        """Shares of the session for the quotes that move: as the source says, else added up."""
        added = np.zeros(self.price.size)
        said = ~np.isnan(fresh.volume)
        same = said & (sessions_of(fresh.ts) == self.session[fresh.symbol])
        np.add.at(added, fresh.symbol[same], fresh.volume[same])
        heard = np.zeros(self.price.size, dtype=bool)
        heard[fresh.symbol[same]] = True
        so_far = np.where(heard, np.nan_to_num(self.volume) + added, self.volume)
        whole: NDArray[np.float64] = np.where(
            np.isnan(ahead.day_volume), so_far[ahead.symbol], ahead.day_volume
        )
        return whole


def sessions_of(ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The session of each moment, days since 1970-01-01; between sessions the one before."""
    hours, places = np.unique(ts // _HOUR_US, return_inverse=True)
    days = [
        calendar.on_or_before(
            tick_batch.moment(hour * _HOUR_US).astimezone(calendar.NEW_YORK).date()
        )
        for hour in hours.tolist()
    ]
    found = np.array([(day - _EPOCH).days for day in days], np.int64)
    return found[places]


def references(ticks: TickBatch, ids: Mapping[str, UUID]) -> References:
    """Read what the batch's labels are compared with. Rows are by symbol, then time."""
    size = len(ticks.symbols)
    last = tick_batch.newest(ticks.symbol)
    session = np.zeros(size, np.int64)
    session[ticks.symbol[last]] = sessions_of(ticks.ts[last])
    place_of = {ids[ticks.symbols[place]]: place for place in ticks.symbol[last].tolist()}
    nothing = [np.full(size, np.nan) for _ in range(3)]
    found = References(nothing[0], np.full(size, _NEVER), session, nothing[1], nothing[2])
    new_day = set(place_of)
    for row in _of(Quote.objects.all(), place_of).values_list(
        "instrument_id", "price", "as_of", "session_date", "previous_close", "volume"
    ):
        new_day -= _note_quote(found, place_of, row)
    _note_closes(found, place_of, new_day)
    _note_confirmed(found, place_of)
    return found


def _note_quote(found: References, place_of: Mapping[UUID, int], row: tuple[Any, ...]) -> set[UUID]:
    """Take a stored quote in; its instrument, when the quote is of the batch's session."""
    owner, price, as_of, session, previous, volume = row
    place = place_of.get(owner)
    if place is None:
        return set()
    found.price[place] = float(price)
    found.ts[place] = tick_batch.microseconds(as_of)
    if (session - _EPOCH).days < found.session[place]:
        return set()
    # a batch of an older session replaces no quote: what is stored stays right
    found.previous_close[place] = np.nan if previous is None else float(previous)
    found.volume[place] = np.nan if volume is None else float(volume)
    return {owner}


def _note_closes(found: References, place_of: Mapping[UUID, int], asked: set[UUID]) -> None:
    """Closes before the session, for instruments without a quote of that session."""
    days = {int(found.session[place_of[owner]]) for owner in asked}
    for day in sorted(days):
        owners = {owner for owner in asked if found.session[place_of[owner]] == day}
        session = _EPOCH + timedelta(days=day)
        splits = _splits(owners, session)
        earlier = DailyBar.objects.filter(
            instrument_id=OuterRef("pk"), session_date__lt=session
        ).order_by("-session_date")
        rows = Instrument.objects.annotate(
            last_close=Subquery(earlier.values("close")[:1]),
            last_session=Subquery(earlier.values("session_date")[:1]),
        )
        for owner, close, since in _of(rows, owners, "pk").values_list(
            "pk", "last_close", "last_session"
        ):
            if owner in owners and close is not None:
                place = place_of[owner]
                found.previous_close[place] = found.price[place] = float(close)
                for ex_date, ratio in splits.get(owner, ()):
                    if since < ex_date:
                        found.price[place] /= ratio


def _splits(owners: set[UUID], session: date) -> dict[UUID, list[tuple[date, float]]]:
    """Ratios that explain a move. Applied ones are in the stored prices already."""
    rows = CorporateAction.objects.filter(
        kind=ActionKind.SPLIT, status=ActionStatus.PENDING, ex_date__lte=session
    )
    splits: dict[UUID, list[tuple[date, float]]] = {}
    for owner, ex_date, ratio in rows.values_list("instrument_id", "ex_date", "ratio"):
        if owner in owners and ratio:
            splits.setdefault(owner, []).append((ex_date, float(ratio)))
    return splits


def _note_confirmed(found: References, place_of: Mapping[UUID, int]) -> None:
    """A price that a person has vouched for is believed like a stored one."""
    days = found.session[list(place_of.values())]
    since = _EPOCH + timedelta(days=int(days.min()))
    rows = QuarantinedPrice.objects.filter(
        dataset=DATASET, state=QuarantineState.ACCEPTED, session_date__gte=since
    ).order_by("as_of")
    for owner, value, as_of in rows.values_list("instrument_id", "value", "as_of"):
        place = place_of.get(owner)
        if place is not None and as_of and tick_batch.microseconds(as_of) > found.ts[place]:
            found.price[place] = float(value)


def _of(rows: QuerySet[Any], owners: Iterable[UUID], key: str = "instrument_id") -> QuerySet[Any]:
    wanted = list(owners)
    return rows.filter(**{f"{key}__in": wanted}) if len(wanted) <= _FEW else rows
