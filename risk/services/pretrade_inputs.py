"""What a verdict is made from: prices, matrices, liquidity, each with its version or failure."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar
from uuid import UUID

import numpy as np
from django.db import DatabaseError, connection, transaction

from etftrader.core.errors import DomainError
from marketdata import live as market
from marketdata.calculations.exchange import Leg, Rate
from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument
from marketdata.selectors import exchange_rates, instruments, liquidity, prices, terms
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.liquidity import Liquidity
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from marketdata.selectors.terms import Terms
from portfolios.models import Portfolio
from portfolios.selectors import holdings
from risk.calculations.trade_bounds import Trade
from risk.choices import CovarianceKind
from risk.constants import DEPENDENCY_MAX_S, FILL_ROUNDING, VERDICT_LIFE_S
from risk.models import CovarianceSnapshot
from risk.selectors import covariance as matrices
from risk.selectors.covariance import Matrix
from risk.services import pretrade_options
from risk.services.pretrade_options import Model

PRICES, COVARIANCE, LIVE, STRESSED, LIQUIDITY = "prices", "covariance", "live", "stressed", "costs"
OPTIONS = "options"
_EXPECTED = (DomainError, DatabaseError, ValueError, ArithmeticError, LookupError, TypeError)
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class ProposedTrade:
    """A trade somebody thinks of; without a price it is judged at the mark.

    With `pays` its cash is judged at that price, all else at the mark; a sale brings no more than
    the mark.
    """

    symbol: str
    side: str  # buy, sell
    quantity: Decimal
    price: Decimal | None = None
    pays: Decimal | None = None
    order_type: str = "market"

    @property
    def given(self) -> list[str]:
        """Its words, for a hash."""
        return [self.symbol, self.side, str(self.quantity), str(self.price), str(self.pays)]


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """How the costs of an order grow with its size."""

    commission: float = 0.0  # dollars an order
    per_unit: float = 0.0  # dollars a unit
    cost_bp: float = 0.0  # half the spread, of the value
    impact: float = 0.0  # fraction of the value per square root of a unit

    def times(self, rate: float) -> "CostEstimate":
        """The same in a currency of which one unit of the present one buys `rate`."""
        return replace(self, commission=self.commission * rate, per_unit=self.per_unit * rate)

    def trade(
        self,
        side: int,
        quantity: float,
        price: float,
        multiplier: float,
        lot: float,
        delta: float | None = None,
        mark: float | None = None,
    ) -> Trade:
        """The order with its costs, as the kernel takes it."""
        return Trade(
            side=side,
            quantity=quantity,
            price=price,
            multiplier=multiplier,
            lot=lot,
            commission=self.commission,
            cost_per_unit=self.per_unit + FILL_ROUNDING * multiplier,
            cost_bp=self.cost_bp,
            impact=self.impact,
            delta=delta,
            mark=mark,
        )


@dataclass(frozen=True, slots=True)
class GateInputs:
    """Everything a verdict reads that is not the portfolio's own; gathered without a lock."""

    portfolio_id: UUID
    moment: Moment
    instruments: Mapping[str, Instrument] = field(default_factory=dict)  # asked and held
    terms: Mapping[str, Terms] = field(default_factory=dict)  # of the options among them
    models: Mapping[str, Model] = field(default_factory=dict)  # of those that live
    marks: Mapping[str, Mark] = field(default_factory=dict)  # in each instrument's currency
    base_currency: str = "USD"
    rates: Rates = exchange_rates.NONE
    daily: Matrix | None = None
    live: Matrix | None = None
    stressed: Matrix | None = None
    liquidity: Mapping[str, Liquidity] = field(default_factory=dict)
    failures: Mapping[str, str] = field(default_factory=dict)  # dependency -> what went wrong
    warnings: tuple[str, ...] = ()

    @property
    def session_running(self) -> bool:
        """Whether prices of a running session exist; between sessions the close serves."""
        return self.moment.in_session and self.moment.bar > 0

    @property
    def data_version(self) -> str:
        """Names the prices and the matrix behind a verdict."""
        matrix = (
            f"{str(self.daily.snapshot_id)[:8]}r{self.daily.revision}" if self.daily else "none"
        )
        return f"{self.moment.as_of:%Y-%m-%dT%H:%M:%SZ}/{self.moment.round}/{matrix}"

    def volatility(self, symbol: str) -> float | None:
        """Daily volatility of a symbol by the daily matrix, fraction."""
        row = self.daily.row(symbol) if self.daily else None
        if row is None or self.daily is None:
            return None
        own = float(self.daily.values[row, row])
        return math.sqrt(own) if own >= 0.0 else None

    def column(self, symbol: str) -> str:
        """The name under which the matrices know a symbol: an option's underlying, else itself."""
        contract = self.terms.get(symbol)
        return contract.underlying if contract is not None else symbol

    def rate(self, symbol: str) -> Rate:
        """The book's money for one unit of what a symbol is priced in."""
        return self.rates.between(self.instruments[symbol].currency, self.base_currency)

    def rate_legs(self, symbol: str) -> tuple[Leg, ...]:
        """The exchange rates its value moves with, 1 as quoted and -1 turned round."""
        return self.rate(symbol).legs

    def delta(self, symbol: str) -> float | None:
        """Delta dollars a share of an option, its currency; None without its Greeks."""
        mark = self.marks.get(symbol)
        known = mark.greeks if mark is not None else None
        return known.delta * known.spot if known is not None else None

    def price(self, symbol: str) -> Decimal | None:
        """The mark of a symbol in its own currency; None when there is none."""
        mark = self.marks.get(symbol)
        return mark.price if mark else None


def gather(
    *,
    portfolio_id: UUID,
    symbols: Iterable[str],
    moment: Moment,
    found: Iterable[Instrument] = (),
    base_currency: str = "",
) -> GateInputs:
    """Collect the inputs of a verdict. No lock is held; nothing is written.

    An input that fails or takes longer than two seconds is named in `failures`. The verdict
    refuses on prices and on the daily and the live matrix. It goes on without the stressed matrix
    and without liquidity: no gate is measured by them, and the document shows nulls and the
    failure. A live matrix that is only absent is a warning: the daily one is in the database, so
    trading goes on while the live store is away. Instruments and the portfolio's currency that the
    caller has read a moment ago are not asked again.
    """
    # as `instruments.by_symbols` would find them
    known = {each.symbol: each for each in found if each.owner_id is None}
    with _patience():
        asked = {symbol.upper() for symbol in symbols}
        return _gather(portfolio_id, asked, moment, known, base_currency)


def _gather(
    portfolio_id: UUID,
    asked: set[str],
    moment: Moment,
    known: Mapping[str, Instrument],
    base_currency: str,
) -> GateInputs:
    failures = Failures()
    warnings: list[str] = []
    found = _guarded(PRICES, failures, lambda: _instruments(portfolio_id, asked, known)) or {}
    marks = _guarded(
        PRICES,
        failures,
        lambda: (
            prices.live_marks(instruments=found.values(), moment=moment)
            if moment.in_session
            else prices.newest_closes(instruments=found.values(), session_date=moment.session_date)
        ),
    )
    base, rates = _guarded(
        PRICES, failures, lambda: _rates(portfolio_id, base_currency, found.values(), moment)
    ) or ("", exchange_rates.NONE)
    options = {i.pk: s for s, i in found.items() if i.kind == InstrumentKind.OPTION}
    contracts = _guarded(PRICES, failures, lambda: terms.of_instruments(options)) or {}
    living = _guarded(
        OPTIONS, failures, lambda: pretrade_options.models(options=options, moment=moment)
    )
    daily, stressed = _matrices(moment.session_date, failures)
    live = None
    if moment.in_session and moment.bar > 0:
        live = _guarded(LIVE, failures, lambda: _live(moment))
        if live is None and LIVE not in failures:
            warnings.append("LIVE_MATRIX_ABSENT")
    costs = _guarded(
        LIQUIDITY,
        failures,
        lambda: liquidity.of(
            instruments=[each for each in found.values() if each.symbol in asked],
            session_date=moment.session_date,
        ),
    )
    return GateInputs(
        portfolio_id=portfolio_id,
        moment=moment,
        instruments=found,
        terms={options[key]: each for key, each in contracts.items()},
        models=living or {},
        marks={each.symbol: each for each in (marks or {}).values()},
        base_currency=base,
        rates=rates,
        daily=daily,
        live=live,
        stressed=stressed,
        liquidity={s: costs[i.pk] for s, i in found.items() if costs and i.pk in costs},
        failures=failures,
        warnings=tuple(warnings),
    )


def is_stale(inputs: GateInputs, moment: Moment) -> bool:
    """Whether the data moved on since the inputs were gathered: gather again."""
    was = inputs.moment
    moved = (was.session_date, was.playing, was.round) != (
        moment.session_date,
        moment.playing,
        moment.round,
    )
    return moved or moment.as_of - was.as_of > timedelta(seconds=VERDICT_LIFE_S)


def is_covered(instrument: Instrument) -> bool:
    """Whether risk must know its returns; a privately valued thing has none."""
    return instrument.pricing != Pricing.MANUAL


def is_tradable(instrument: Instrument) -> bool:
    """Whether an order may name it."""
    return (
        instrument.active
        and instrument.pricing == Pricing.AUTO
        and instrument.kind not in (InstrumentKind.INDEX, InstrumentKind.FX)
    )


def age_s(mark: Mark, now: datetime) -> float | None:
    """Seconds since a price, on the market clock."""
    return None if mark.as_of is None else (now - mark.as_of).total_seconds()


def _instruments(
    portfolio_id: UUID, asked: set[str], known: Mapping[str, Instrument]
) -> dict[str, Instrument]:
    held = {each.symbol: each for each in holdings.held_instruments(portfolio_id=portfolio_id)}
    found = {symbol: each for symbol, each in known.items() if symbol in asked}
    rest = asked - set(held) - set(found)
    if rest:
        found |= {each.symbol: each for each in instruments.by_symbols(rest).values()}
    return {**found, **held}


def _rates(
    portfolio_id: UUID, base: str, found: Iterable[Instrument], moment: Moment
) -> tuple[str, Rates]:
    """The book's currency, and the rates to it of the moment the prices are of."""
    if not base:
        rows = Portfolio.objects.filter(pk=portfolio_id).values_list("base_currency", flat=True)
        base = rows.get()
    currencies = {base, *(each.currency for each in found)}
    if moment.in_session:
        return base, exchange_rates.live(currencies=currencies, moment=moment)
    day = moment.session_date
    return base, exchange_rates.closing(currencies=currencies, session_date=day)


def _matrices(day: date, failures: "Failures") -> tuple[Matrix | None, Matrix | None]:
    """The daily and the stressed matrix, by one query; each fails for itself."""
    rows = _guarded(COVARIANCE, failures, lambda: _rows(day))

    def read(kind: str) -> Matrix | None:
        if rows is None:
            return _finite(matrices.in_force(session_date=day, kind=kind))
        return _finite(matrices.usable(rows.get(kind), day))

    daily = None
    if COVARIANCE not in failures:
        daily = _guarded(COVARIANCE, failures, lambda: read(CovarianceKind.DAILY))
    return daily, _guarded(STRESSED, failures, lambda: read(CovarianceKind.STRESSED))


def _rows(day: date) -> dict[str, CovarianceSnapshot] | None:
    try:
        return matrices.newest_by_kind(session_date=day)
    except ValueError:
        return None  # one of them is damaged: each is read alone


def _live(moment: Moment) -> Matrix | None:
    state = market.load()
    if state is None or state.session_date != moment.playing:
        return None
    session: date = state.session_date
    return _finite(Matrix(tuple(state.symbols), state.hybrid, None, session, method="hybrid"))


def _finite(matrix: Matrix | None) -> Matrix | None:
    if matrix is not None and not np.isfinite(matrix.values).all():
        raise ValueError("a covariance is not finite")
    return matrix


class Failures(dict[str, str]):
    """Dependency -> what went wrong; begun when the gathering was."""

    def __init__(self) -> None:
        super().__init__()
        self.deadline = time.monotonic() + DEPENDENCY_MAX_S


def _guarded(name: str, failures: Failures, read: Callable[[], Answer]) -> Answer | None:
    """Read one dependency; what it raises, or that it was slow, is kept by name."""
    if time.monotonic() > failures.deadline:
        # an answer is due: whatever hung for one would hang for the next
        failures.setdefault(name, "not asked: another input took too long")
        return None
    try:
        answer = read()
    except _EXPECTED as error:
        failures[name] = f"{type(error).__name__}: {error}"[:200]
        if isinstance(error, DatabaseError) and connection.vendor == "postgresql":
            # the savepoint takes the transaction back to where it can go on
            transaction.set_rollback(True)
        return None
    if time.monotonic() > failures.deadline:
        failures[name] = "too slow"
        return None
    return answer


@contextmanager
def _patience() -> Iterator[None]:
    """Let no statement hang longer than an answer may take. SQLite's readers wait for nobody."""
    if connection.vendor != "postgresql":
        yield
        return
    with transaction.atomic(), connection.cursor() as cursor:
        most = f"{int(DEPENDENCY_MAX_S * 1000)}ms"
        cursor.execute(
            "SELECT current_setting('statement_timeout'), "
            "set_config('statement_timeout', %s, true)",
            [most],
        )
        before = cursor.fetchone()[0]
        yield
        if not transaction.get_rollback():
            # a savepoint that is kept keeps its settings too
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", [before])
