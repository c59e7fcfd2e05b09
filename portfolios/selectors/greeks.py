"""Greeks of one book by underlying, now or at a past close; expiries, and what is left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import numpy as np

from marketdata.calculations.options import NEW_YORK, PM_SETTLEMENT
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument, OptionContract
from marketdata.selectors import exchange_rates, prices, sessions
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.calculations import greeks as sums
from portfolios.calculations.greeks import BookGreeks
from portfolios.choices import Quality
from portfolios.models import Portfolio
from portfolios.selectors import holdings, option_legs, snapshots
from portfolios.selectors.holdings import HeldLine
from portfolios.selectors.option_legs import Leg, When

_WORST_LAST = (Quality.FULL, Quality.FALLBACK, Quality.STALE, Quality.MISSING)


@dataclass(frozen=True, slots=True)
class Group:
    """Everything held on one underlying; its sums leave out the legs without figures."""

    underlying: str
    spot: float | None
    price_session: date | None
    legs: tuple[Leg, ...]  # the thing itself, then options by expiry and strike
    greeks: BookGreeks

    @property
    def options(self) -> list[Leg]:
        """The option legs."""
        return [each for each in self.legs if each.is_option]

    @property
    def contracts(self) -> Decimal:
        """Option contracts, long and short alike."""
        return sum((abs(each.quantity) for each in self.options), Decimal(0))

    @property
    def shares(self) -> Decimal:
        """Signed units of the underlying itself."""
        return sum((e.quantity * e.multiplier for e in self.legs if not e.is_option), Decimal(0))

    @property
    def next_expiry(self) -> date | None:
        """The first expiry of what still lives."""
        return min((e.contract.expiry for e in self.legs if e.contract and e.alive), default=None)

    @property
    def iv(self) -> float | None:
        """Volatility of the living options, weighted with vega; None when none is known."""
        living = [each for each in self.legs if each.alive and each.iv is not None]
        return sums.mean_volatility(
            np.array([each.iv for each in living], dtype=float),
            np.array([each.row[3] for each in living], dtype=float),
        )

    @property
    def vol_sources(self) -> list[str]:
        """Where the volatilities of the living options come from."""
        return sorted({each.vol_source for each in self.legs if each.alive})


@dataclass(frozen=True, slots=True)
class Rung:
    """One expiry of the ladder."""

    expiry: date
    legs: int
    contracts: Decimal  # long and short alike
    theta: float | None  # dollars a day; None when no leg has figures
    notional: float | None  # dollars; None when a price is missing
    missing: int


@dataclass(frozen=True, slots=True)
class Book:
    """The Greeks of one portfolio."""

    portfolio: Portfolio
    as_of: datetime
    session_date: date
    live: bool  # at prices of a running session
    groups: tuple[Group, ...]  # those with options first, then by size of dollar delta
    greeks: BookGreeks
    ladder: tuple[Rung, ...]

    @property
    def legs(self) -> list[Leg]:
        """All legs."""
        return [leg for group in self.groups for leg in group.legs]

    @property
    def excluded(self) -> list[Leg]:
        """Legs that no sum contains."""
        return [each for each in self.legs if not each.known]

    @property
    def coverage(self) -> float | None:
        """Share of the legs that the sums contain; None for an empty book."""
        count = len(self.legs)
        return 1.0 - len(self.excluded) / count if count else None

    @property
    def quality(self) -> str:
        """The worst of the legs'."""
        found = {each.quality for each in self.legs}
        return next((e.value for e in reversed(_WORST_LAST) if e in found), Quality.FULL.value)

    @property
    def has_options(self) -> bool:
        """Whether any option is held."""
        return any(each.is_option for each in self.legs)

    def group(self, underlying: str) -> Group | None:
        """What is held on one underlying; None when nothing is."""
        wanted = underlying.upper()
        return next((each for each in self.groups if each.underlying.upper() == wanted), None)


def now(*, portfolio: Portfolio, moment: Moment) -> Book:
    """Greeks of what is held now, at the prices of the market clock's moment.

    Between sessions the stored figures of the last close; in a session the same volatilities at
    the prices of the moment. The number of queries does not depend on the number of legs.
    """
    lines = holdings.book(portfolio_id=portfolio.pk).lines
    contracts = _contracts(lines)
    marks = prices.live_marks(instruments=_priced(lines, contracts), moment=moment)
    at = moment.as_of if moment.in_session else _at_four(moment.session_date)
    when = When(at, moment.current, moment.session_date, moment.in_session)
    rates = exchange_rates.live(currencies=_currencies(portfolio, lines), moment=moment)
    return _book(portfolio, moment.as_of, lines, contracts, marks, when, rates)


def at(*, portfolio: Portfolio, session_date: date) -> Book | None:
    """Greeks of the newest snapshot not after a session; None before the first."""
    row = snapshots.latest(portfolio_id=portfolio.pk, until=session_date)
    if row is None:
        return None
    lines = [
        HeldLine(
            instrument_id=each.instrument_id,
            symbol=each.instrument.symbol,
            kind=each.instrument.kind,
            sector=each.instrument.sector,
            currency=each.instrument.currency,
            quantity=each.quantity,
            cost_basis=each.cost_basis,
            multiplier=each.instrument.multiplier,
            opened_on=None,
            position_id=None,
        )
        for each in snapshots.lines(snapshot=row)
    ]
    day = row.session_date
    contracts = _contracts(lines)
    marks = prices.closing_marks(instruments=_priced(lines, contracts), session_date=day)
    when = When(_at_four(day), day, day, live=False)
    as_of = sessions.at_close(day).as_of
    rates = exchange_rates.closing(currencies=_currencies(portfolio, lines), session_date=day)
    return _book(portfolio, as_of, lines, contracts, marks, when, rates)


def _currencies(portfolio: Portfolio, lines: Sequence[HeldLine]) -> set[str]:
    return {portfolio.base_currency, *(each.currency for each in lines)}


def _at_four(day: date) -> datetime:
    """When contracts are valued at a close."""
    return datetime.combine(day, PM_SETTLEMENT, tzinfo=NEW_YORK)


def _contracts(lines: Sequence[HeldLine]) -> dict[UUID, OptionContract]:
    """Terms of the options held, with their underlyings, by the option's instrument."""
    wanted = [each.instrument_id for each in lines if each.kind == InstrumentKind.OPTION]
    if not wanted:
        return {}
    rows = OptionContract.objects.filter(instrument_id__in=wanted).select_related("underlying")
    return {each.instrument_id: each for each in rows}


def _priced(lines: Sequence[HeldLine], contracts: dict[UUID, OptionContract]) -> list[Instrument]:
    """Underlyings, and what is no option."""
    below = {each.underlying_id: each.underlying for each in contracts.values()}
    held = {each.instrument_id for each in lines} - contracts.keys() - below.keys()
    rows = Instrument.objects.filter(pk__in=held) if held else ()
    return sorted([*below.values(), *rows], key=lambda each: each.symbol)


def _book(
    portfolio: Portfolio,
    as_of: datetime,
    lines: Sequence[HeldLine],
    contracts: dict[UUID, OptionContract],
    marks: dict[UUID, Mark],
    when: When,
    rates: Rates,
) -> Book:
    into = {each: rates.between(each, portfolio.base_currency).value for each in
            {line.currency for line in lines}}  # fmt: skip
    legs = option_legs.legs(
        lines=lines,
        contracts=contracts,
        marks=marks,
        when=when,
        rates={key: None if each is None else float(each) for key, each in into.items()},
    )
    return Book(
        portfolio=portfolio,
        as_of=as_of,
        session_date=when.session_date,
        live=when.live,
        groups=_groups(legs),
        greeks=_summed(legs),
        ladder=_ladder(legs),
    )


def _summed(legs: Sequence[Leg]) -> BookGreeks:
    rows = np.array([each.row for each in legs], dtype=float)
    return sums.summed(rows.reshape(-1, len(sums.FIGURES)))


def _groups(legs: Sequence[Leg]) -> tuple[Group, ...]:
    mine: dict[str, list[Leg]] = {}
    for each in legs:
        mine.setdefault(each.underlying, []).append(each)
    found = [
        Group(
            underlying=name,
            spot=held[0].spot,
            price_session=held[0].price_session,
            legs=tuple(sorted(held, key=_place)),
            greeks=_summed(held),
        )
        for name, held in mine.items()
    ]
    return tuple(
        sorted(found, key=lambda g: (not g.options, -abs(g.greeks.dollar_delta), g.underlying))
    )


def _place(leg: Leg) -> tuple[date, Decimal, str]:
    """The thing itself first, then by expiry, strike and right."""
    if leg.contract is None:
        return (date.min, Decimal(0), leg.symbol)
    return (leg.contract.expiry, leg.contract.strike, leg.contract.right)


def _ladder(legs: Sequence[Leg]) -> tuple[Rung, ...]:
    rungs: dict[date, list[Leg]] = {}
    for each in legs:
        if each.contract is not None:
            rungs.setdefault(each.contract.expiry, []).append(each)
    return tuple(_rung(expiry, rungs[expiry]) for expiry in sorted(rungs))


def _rung(expiry: date, legs: Sequence[Leg]) -> Rung:
    sizes = [each.notional for each in legs]
    known = [each for each in legs if each.known]
    return Rung(
        expiry=expiry,
        legs=len(legs),
        contracts=sum((abs(each.quantity) for each in legs), Decimal(0)),
        theta=_summed(known).theta if known else None,
        notional=None if None in sizes else sum(size for size in sizes if size is not None),
        missing=len(legs) - len(known),
    )
