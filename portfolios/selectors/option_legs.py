"""Positions with what is known of their Greeks: stored ones, or revalued at the moment's price."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from django.db.models import Max
from numpy.typing import NDArray

from marketdata.calculations import american
from marketdata.calculations.options import bsm, time_to_expiry
from marketdata.choices import OptionRight
from marketdata.models import OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import greeks as stored
from marketdata.selectors.exchange_rates import NO_EXCHANGE_RATE as NO_RATE
from marketdata.selectors.option_inputs import HIST_VOL
from marketdata.selectors.prices import Mark
from portfolios.calculations import greeks as sums
from portfolios.calculations.greeks import BookGreeks
from portfolios.choices import Quality
from portfolios.selectors.holdings import HeldLine

NOT_COMPUTED, NO_PRICE, NO_VOLATILITY, EXPIRED = (
    "not_computed",
    "no_price",
    "no_volatility",
    "expired",
)
LINEAR = "linear"
REVALUED, OLDER = "revalued", "older_volatility"  # flags beside those of the stored row
SAME_PRICE = 1e-6  # relative: a stored row was computed at this price
UNKNOWN = (np.nan,) * len(sums.ORDER)
WHY = {
    NOT_COMPUTED: "its Greeks have not been computed in the last five sessions",
    NO_PRICE: "no price of the underlying is known",
    "price_stale": "the price of the underlying is older than five sessions",
    "price_suspect": "a newer price of the underlying is held back until a person has looked",
    NO_VOLATILITY: "no volatility is known",
    "no_rate": "no Treasury yield of the five days before is known",
    "no_dividend_yield": "no dividend yield is known",
    "no_spot": "the underlying had no close",
    "out_of_range": "its figures are beyond what can be computed",
    EXPIRED: "it has expired and waits for its settlement",
}


class When(NamedTuple):
    """The moment legs are valued at."""

    at: datetime
    session_date: date  # that the moment belongs to
    last_close: date  # whose stored Greeks are current
    live: bool


@dataclass(frozen=True, slots=True)
class Leg:
    """One position: an option, or the thing itself, which has a delta of 1 a unit."""

    instrument_id: UUID
    symbol: str
    kind: str
    quantity: Decimal
    multiplier: Decimal
    underlying: str
    spot: float | None  # of the underlying, dollars
    price_session: date | None
    contract: OptionContract | None
    units: tuple[float, ...]  # ORDER of one unit, NaN where unknown
    row: tuple[float, ...]  # FIGURES of the position, NaN where unknown
    iv: float | None
    rate: float | None
    dividend_yield: float | None
    years: float | None
    vol_source: str
    model: str  # bsm, lr201, linear
    flags: tuple[str, ...]
    computed_on: date | None  # the close that the volatility is of
    reason: str  # empty, expired, or why there are no figures
    detail: str  # the reason in words
    quality: str
    to_book: float = 1.0  # the book's money for one unit of what spot and strike are in

    @property
    def is_option(self) -> bool:
        """Whether it is an option."""
        return self.contract is not None

    @property
    def known(self) -> bool:
        """Whether there are figures."""
        return not np.isnan(self.row[0])

    @property
    def alive(self) -> bool:
        """An option with figures that has not expired: what scenarios move."""
        return self.is_option and self.known and self.reason != EXPIRED

    @property
    def greeks(self) -> BookGreeks | None:
        """Of the position; None without figures."""
        return sums.summed(np.array([self.row])) if self.known else None

    @property
    def notional(self) -> float | None:
        """|quantity| times multiplier times the price of the underlying, dollars."""
        size = float(abs(self.quantity) * self.multiplier)
        return None if self.spot is None else size * self.spot * self.to_book


class _Priced(NamedTuple):
    """What is known of one contract at the moment."""

    units: tuple[float, ...]
    model: str
    reason: str = ""
    flags: tuple[str, ...] = ()


class _World(NamedTuple):
    """What the legs of one book are made from, by instrument."""

    contracts: Mapping[UUID, OptionContract]
    marks: Mapping[UUID, Mark]
    rows: Mapping[UUID, OptionGreeks | None]
    years: Mapping[UUID, float]
    when: When

    def spot(self, key: UUID) -> float | None:
        """Price of the underlying of an option, or of what is none."""
        return spot_of(self.marks.get(self.below(key)))

    def below(self, key: UUID) -> UUID:
        """The instrument whose price matters."""
        return self.contracts[key].underlying_id if key in self.contracts else key

    def why_no_spot(self, key: UUID) -> str:
        """Reason of a price that is missing or too old."""
        mark = self.marks.get(self.below(key))
        return (mark.reason if mark else "") or NO_PRICE


def legs(
    *,
    lines: Sequence[HeldLine],
    contracts: Mapping[UUID, OptionContract],
    marks: Mapping[UUID, Mark],
    when: When,
    rates: Mapping[str, float | None] | None = None,
) -> list[Leg]:
    """Every line as a leg, in the order given: two queries, three where a volatility is missing.

    Parameters
    ----------
    lines : sequence of HeldLine
        Of one book.
    contracts : mapping
        Terms with their underlying, by the option's instrument.
    marks : mapping
        Of underlyings and of what is no option, by instrument.
    when : When
        Stored Greeks are shown where they are of this close and this price. In a session, and
        where the newest row is older, the figures are computed anew from the row's volatility,
        rate and dividend yield, and flagged.
    rates : mapping, optional
        The book's money for one unit of each foreign currency, None where nobody knows it: then
        there are no figures. Spots stay in their own.

    Returns
    -------
    list of Leg
        Options without a usable row or price have no figures, and say why.
    """
    wanted = [each.pk for each in contracts.values()]
    found = stored.latest(contract_ids=wanted, until=when.last_close) if wanted else {}
    world = _World(
        contracts,
        marks,
        {key: found.get(each.pk) for key, each in contracts.items()},
        {
            key: time_to_expiry(when.at, each.expiry, am_settled=each.am_settled)
            for key, each in contracts.items()
        },
        when,
    )
    priced = _priced(world)
    quoted = _last_quotes(
        [contracts[key].pk for key, each in priced.items() if each.reason == NO_VOLATILITY], when
    )
    made = [
        _option(line, world, priced[line.instrument_id], quoted)
        if line.instrument_id in contracts
        else _linear(line, world)
        for line in lines
    ]
    rows = sums.figures(
        np.array([float(each.quantity) for each in made]),
        np.array([float(each.multiplier) for each in made]),
        np.array([_known_spot(each) for each in made]),
        np.array([each.is_option for each in made], dtype=bool),
        np.array([each.units for each in made]).reshape(-1, len(sums.ORDER)),
    )
    scaled = [
        _in_book(tuple(row), (rates or {}).get(line.currency, 1.0))
        for line, row in zip(lines, rows.tolist(), strict=True)
    ]
    return [
        replace(each, row=row, **_unconverted(line, rates))
        for each, row, line in zip(made, scaled, lines, strict=True)
    ]


def _in_book(row: tuple[float, ...], rate: float | None) -> tuple[float, ...]:
    """Figures of a position in the book's money; delta and gamma count units."""
    if rate is None:
        return (np.nan,) * len(row)
    return tuple(
        figure if name in ("delta", "gamma") else figure * rate
        for name, figure in zip(sums.FIGURES, row, strict=True)
    )


def _unconverted(line: HeldLine, rates: Mapping[str, float | None] | None) -> dict[str, Any]:
    rate = (rates or {}).get(line.currency, 1.0)
    if rate is not None:
        return {"to_book": rate}
    return {"reason": NO_RATE, "detail": _in_words(NO_RATE, None), "quality": _quality(NO_RATE, ())}


def _known_spot(leg: Leg) -> float:
    """NaN where it is missing; what has expired needs none."""
    if leg.spot is None:
        return 0.0 if leg.reason == EXPIRED else np.nan
    return leg.spot


def spot_of(mark: Mark | None) -> float | None:
    """A usable price as a float."""
    return float(mark.price) if mark is not None and mark.usable and mark.price else None


def _priced(world: _World) -> dict[UUID, _Priced]:
    """Unit Greeks of every contract: stored, computed anew, or why not."""
    found: dict[UUID, _Priced] = {}
    anew: list[UUID] = []
    for key, row in world.rows.items():
        spot = world.spot(key)
        if world.years[key] <= 0.0:
            found[key] = _Priced((0.0,) * len(sums.ORDER), american.BSM, EXPIRED)
        elif row is None:
            found[key] = _Priced(UNKNOWN, "", NOT_COMPUTED)
        elif spot is None:
            found[key] = _Priced(UNKNOWN, "", world.why_no_spot(key))
        elif _is_current(row, spot, world.when):
            found[key] = _Priced(_units(row), row.model)
        elif None in (row.iv, row.rate, row.dividend_yield):
            found[key] = _Priced(UNKNOWN, "", row.reason or NO_VOLATILITY)
        else:
            anew.append(key)
    return found | _revalued(anew, world)


def _is_current(row: OptionGreeks, spot: float, when: When) -> bool:
    """Whether a stored row is of this close and of the price that is shown."""
    if when.live or row.session_date != when.session_date or row.delta is None:
        return False
    return abs((row.underlying_price or 0.0) - spot) <= SAME_PRICE * spot


def _units(row: OptionGreeks) -> tuple[float, ...]:
    values = [getattr(row, name) for name in sums.ORDER]
    return tuple(np.nan if value is None else value for value in values)


def _revalued(keys: Sequence[UUID], world: _World) -> dict[UUID, _Priced]:
    """Greeks at the moment's price and time, each by the model its row was computed with."""
    found: dict[UUID, _Priced] = {}
    on_tree = {key for key in keys if world.rows[key].model == american.TREE}  # type: ignore[union-attr]
    for tree in (False, True):
        chosen = [key for key in keys if (key in on_tree) is tree]
        if not chosen:
            continue
        given = _market(chosen, world)
        if tree:
            shown = american.american_greeks(*given)
            priced, models = shown.priced, shown.models
        else:
            priced, models = bsm(*given), [american.BSM] * len(chosen)
        reasons = priced.reasons()
        for place, key in enumerate(chosen):
            row = world.rows[key]
            old = row is not None and row.session_date < world.when.last_close
            flags = (REVALUED, OLDER) if old else (REVALUED,)
            units = tuple(priced.values[1:, place].tolist())
            found[key] = _Priced(units, models[place] or "", reasons[place] or "", flags)
    return found


def _market(keys: Sequence[UUID], world: _World) -> list[NDArray[Any]]:
    """The seven arguments of the pricing kernels."""
    rows = [world.rows[key] for key in keys]
    terms = [world.contracts[key] for key in keys]
    return [
        np.array([world.spot(key) for key in keys], dtype=float),
        np.array([float(each.strike) for each in terms]),
        *(
            np.array([getattr(row, name) for row in rows], dtype=float)
            for name in ("rate", "dividend_yield", "iv")
        ),
        np.array([world.years[key] for key in keys]),
        np.array([each.right == OptionRight.CALL for each in terms]),
    ]


def _last_quotes(contract_ids: Sequence[UUID], when: When) -> dict[UUID, date]:
    """The newest session each contract had a volatility of its own in."""
    if not contract_ids:
        return {}
    rows = OptionQuote.objects.filter(
        contract_id__in=contract_ids, session_date__lte=when.session_date, iv__isnull=False
    )
    return dict(rows.values_list("contract_id").annotate(newest=Max("session_date")).order_by())


def _option(line: HeldLine, world: _World, priced: _Priced, quoted: Mapping[UUID, date]) -> Leg:
    key = line.instrument_id
    contract, row = world.contracts[key], world.rows[key]
    flags = (*(row.flags if row else ()), *priced.flags)
    return Leg(
        **_held(line, world),
        underlying=contract.underlying.symbol,
        contract=contract,
        units=priced.units,
        row=(),
        iv=row.iv if row else None,
        rate=row.rate if row else None,
        dividend_yield=row.dividend_yield if row else None,
        years=world.years[key],
        vol_source=row.vol_source if row else "",
        model=priced.model,
        flags=flags,
        computed_on=row.session_date if row else None,
        reason=priced.reason,
        detail=_in_words(priced.reason, quoted.get(contract.pk)),
        quality=_quality(priced.reason, flags),
    )


def _linear(line: HeldLine, world: _World) -> Leg:
    spot = world.spot(line.instrument_id)
    reason = "" if spot is not None else world.why_no_spot(line.instrument_id)
    return Leg(
        **_held(line, world),
        underlying=line.symbol,
        contract=None,
        units=UNKNOWN,
        row=(),
        iv=None,
        rate=None,
        dividend_yield=None,
        years=None,
        vol_source="",
        model=LINEAR,
        flags=(),
        computed_on=None,
        reason=reason,
        detail=_in_words(reason, None),
        quality=_quality(reason, ()),
    )


def _held(line: HeldLine, world: _World) -> dict[str, Any]:
    mark = world.marks.get(world.below(line.instrument_id))
    return {
        "instrument_id": line.instrument_id,
        "symbol": line.symbol,
        "kind": line.kind,
        "quantity": line.quantity,
        "multiplier": line.multiplier,
        "spot": world.spot(line.instrument_id),
        "price_session": mark.session_date if mark else None,
    }


def _in_words(reason: str, last_quote: date | None) -> str:
    if reason == NO_VOLATILITY and last_quote is not None:
        return f"no quote since {last_quote.day} {last_quote:%b %Y}"
    return WHY.get(reason, reason.replace("_", " "))


def _quality(reason: str, flags: Sequence[str]) -> str:
    if reason and reason != EXPIRED:
        return Quality.MISSING.value
    if OLDER in flags:
        return Quality.STALE.value
    return (Quality.FALLBACK if HIST_VOL in flags else Quality.FULL).value
