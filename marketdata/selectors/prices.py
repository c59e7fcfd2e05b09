"""Prices by label: marks of a session or of the moment, and panels for kernels.

No answer holds a row later than the session it was asked for.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

import numpy as np
from django.db.models import Q, Subquery
from numpy.typing import NDArray

from marketdata.calculations.returns import simple_returns
from marketdata.choices import InstrumentKind, PriceClass
from marketdata.constants import DELAYED_AGE, LIVE_AGE
from marketdata.models import (
    DailyBar,
    Instrument,
    OptionContract,
    PriceSeries,
    Quote,
    ReplayClock,
)
from marketdata.selectors import bar_marks, calendar, open_doubts, option_marks, suspects
from marketdata.selectors.bar_marks import Mark, Sensitivities, in_units
from marketdata.selectors.sessions import Moment

Contracts = Mapping[UUID, OptionContract]  # by the option's instrument, with their underlyings

__all__ = [
    "Mark",
    "PricePanel",
    "Sensitivities",
    "closing_marks",
    "history",
    "in_units",
    "live_marks",
    "marks",
    "newest_closes",
    "panel",
]


@dataclass(frozen=True, slots=True)
class PricePanel:
    """Closes by label: entry [i, j] is symbols[j] on sessions[i], NaN where there is none."""

    symbols: tuple[str, ...]
    sessions: NDArray[np.datetime64]  # (t,), oldest first
    close: NDArray[np.float64]  # (t, n), what positions are valued at
    total_return: NDArray[np.float64]  # (t, n), adjusted where the source has it
    volume: NDArray[np.float64]  # (t, n)
    breaks: tuple[tuple[int, int], ...] = ()  # (row, column): no return is taken into this row

    def returns(self) -> NDArray[np.float64]:
        """Simple returns, shape (t - 1, n); NaN at gaps and where the price basis changes."""
        result = simple_returns(self.total_return)
        for row, column in self.breaks:
            if row > 0:
                result[row - 1, column] = np.nan
        return result


def marks(*, instruments: Iterable[Instrument], session_date: date) -> dict[UUID, Mark]:
    """The close of a session per instrument; an older one is STALE and says its session.

    Prices are in the session's own units: what later splits did to stored bars is undone. An
    option has its quote or its model value of exactly that session, see `option_marks.closing`.
    """
    return _closing(instruments, session_date)[0]


def closing_marks(*, instruments: Iterable[Instrument], session_date: date) -> dict[UUID, Mark]:
    """`marks` as the record of a close keeps them: with a newer price in quarantine SUSPECT."""
    asked = list(instruments)
    contracts = _contracts(_by_kind(asked)[1])
    found, in_doubt = _closing(asked, session_date, contracts)
    return _doubted(found, session_date, contracts) if in_doubt else found


def _contracts(options: Iterable[Instrument], known: Contracts | None = None) -> Contracts:
    """The terms of options, asked where nobody handed them on."""
    keys = [each.pk for each in options]
    if known is None:
        return option_marks.of_instruments(keys)
    return {key: known[key] for key in keys if key in known}


def _doubted(found: dict[UUID, Mark], session_date: date, contracts: Contracts) -> dict[UUID, Mark]:
    under = {key: each.underlying_id for key, each in contracts.items()}
    return suspects.marked(found, until=session_date, options=under)


def _closing(
    instruments: Iterable[Instrument], session_date: date, contracts: Contracts | None = None
) -> tuple[dict[UUID, Mark], bool]:
    plain, options = _by_kind(instruments)
    found, in_doubt = bar_marks.read(instruments=plain, session_date=session_date)
    if options:
        found |= option_marks.closing(
            instruments=options, session_date=session_date, contracts=contracts
        )
    return found, in_doubt


def _by_kind(asked: Iterable[Instrument]) -> tuple[list[Instrument], list[Instrument]]:
    """What has prices of its own, and options."""
    plain: list[Instrument] = []
    contracts: list[Instrument] = []
    for each in asked:
        (contracts if each.kind == InstrumentKind.OPTION else plain).append(each)
    return plain, contracts


def live_marks(
    *, instruments: Iterable[Instrument], moment: Moment, contracts: Contracts | None = None
) -> dict[UUID, Mark]:
    """Prices of the moment: quotes while a session plays, closes otherwise.

    A bar that passed since the moment was asked has replaced its quotes: those of the newer bar
    serve then, and say their own time. Yesterday's close is no answer to that. Options follow
    their underlyings by their newest Greeks. A price with a newer one in quarantine is SUSPECT.
    Who has read the options' terms hands them on, with their underlyings.
    """
    if moment.playing is None:
        return newest_closes(
            instruments=instruments, session_date=moment.session_date, contracts=contracts
        )
    plain, options = _by_kind(instruments)
    if not options:
        found, in_doubt = _playing_marks(plain, moment)
        return suspects.marked(found, until=moment.playing) if in_doubt else found
    terms = _contracts(options, contracts)
    under = {each.underlying_id: each.underlying for each in terms.values()}
    spots, in_doubt = _playing_marks((under | {each.pk: each for each in plain}).values(), moment)
    live = option_marks.revalued(
        instruments=options,
        contracts=terms,
        spots=spots,
        session_date=moment.session_date,
        moment=moment.as_of,
    )
    found = {each.pk: spots[each.pk] for each in plain} | live
    return _doubted(found, moment.playing, terms) if in_doubt else found


def newest_closes(
    *, instruments: Iterable[Instrument], session_date: date, contracts: Contracts | None = None
) -> dict[UUID, Mark]:
    """The closes a clock stands on: `closing_marks`, and options without a price of the session.

    Between the close and the evening's Greeks these follow their underlyings by the last ones.
    """
    asked = list(instruments)
    options = _by_kind(asked)[1]
    terms = _contracts(options, contracts)
    found, in_doubt = _closing(asked, session_date, terms)
    late = [each for each in options if found[each.pk].price is None]
    if late:
        found |= _followed(late, session_date, _contracts(late, terms))
    return _doubted(found, session_date, terms) if in_doubt else found


def _followed(late: list[Instrument], session_date: date, contracts: Contracts) -> dict[UUID, Mark]:
    under = {each.underlying_id: each.underlying for each in contracts.values()}
    return option_marks.revalued(
        instruments=late,
        contracts=contracts,
        spots=marks(instruments=under.values(), session_date=session_date),
        session_date=session_date,
        moment=calendar.close_time(session_date),
    )


def _playing_marks(asked: Iterable[Instrument], moment: Moment) -> tuple[dict[UUID, Mark], bool]:
    """Quotes, else closes, and whether some price may be held back."""
    assert moment.playing is not None
    several = list(asked)
    shown = ReplayClock.objects.filter(playing=moment.playing, round=moment.round).values("as_of")
    quotes = Quote.objects.filter(
        Q(as_of__lte=moment.as_of) | Q(as_of__lte=Subquery(shown)),
        instrument_id__in=[each.pk for each in several],
        session_date=moment.playing,
    )
    rows = list(quotes.annotate(in_doubt=open_doubts.exist()))
    quoted = {quote.instrument_id: quote for quote in rows}
    closes, in_doubt = _closing(
        [each for each in several if each.pk not in quoted], moment.session_date
    )
    live = {each.pk: _live(each, quoted[each.pk], moment) for each in several if each.pk in quoted}
    return live | closes, rows[0].in_doubt if rows else in_doubt


def _live(instrument: Instrument, quote: Quote, moment: Moment) -> Mark:
    age = moment.as_of - quote.as_of
    if age <= LIVE_AGE:
        price_class = PriceClass.LIVE
    elif age <= DELAYED_AGE:
        price_class = PriceClass.DELAYED
    else:
        price_class = PriceClass.STALE
    return Mark(
        instrument_id=instrument.pk,
        symbol=instrument.symbol,
        price=quote.price,
        as_of=quote.as_of,
        session_date=quote.session_date,
        price_class=price_class.value,
        source=quote.source,
        previous_close=quote.previous_close,
        volume=quote.volume,
    )


def panel(
    *,
    symbols: Iterable[str],
    until: date,
    rows: int | None = None,
    start: date | None = None,
) -> PricePanel:
    """Closes of the symbols on the exchange's sessions, up to and including `until`.

    `rows` keeps the newest so many sessions, `start` the ones from that day on. Symbols come back
    sorted; an unknown one is a column of NaN.
    """
    labels = tuple(sorted(set(symbols)))
    stored = {
        series.instrument.symbol: series
        for series in PriceSeries.objects.filter(instrument__symbol__in=labels).select_related(
            "instrument"
        )
    }
    first = start or min((each.first_session for each in stored.values()), default=until)
    sessions = np.array(calendar.between(first, until), dtype="datetime64[D]")
    if rows is not None:
        sessions = sessions[-rows:]
    shape = (sessions.size, len(labels))
    close, total, volume = (np.full(shape, np.nan) for _ in range(3))
    breaks: list[tuple[int, int]] = []
    for column, symbol in enumerate(labels):
        if symbol in stored:
            breaks += _fill(stored[symbol], sessions, column, close, total, volume)
    return PricePanel(labels, sessions, close, total, volume, tuple(breaks))


def _fill(
    series: PriceSeries,
    sessions: NDArray[np.datetime64],
    column: int,
    close: NDArray[np.float64],
    total: NDArray[np.float64],
    volume: NDArray[np.float64],
) -> list[tuple[int, int]]:
    days = series.sessions.astype("int64").astype("datetime64[D]")
    place = np.searchsorted(sessions, days)
    inside = place < sessions.size
    inside[inside] = sessions[place[inside]] == days[inside]
    at = place[inside]
    close[at, column] = series.close[inside]
    total[at, column] = series.total_return[inside]
    volume[at, column] = series.volume[inside]
    new_basis = [days[index] for index in series.basis_breaks]
    rows = np.searchsorted(sessions, np.array(new_basis, dtype="datetime64[D]"))
    return [(int(row), column) for row in rows if 0 < row < sessions.size]


def history(*, instrument: Instrument, until: date, limit: int = 250) -> list[DailyBar]:
    """The newest bars of one instrument, newest first, none after `until`."""
    bars = DailyBar.objects.filter(instrument=instrument, session_date__lte=until)
    return list(bars.order_by("-session_date")[:limit])
