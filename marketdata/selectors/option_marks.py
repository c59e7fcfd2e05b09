"""Marks of options: the quote's middle, else the model's value, at expiry what they settle at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core.money import FILL_PRICE, to_fill_price
from marketdata.calculations import american, options
from marketdata.calculations.options import time_to_expiry
from marketdata.calculations.splits import times
from marketdata.choices import OptionRight, PriceClass, Source
from marketdata.constants import APART, SIMULATED
from marketdata.models import DailyBar, Instrument, OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import bar_marks, calendar, corporate_actions, greeks
from marketdata.selectors.bar_marks import Mark, Sensitivities

MODEL = "model"  # source of a value that nobody quoted
NO_PRICE, NO_SETTLEMENT = "no_price", "no_settlement_price"
# why a quote has no volatility although everything beside it is known
IMPOSSIBLE = ("below_intrinsic", "above_maximum", "no_solution")
TWO = Decimal(2)
BATCH = 500


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a contract is worth at the close of its last session; None without that close."""

    session_date: date
    spot: Decimal | None
    intrinsic: Decimal | None  # currency a share


@dataclass(frozen=True, slots=True)
class _Priced:
    """One contract at one close."""

    price: Decimal | None
    source: str = ""
    price_class: str = ""
    as_of: datetime | None = None
    session_date: date | None = None
    reason: str = ""


class OptionTape:
    """Marks of options at the close of any session between two, from a few reads."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        first: date,
        last: date,
        contracts: Mapping[UUID, OptionContract] | None = None,
        greeks_from: date | None = None,
    ) -> None:
        self.instruments = {each.pk: each for each in instruments}
        self.contracts = of_instruments(self.instruments) if contracts is None else contracts
        keys = [each.pk for each in self.contracts.values()]
        start = calendar.previous(first)
        self.quotes = _quotes(keys, start, last)
        self.greeks = greeks.between(contract_ids=keys, first=greeks_from or start, last=last)
        over = [each for each in self.contracts.values() if each.expiry <= last]
        self.settled = settlements(over)
        self.splits = corporate_actions.factors(
            instruments=self.instruments.values(), session_date=start
        )

    @cached_property
    def barred(self) -> set[UUID]:
        """Those of which some source reported closes; asked when one has nothing better."""
        bars = DailyBar.objects.filter(instrument__in=list(self.instruments))
        return set(bars.order_by().values_list("instrument_id", flat=True).distinct())

    def at(self, session_date: date) -> dict[UUID, Mark]:
        """Marks of one session, in its own units, with the Greeks of that session."""
        before = calendar.previous(session_date)
        found = {
            key: self._mark(self.instruments[key], contract, session_date, before)
            for key, contract in self.contracts.items()
        }
        # closes some source reported, where there is neither quote nor model; and of instruments
        # that are called options and have no terms
        rest = [
            each
            for key, each in self.instruments.items()
            if key not in found or (found[key].price is None and key in self.barred)
        ]
        return found | bar_marks.marks(instruments=rest, session_date=session_date)

    def _mark(
        self, instrument: Instrument, contract: OptionContract, day: date, before: date
    ) -> Mark:
        now, earlier = self._priced(contract, day), self._priced(contract, before).price
        steps = self.splits.get(instrument.pk, ())
        between = corporate_actions.factor(steps, before) / corporate_actions.factor(steps, day)
        if earlier is not None and between != 1:
            earlier = times(earlier, Fraction(1) / between, FILL_PRICE)
        return Mark(
            instrument_id=instrument.pk,
            symbol=instrument.symbol,
            price=now.price,
            as_of=now.as_of,
            session_date=now.session_date,
            price_class=now.price_class,
            source=now.source,
            reason=now.reason,
            previous_close=earlier,
            greeks=self._sensitivities(contract, day),
        )

    def _priced(self, contract: OptionContract, day: date) -> _Priced:
        if contract.expiry <= day:
            return self._at_expiry(contract, day)
        quote = self.quotes.get((contract.pk, day))
        if quote is not None:
            assert quote.bid is not None
            assert quote.ask is not None
            middle = (quote.bid + quote.ask) / TWO
            return _Priced(middle, quote.source, PriceClass.EOD.value, quote.as_of, day)
        row = self.greeks.get((contract.pk, day))
        if row is None or row.price is None:
            return _Priced(None, reason=(row.reason if row else "") or NO_PRICE)
        at = calendar.close_time(day)
        price = to_fill_price(row.price)
        return _Priced(price, source_of(row), PriceClass.MODEL.value, at, day)

    def _at_expiry(self, contract: OptionContract, day: date) -> _Priced:
        end = self.settled[contract.pk]
        if end.intrinsic is None:
            return _Priced(None, reason=NO_SETTLEMENT)
        fresh = end.session_date == calendar.on_or_before(day)
        at = calendar.close_time(end.session_date)
        known = PriceClass.EOD if fresh else PriceClass.STALE
        return _Priced(end.intrinsic, MODEL, known.value, at, end.session_date)

    def _sensitivities(self, contract: OptionContract, day: date) -> Sensitivities | None:
        if contract.expiry <= day:
            spot = self.settled[contract.pk].spot
            return None if spot is None else Sensitivities(float(spot), 0.0, 0.0, 0.0, 0.0, 0.0)
        row = self.greeks.get((contract.pk, day))
        if row is None or row.delta is None or row.underlying_price is None:
            return None
        return Sensitivities(
            row.underlying_price, row.delta, row.gamma, row.theta, row.vega, row.rho, row.iv
        )


def closing(
    *,
    instruments: Iterable[Instrument],
    session_date: date,
    contracts: Mapping[UUID, OptionContract] | None = None,
) -> dict[UUID, Mark]:
    """Marks of options at one close.

    The middle of the quote at the close where both sides are above zero, else the session's model
    value (class `model`), else a close some source reported, else no price and the reason. On the
    day it expires, and after, a contract has its intrinsic value at that day's close of the
    underlying.
    """
    asked = list(instruments)
    if not asked:
        return {}
    return OptionTape(asked, session_date, session_date, contracts).at(session_date)


def of_instruments(instrument_ids: Iterable[UUID]) -> dict[UUID, OptionContract]:
    """The contract of each instrument that is an option, with its underlying."""
    wanted = list(instrument_ids)
    found: dict[UUID, OptionContract] = {}
    for start in range(0, len(wanted), BATCH):
        rows = OptionContract.objects.filter(instrument__in=wanted[start : start + BATCH])
        found |= {row.instrument_id: row for row in rows.select_related("underlying")}
    return found


def source_of(row: OptionGreeks) -> str:
    """`SIM` for a value that rests on simulated quotes, else `model`."""
    return Source.SIM.value if SIMULATED in row.flags else MODEL


def alive(contracts: Mapping[UUID, OptionContract], moment: datetime) -> dict[UUID, OptionContract]:
    """Contracts whose last session has not closed yet."""
    return {
        key: each
        for key, each in contracts.items()
        if calendar.close_time(calendar.on_or_before(each.expiry)) > moment
    }


def settlements(contracts: Iterable[OptionContract]) -> dict[UUID, Settlement]:
    """Intrinsic value of each contract at its last session's close, by contract.

    A contract that expires on a day without a session ends at the close before it. The close is
    of exactly that session, in its own units; no other price stands in for it.
    """
    asked = list(contracts)
    days: dict[date, set[Instrument]] = {}
    for each in asked:
        days.setdefault(calendar.on_or_before(each.expiry), set()).add(each.underlying)
    closes: dict[tuple[UUID, date], Decimal] = {}
    for day, under in days.items():
        for mark in bar_marks.marks(instruments=under, session_date=day).values():
            if mark.price is not None and mark.session_date == day:
                closes[mark.instrument_id, day] = mark.price
    found = {}
    for each in asked:
        day = calendar.on_or_before(each.expiry)
        spot = closes.get((each.underlying_id, day))
        found[each.pk] = Settlement(day, spot, None if spot is None else _intrinsic(each, spot))
    return found


def _intrinsic(contract: OptionContract, spot: Decimal) -> Decimal:
    gain = spot - contract.strike
    return max(gain if contract.right == OptionRight.CALL else -gain, Decimal(0))


class Revaluation:
    """Contracts with the inputs last known for them, valued again at any spot: one pass for all."""

    def __init__(
        self,
        contracts: Mapping[UUID, OptionContract],
        session_date: date,
        closes: Mapping[UUID, Mark],
        rows: Mapping[UUID, OptionGreeks] | None = None,
    ) -> None:
        """Take in contracts by instrument, and their marks at the close the session begins from."""
        if rows is None:
            keys = [each.pk for each in contracts.values()]
            rows = greeks.latest(contract_ids=keys, until=session_date)
        self.rows = {
            key: rows[each.pk]
            for key, each in contracts.items()
            if each.pk in rows and rows[each.pk].iv is not None
        }
        self.contracts = {key: contracts[key] for key in self.rows}
        chosen = list(self.rows.values())
        of = list(self.contracts.values())
        self.strike = np.array([float(each.strike) for each in of])
        self.is_call = np.array([each.right == OptionRight.CALL for each in of], dtype=bool)
        self.early = np.array([row.model == american.TREE for row in chosen], dtype=bool)
        self.rate, self.dividend_yield, self.volatility = (
            np.array([_or_nan(getattr(row, name)) for row in chosen])
            for name in ("rate", "dividend_yield", "iv")
        )
        self.basis = np.array([_basis(row, closes.get(key)) for key, row in self.rows.items()])

    def values(
        self, spots: Mapping[UUID, float], moment: datetime
    ) -> dict[UUID, tuple[float, Sensitivities]]:
        """Price and Greeks by instrument at spots by underlying, time running to the moment.

        Volatility, rate and dividend yield are those of the newest Greeks; so is the model. What
        the quote of that close was above the model is kept, so that an unchanged spot changes
        nothing. Of a tree only price and delta are taken.
        """
        if not self.rows:
            return {}
        of = list(self.contracts.values())
        spot = np.array([spots.get(each.underlying_id, np.nan) for each in of])
        terms = {(each.expiry, each.am_settled) for each in of}
        left = {(day, am): time_to_expiry(moment, day, am_settled=am) for day, am in terms}
        years = np.array([left[each.expiry, each.am_settled] for each in of])
        given = (
            spot, self.strike, self.rate, self.dividend_yield, self.volatility, years, self.is_call
        )  # fmt: skip
        table = options.bsm(*given).values.copy()
        places = np.flatnonzero(self.early)
        if places.size:
            tree = american.american(*(one[places] for one in given))
            table[:, places] = np.nan
            table[:2, places] = tree.values
        table[0] = np.maximum(table[0] + self.basis, 0.0)
        return _told(list(self.contracts), table, spot, self.volatility)


def _told(
    keys: Sequence[UUID],
    table: NDArray[np.float64],
    spot: NDArray[np.float64],
    volatility: NDArray[np.float64],
) -> dict[UUID, tuple[float, Sensitivities]]:
    found = {}
    for place, key in enumerate(keys):
        price, delta, *rest = table[:, place].tolist()
        if np.isfinite(price) and np.isfinite(delta):
            gamma, theta, vega, rho = (each if np.isfinite(each) else None for each in rest)
            level = float(volatility[place])
            at = float(spot[place])
            found[key] = (price, Sensitivities(at, delta, gamma, theta, vega, rho, level))
    return found


def revalued(
    *,
    instruments: Iterable[Instrument],
    contracts: Mapping[UUID, OptionContract],
    spots: Mapping[UUID, Mark],
    session_date: date,
    moment: datetime,
) -> dict[UUID, Mark]:
    """Marks of options from their newest Greeks at other prices of their underlyings.

    Parameters
    ----------
    instruments : iterable of Instrument
        Options.
    contracts : mapping of instrument id to OptionContract
        Theirs.
    spots : mapping of instrument id to Mark
        Of the underlyings, now; one without a usable price values nothing.
    session_date : date
        The last close; its marks are what the day's gain starts from.
    moment : datetime
        Aware; time to expiry runs from here.

    Returns
    -------
    dict
        Contracts without a volatility, and expired ones, have their mark of the close. Source
        `SIM` where the spot or the volatility is simulated, else `model`; class `model`.
    """
    asked = list(instruments)
    first = greeks.oldest(session_date)
    tape = OptionTape(asked, session_date, session_date, contracts, greeks_from=first)
    closes = tape.at(session_date)
    rows = greeks.newest(tape.greeks)
    engine = Revaluation(alive(contracts, moment), session_date, closes, rows)
    levels = {
        key: float(mark.price)
        for key, mark in spots.items()
        if mark.price is not None and mark.usable
    }
    found = dict(closes)
    for key, (price, known) in engine.values(levels, moment).items():
        spot = spots[contracts[key].underlying_id]
        before = closes[key]
        made_up = Source.SIM in (spot.source, source_of(engine.rows[key]))
        later = spot.session_date != session_date
        found[key] = replace(
            before,
            price=to_fill_price(price),
            as_of=spot.as_of,
            session_date=spot.session_date,
            price_class=PriceClass.MODEL.value,
            source=Source.SIM.value if made_up else MODEL,
            reason="",
            previous_close=before.price if later else before.previous_close,
            greeks=known,
        )
    return found


def _quotes(
    contract_ids: Sequence[UUID], first: date, last: date
) -> dict[tuple[UUID, date], OptionQuote]:
    """The newest two-sided quote of each contract at each session's close that could be one.

    A middle of hours before says nothing of the close, and one outside the bounds of arbitrage
    has no volatility: the model's value serves then.
    """
    ends = {day: calendar.close_time(day) for day in calendar.between(first, last)}
    found: dict[tuple[UUID, date], OptionQuote] = {}
    for start in range(0, len(contract_ids), BATCH):
        rows = OptionQuote.objects.filter(
            contract__in=contract_ids[start : start + BATCH],
            session_date__range=(first, last),
            bid__gt=0,
            ask__gt=0,
        ).exclude(reason__in=IMPOSSIBLE)
        for row in rows.order_by("as_of", "source", "pk"):
            end = ends.get(row.session_date)
            if end is not None and abs(row.as_of - end) <= APART:
                found[row.contract_id, row.session_date] = row
    return found


def _basis(row: OptionGreeks, close: Mark | None) -> float:
    """What a contract was quoted above its model value of the same close."""
    if close is None or close.price is None or close.session_date != row.session_date:
        return 0.0
    return float(close.price) - row.price if row.price is not None else 0.0


def _or_nan(value: float | None) -> float:
    return np.nan if value is None else value
