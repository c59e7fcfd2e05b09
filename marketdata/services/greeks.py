"""Greeks of every contract that matters at a close: inputs, one pass, one row a contract."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import Q
from numpy.typing import NDArray

from marketdata.calculations import american, options, second_opinion
from marketdata.calculations.second_opinion import Comparison
from marketdata.calculations.smile import at_strike
from marketdata.choices import ExerciseStyle, OptionRight, Source, VolSource
from marketdata.constants import APART, SIMULATED
from marketdata.models import OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import calendar, contracts, option_inputs
from marketdata.selectors.option_inputs import Market
from marketdata.services import changed_rows

SAMPLE = 20
UNIQUE = ("contract", "session_date")
FIGURES = (
    *options.FIELDS,
    "iv",
    "vol_source",
    "underlying_price",
    "rate",
    "dividend_yield",
    "t_years",
    "model",
    "reason",
    "flags",
)
EXPIRED = "expired"
NOT_ASKED = Comparison(0, 0, None, None, "no_contracts")


@dataclass(frozen=True, slots=True)
class Computed:
    """What one pass did; `result` is what the job keeps."""

    contracts: int
    written: int
    nulls: dict[str, int] = field(default_factory=dict)
    vol_sources: dict[str, int] = field(default_factory=dict)
    models: dict[str, int] = field(default_factory=dict)
    opinion: Comparison = NOT_ASKED

    def result(self) -> dict[str, Any]:
        """Plain JSON for the job's record."""
        other = self.opinion
        return {
            "contracts": self.contracts,
            "written": self.written,
            "nulls": self.nulls,
            "vol_sources": self.vol_sources,
            "models": self.models,
            "second_opinion": {
                "engine": "mibian",
                "compared": other.compared,
                "skipped": other.skipped,
                "largest_difference": other.largest,
                "field": other.field,
                "reason": other.reason,
            },
        }


@dataclass(frozen=True, slots=True)
class _Inputs:
    """One entry a contract; NaN where an input is not known."""

    spot: NDArray[np.float64]
    strike: NDArray[np.float64]
    rate: NDArray[np.float64]
    dividend_yield: NDArray[np.float64]
    volatility: NDArray[np.float64]
    years: NDArray[np.float64]
    is_call: NDArray[np.bool_]
    american: NDArray[np.bool_]
    vol_sources: list[str]
    flags: list[list[str]]

    def market(self, part: Any = slice(None)) -> list[NDArray[Any]]:
        """The seven arguments of the pricing kernels."""
        whole = (
            self.spot,
            self.strike,
            self.rate,
            self.dividend_yield,
            self.volatility,
            self.years,
            self.is_call,
        )
        return [one[part] for one in whole]


def compute(
    *,
    session_date: date,
    held: Iterable[UUID] = (),
    watched: Iterable[UUID] = (),
    run_id: UUID | None = None,
) -> Computed:
    """Price contracts at a session's close and keep one row each; a second run writes nothing.

    Parameters
    ----------
    session_date : date
        Nothing later is read. Contracts are valued at 16:00 in New York.
    held : iterable of UUID
        Instruments of options in any book; they count after their expiry too.
    watched : iterable of UUID
        Underlyings whose living contracts are wanted.
    run_id : UUID, optional
        Kept with the rows that are written.

    Returns
    -------
    Computed
        With the largest difference to the second opinion on a seeded sample of twenty.
    """
    which = contracts.to_value(held=held, watched=watched, on=session_date)
    rows = list(OptionContract.objects.filter(which).order_by("pk"))
    if not rows:
        return Computed(0, 0)
    inputs = option_inputs.market(
        underlying_ids={each.underlying_id for each in rows}, session_date=session_date
    )
    given = _gather(rows, inputs, _quoted(rows, session_date))
    figures, reasons, models = _price(given)
    priced = [
        _row(place, each, given, figures, reasons, models, session_date, run_id)
        for place, each in enumerate(rows)
    ]
    return Computed(
        contracts=len(rows),
        written=_write(priced, which, session_date),
        nulls=dict(Counter(each.reason for each in priced if each.delta is None)),
        vol_sources=dict(Counter(each.vol_source for each in priced if each.vol_source)),
        models=dict(Counter(each.model for each in priced if each.model)),
        opinion=_asked(given, session_date),
    )


def _write(rows: Sequence[OptionGreeks], which: Q, session_date: date) -> int:
    known = OptionGreeks.objects.filter(
        session_date=session_date,
        contract__in=OptionContract.objects.filter(which).values("pk"),
    )
    return changed_rows.upsert(
        rows,
        stored={each.contract_id: each for each in known},
        key=lambda row: row.contract_id,
        unique=UNIQUE,
        figures=FIGURES,
        beside=("run_id",),
    )


def _quoted(rows: Sequence[OptionContract], session_date: date) -> list[OptionQuote]:
    """The session's newest quote of each contract of these underlyings and expiries."""
    found = OptionQuote.objects.filter(
        session_date=session_date,
        contract__underlying_id__in={each.underlying_id for each in rows},
        contract__expiry__in={each.expiry for each in rows},
        iv__isnull=False,
    ).select_related("contract")
    newest = {each.contract_id: each for each in found.order_by("as_of", "source", "pk")}
    return list(newest.values())


def _gather(
    rows: Sequence[OptionContract], inputs: Market, quotes: Sequence[OptionQuote]
) -> _Inputs:
    years = _years(rows, inputs)
    rate, old_rate = inputs.rate(years)
    strike = np.array([float(each.strike) for each in rows])
    spot, dividend_yield = np.full(len(rows), np.nan), np.full(len(rows), np.nan)
    flags: list[list[str]] = []
    for place, each in enumerate(rows):
        under = inputs.underlyings[each.underlying_id]
        late = each.expiry < inputs.session_date
        level = under.close_on(each.expiry) if late else under.spot
        spot[place] = np.nan if level is None else level
        if under.dividend_yield is not None:
            dividend_yield[place] = under.dividend_yield
        old = [option_inputs.STALE_RATE] if old_rate[place] and years[place] > 0.0 else []
        flags.append([*under.flags, *old])
    volatility, sources = _volatility(rows, inputs, quotes, years, flags)
    return _Inputs(
        spot=spot,
        strike=strike,
        rate=rate,
        dividend_yield=dividend_yield,
        volatility=volatility,
        years=years,
        is_call=np.array([each.right == OptionRight.CALL for each in rows]),
        american=np.array([each.style == ExerciseStyle.AMERICAN for each in rows]),
        vol_sources=sources,
        flags=flags,
    )


def _years(rows: Sequence[OptionContract], inputs: Market) -> NDArray[np.float64]:
    kinds = {(each.expiry, each.am_settled) for each in rows}
    known = {
        (day, early): options.time_to_expiry(inputs.moment, day, am_settled=early)
        for day, early in kinds
    }
    return np.array([known[each.expiry, each.am_settled] for each in rows])


def _volatility(
    rows: Sequence[OptionContract],
    inputs: Market,
    quotes: Sequence[OptionQuote],
    years: NDArray[np.float64],
    flags: list[list[str]],
) -> tuple[NDArray[np.float64], list[str]]:
    """Own volatility, else between the quoted strikes of the expiry, else the past's."""
    own = {each.contract_id: each for each in quotes}
    smiles = _between(rows, own)
    made = {
        (each.contract.underlying_id, each.contract.expiry): [SIMULATED]
        for each in quotes
        if each.source == Source.SIM
    }
    level = np.full(len(rows), np.nan)
    sources = [""] * len(rows)
    for place, each in enumerate(rows):
        if years[place] <= 0.0:
            continue
        quote = own.get(each.pk)
        past = inputs.underlyings[each.underlying_id].historical
        if quote is not None and quote.iv is not None:
            level[place], sources[place] = quote.iv, quote.vol_source
            flags[place] += _doubts(quote, inputs)
        elif each.pk in smiles:
            level[place], sources[place] = smiles[each.pk], VolSource.SMILE.value
            flags[place] += made.get((each.underlying_id, each.expiry), [])
        elif past is not None:
            level[place], sources[place] = past, VolSource.HISTORICAL.value
            flags[place].append(option_inputs.HIST_VOL)
    return level, sources


def _doubts(quote: OptionQuote, inputs: Market) -> list[str]:
    found = []
    if abs(quote.as_of - calendar.close_time(inputs.session_date)) > APART:
        found.append(option_inputs.ASYNCHRONOUS)
    if quote.source == Source.SIM:
        found.append(SIMULATED)
    return found


def _between(rows: Sequence[OptionContract], own: dict[UUID, OptionQuote]) -> dict[UUID, float]:
    """Volatility of the contracts without a quote, by interpolation within their expiry."""
    asked: dict[tuple[UUID, date], list[OptionContract]] = {}
    for each in rows:
        if each.pk not in own:
            asked.setdefault((each.underlying_id, each.expiry), []).append(each)
    known: dict[tuple[UUID, date], list[OptionQuote]] = {key: [] for key in asked}
    for quote in own.values():
        key = (quote.contract.underlying_id, quote.contract.expiry)
        if key in known:
            known[key].append(quote)
    found: dict[UUID, float] = {}
    for key, wanted in asked.items():
        level = at_strike(
            [float(each.contract.strike) for each in known[key]],
            [each.iv for each in known[key]],
            [float(each.strike) for each in wanted],
        ).tolist()
        found |= {
            each.pk: value for each, value in zip(wanted, level, strict=True) if value is not None
        }
    return found


def _price(
    given: _Inputs,
) -> tuple[NDArray[np.float64], list[str | None], list[str]]:
    """Price and Greeks (6, n), reasons and models: closed form, or the tree where it counts."""
    count = given.spot.size
    figures = np.full((len(options.FIELDS), count), np.nan)
    reasons: list[str | None] = [None] * count
    models = [american.BSM] * count
    european, early = np.flatnonzero(~given.american), np.flatnonzero(given.american)
    for places, tree in ((european, False), (early, True)):
        if not places.size:
            continue
        if tree:
            shown = american.american_greeks(*given.market(places))
            priced = shown.priced
            for place, model in zip(places.tolist(), shown.models, strict=True):
                models[place] = model or ""
        else:
            priced = options.bsm(*given.market(places))
        figures[:, places] = priced.values
        for place, reason in zip(places.tolist(), priced.reasons(), strict=True):
            reasons[place] = reason
    return figures, reasons, models


def _row(
    place: int,
    contract: OptionContract,
    given: _Inputs,
    figures: NDArray[np.float64],
    reasons: Sequence[str | None],
    models: Sequence[str],
    session_date: date,
    run_id: UUID | None,
) -> OptionGreeks:
    reason = reasons[place]
    over = given.years[place] <= 0.0
    values = (
        dict.fromkeys(options.FIELDS)
        if reason
        else dict(zip(options.FIELDS, figures[:, place].tolist(), strict=True))
    )
    return OptionGreeks(
        contract=contract,
        session_date=session_date,
        **values,
        iv=_or_none(given.volatility[place]),
        vol_source=given.vol_sources[place],
        underlying_price=_or_none(given.spot[place]),
        rate=None if over else _or_none(given.rate[place]),
        dividend_yield=None if over else _or_none(given.dividend_yield[place]),
        t_years=float(given.years[place]),
        model="" if reason else models[place],
        reason=reason or (EXPIRED if over else ""),
        flags=given.flags[place],
        run_id=run_id,
    )


def _asked(given: _Inputs, session_date: date) -> Comparison:
    """The closed form against mibian on twenty contracts, the same ones for the same session."""
    usable = np.flatnonzero((given.years > 0.0) & np.isfinite(sum(given.market()[:6])))
    chance = np.random.default_rng(session_date.toordinal())
    sample = chance.choice(usable, size=min(SAMPLE, usable.size), replace=False)
    return second_opinion.compare(
        [
            second_opinion.Contract(
                spot=float(given.spot[place]),
                strike=float(given.strike[place]),
                rate=float(given.rate[place]),
                dividend_yield=float(given.dividend_yield[place]),
                volatility=float(given.volatility[place]),
                years=float(given.years[place]),
                is_call=bool(given.is_call[place]),
            )
            for place in sorted(sample.tolist())
        ]
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
