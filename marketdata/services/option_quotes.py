"""Option quotes of a session: checked, one a contract and source, each with its volatility."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from etftrader.core.actor import Actor, system
from etftrader.core.money import to_fill_price
from marketdata.calculations.american_volatility import american_volatility
from marketdata.calculations.implied_volatility import implied_volatility
from marketdata.calculations.options import time_to_expiry
from marketdata.choices import ExerciseStyle, OptionRight, Source, VolSource
from marketdata.models import Instrument, OptionContract, OptionQuote
from marketdata.providers.base import (
    ChainProvider,
    Failure,
    OptionChain,
    OptionRow,
    ProviderFailed,
)
from marketdata.providers.bundled_options import SYMBOL, BundledOptions
from marketdata.providers.live_chain import NO_OPTIONS, NOTHING
from marketdata.selectors import calendar, instruments
from marketdata.selectors.option_inputs import Market, market
from marketdata.services import changed_rows, contracts

LARGEST = 1e7
EARLY = timedelta(seconds=5)  # a trade after the quote's own moment is none
UNIQUE = ("contract", "session_date", "source")
FIGURES = (
    "as_of",
    "bid",
    "ask",
    "last",
    "underlying_price",
    "iv",
    "vol_source",
    "volume",
    "open_interest",
    "reason",
)
NO_QUOTE = "no_two_sided_quote"
EXPIRIES = 12  # of each underlying, the nearest


@dataclass(frozen=True, slots=True)
class Stored:
    """What came of one chain: rows received, written and kept out, and volatilities found."""

    underlying: str
    expiration: date | None
    received: int = 0
    written: int = 0
    volatilities: int = 0
    refused: tuple[Failure, ...] = ()
    failure: Failure | None = None
    reasons: dict[str, int] = field(default_factory=dict)

    def item(self) -> dict[str, Any]:
        """An entry of a job's list of items."""
        said = Counter(each.code for each in self.refused)
        return {
            "item": f"{self.underlying} {self.expiration or ''}".strip(),
            "status": "failed" if self.failure else "ok",
            "reason": self.failure.detail
            if self.failure
            else ", ".join(f"{code} {count}" for code, count in sorted(said.items())),
        }


def sync(
    *,
    source: ChainProvider,
    underlyings: Iterable[str],
    session_date: date,
    as_of: datetime | None = None,
    traded_until: datetime | None = None,
    by: Actor | None = None,
) -> list[Stored]:
    """Fetch and keep the chains of some underlyings; one that fails leaves the others whole.

    `as_of` is the moment of the quotes, the session's close without one; a last trade may be as
    late as `traded_until`. What has no listed options is not in the answer.
    """
    names = list(dict.fromkeys(underlyings))
    known = instruments.by_symbols(names)
    inputs = market(underlying_ids=[each.pk for each in known.values()], session_date=session_date)
    done = []
    for name in names:
        try:
            days = _nearest(source.expirations(name), known.get(name), session_date)
        except ProviderFailed as failure:
            if failure.code in NO_OPTIONS:
                continue  # not every fund has options
            done.append(Stored(name, None, failure=Failure(name, failure.code, failure.detail)))
            continue
        for day in days:
            try:
                chain = source.chain(name, day)
            except ProviderFailed as failure:
                if failure.code != NOTHING:
                    told = Failure(name, failure.code, failure.detail)
                    done.append(Stored(name, day, failure=told))
                continue
            done.append(
                store(
                    chain=chain,
                    session_date=session_date,
                    as_of=as_of,
                    traded_until=traded_until,
                    inputs=inputs,
                    by=by,
                )
            )
    return done


def _nearest(days: Iterable[date], underlying: Instrument | None, session_date: date) -> list[date]:
    """The next expiries, and those of contracts that are known: some book may hold one."""
    listed = sorted(day for day in days if day >= session_date)
    if underlying is None:
        return listed[:EXPIRIES]
    kept = OptionContract.objects.filter(underlying=underlying, expiry__gte=session_date)
    known = set(kept.values_list("expiry", flat=True))
    return [day for place, day in enumerate(listed) if place < EXPIRIES or day in known]


def simulate(*, session_date: date, by: Actor | None = None) -> list[Stored]:
    """Make and keep the bundled quotes of a session: listed SPY contracts and all that live."""
    living = OptionContract.objects.filter(
        underlying__symbol=SYMBOL, expiry__gte=session_date, adjusted=False
    ).values_list("instrument__symbol", flat=True)
    source = BundledOptions(until=session_date, also=living)
    if source.session_date != session_date:
        told = f"the bundle ends on {source.session_date}"
        return [Stored(SYMBOL, None, failure=Failure(SYMBOL, "no_more_history", told))]
    return sync(source=source, underlyings=[SYMBOL], session_date=session_date, by=by)


def store(
    *,
    chain: OptionChain,
    session_date: date,
    as_of: datetime | None = None,
    traded_until: datetime | None = None,
    inputs: Market | None = None,
    by: Actor | None = None,
) -> Stored:
    """Keep the good rows of one chain, make the contracts they name; a second run writes nothing.

    Rows that cannot be quotes are counted with their reason and kept out. An older quote never
    replaces a newer one of the same contract, session and source.
    """
    moment = as_of or calendar.close_time(session_date)
    good, refused = _checked(chain, session_date, traded_until or moment + EARLY)
    found, unknown = contracts.of_chain(rows=good, by=by or system("option quotes"))
    kept, twice = _once(good, found)
    refused += [*unknown, *twice]
    if not kept:
        return Stored(chain.underlying, chain.expiration, len(chain.rows), refused=tuple(refused))
    rows = [found[row.contract] for row in kept]
    if inputs is None or any(each.underlying_id not in inputs.underlyings for each in rows):
        inputs = market(
            underlying_ids={each.underlying_id for each in rows}, session_date=session_date
        )
    quotes = _quotes(chain, kept, rows, inputs, moment)
    return Stored(
        chain.underlying,
        chain.expiration,
        received=len(chain.rows),
        written=_write(quotes, rows[0], session_date),
        volatilities=sum(each.iv is not None for each in quotes),
        refused=tuple(refused),
        reasons=dict(Counter(each.reason for each in quotes if each.reason)),
    )


def _once(
    rows: Sequence[OptionRow], found: Mapping[str, OptionContract]
) -> tuple[list[OptionRow], list[Failure]]:
    """The first row of each contract, however the source spells it, and the others."""
    kept: dict[UUID, OptionRow] = {}
    twice = []
    for row in rows:
        if row.contract not in found:
            continue
        if kept.setdefault(found[row.contract].pk, row) is not row:
            twice.append(Failure(row.contract[:40], "twice", "the contract stands there already"))
    return list(kept.values()), twice


def _write(quotes: Sequence[OptionQuote], of: OptionContract, session_date: date) -> int:
    known = OptionQuote.objects.filter(
        session_date=session_date,
        contract__underlying_id=of.underlying_id,
        contract__expiry=of.expiry,
    )
    stored = {(each.contract_id, each.source): each for each in known}
    newer = [
        each
        for each in quotes
        if (before := stored.get((each.contract_id, each.source))) is None
        or before.as_of <= each.as_of
    ]
    return changed_rows.upsert(
        newer,
        stored=stored,
        key=lambda row: (row.contract_id, row.source),
        unique=UNIQUE,
        figures=FIGURES,
    )


def _checked(
    chain: OptionChain, session_date: date, latest: datetime
) -> tuple[list[OptionRow], list[Failure]]:
    good: list[OptionRow] = []
    refused: list[Failure] = []
    for row in chain.rows:
        code = _wrong(row, chain, session_date, latest)
        if code is None:
            good.append(row)
        else:
            told = f"bid {row.bid}, ask {row.ask}, last {row.last}"
            refused.append(Failure(row.contract[:40], code, told))
    return good, refused


def _wrong(row: OptionRow, chain: OptionChain, session_date: date, latest: datetime) -> str | None:
    """Why a row is no quote of this chain, None when it is one."""
    if row.expiration != chain.expiration or row.underlying != chain.underlying:
        return "other_chain"
    if row.expiration < session_date:
        return "expired"
    if row.source not in Source.values:
        return "unknown_source"
    prices = [each for each in (row.bid, row.ask, row.last) if each is not None]
    if not all(math.isfinite(each) for each in prices) or not math.isfinite(row.strike):
        return "not_finite"
    counts = [each for each in (row.volume, row.open_interest) if each is not None]
    if min([*prices, *counts], default=0) < 0:
        return "negative"
    if max(prices, default=0.0) > LARGEST:
        return "too_large"
    if row.bid and row.ask is not None and row.bid > row.ask:
        return "bid_above_ask"
    if row.last_trade_at is not None and row.last_trade_at > latest:
        return "after_the_moment"
    return None


def _quotes(
    chain: OptionChain,
    rows: Sequence[OptionRow],
    of: Sequence[OptionContract],
    inputs: Market,
    moment: datetime,
) -> list[OptionQuote]:
    spot = _spot(chain, of[0].underlying_id, inputs)
    volatility, reasons = _volatilities(rows, of, inputs, moment, spot)
    spot_price = None if spot is None else to_fill_price(spot)
    return [
        OptionQuote(
            contract=contract,
            session_date=inputs.session_date,
            as_of=moment,
            source=row.source,
            bid=_price(row.bid),
            ask=_price(row.ask),
            last=_price(row.last),
            underlying_price=spot_price,
            iv=level,
            vol_source="" if level is None else _vol_source(row),
            volume=row.volume,
            open_interest=row.open_interest,
            reason=reason or "",
        )
        for row, contract, level, reason in zip(rows, of, volatility, reasons, strict=True)
    ]


def _spot(chain: OptionChain, underlying_id: UUID, inputs: Market) -> float | None:
    """The price beside the quotes where the source gives one, else the session's close."""
    told = chain.underlying_price
    if told is not None and math.isfinite(told) and 0.0 < told <= LARGEST:
        return told
    known = inputs.underlyings.get(underlying_id)
    return known.spot if known else None


def _volatilities(
    rows: Sequence[OptionRow],
    of: Sequence[OptionContract],
    inputs: Market,
    moment: datetime,
    spot: float | None,
) -> tuple[list[float | None], list[str | None]]:
    """Volatility of each mid with both sides above zero, and why there is none elsewhere."""
    mid = np.array([_mid(row) for row in rows])
    years = np.array(
        [time_to_expiry(moment, each.expiry, am_settled=each.am_settled) for each in of]
    )
    known = inputs.underlyings.get(of[0].underlying_id)
    given = (
        mid,
        np.full(mid.size, np.nan if spot is None else spot),
        np.array([float(each.strike) for each in of]),
        inputs.rate(years)[0],
        np.full(mid.size, _or_nan(known.dividend_yield if known else None)),
        years,
        np.array([each.right == OptionRight.CALL for each in of]),
    )
    level, reason = _implied(given, _on_the_tree(rows, of))
    words = [
        NO_QUOTE if math.isnan(price) and code != "expired" else code
        for price, code in zip(mid.tolist(), reason, strict=True)
    ]
    return level, words


def _implied(
    given: tuple[NDArray[Any], ...], tree: NDArray[np.bool_]
) -> tuple[list[float | None], list[str | None]]:
    level: list[float | None] = [None] * tree.size
    reason: list[str | None] = [None] * tree.size
    for solve, part in ((american_volatility, tree), (implied_volatility, ~tree)):
        places = np.flatnonzero(part)
        if places.size:
            found = solve(*(one[places] for one in given))
            for place, value, word in zip(
                places.tolist(), found.volatility().tolist(), found.reasons(), strict=True
            ):
                level[place], reason[place] = value, word
    return level, reason


def _on_the_tree(rows: Sequence[OptionRow], of: Sequence[OptionContract]) -> NDArray[np.bool_]:
    # simulated quotes are European values: the closed form gives their volatility back
    return np.array(
        [
            each.style == ExerciseStyle.AMERICAN and row.source != Source.SIM
            for row, each in zip(rows, of, strict=True)
        ],
        dtype=bool,
    )


def _mid(row: OptionRow) -> float:
    return (row.bid + row.ask) / 2.0 if row.bid and row.ask else math.nan


def _vol_source(row: OptionRow) -> str:
    return VolSource.BUNDLED_SMILE if row.source == Source.SIM else VolSource.QUOTE


def _price(value: float | None) -> Decimal | None:
    return None if value is None else to_fill_price(value)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value
