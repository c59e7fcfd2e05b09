"""Books kept between bars, and the figures of all of them in one matrix product."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.choices import InstrumentKind, PriceClass, Pricing, Source
from marketdata.live import MarketState
from marketdata.models import Instrument
from marketdata.selectors import option_marks, prices
from marketdata.selectors.option_marks import Revaluation
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.choices import Quality, SnapshotKind
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import holdings
from risk.calculations import var as kernel
from risk.choices import CovarianceKind
from risk.constants import LOW_COVERAGE, VAR_CONFIDENCE
from risk.selectors import book_risk
from risk.selectors import covariance as matrices
from risk.selectors.book_risk import MANUAL, NO_COVARIANCE, NO_DELTA, NO_PRICE, Holding
from risk.selectors.covariance import Matrix
from risk.selectors.figures import DAILY, HYBRID, Figures, LiveMark, LivePart

# the further right, the less a figure that rests on it is worth
CLASSES = (
    PriceClass.LIVE,
    PriceClass.DELAYED,
    PriceClass.EOD,
    PriceClass.MODEL,
    PriceClass.MANUAL,
    PriceClass.STALE,
    PriceClass.SUSPECT,
)


@dataclass(frozen=True, slots=True)
class KnownBook:
    """One book as of a ledger number, with the session's start beside it."""

    ledger_seq: int
    cash: float
    lines: dict[str, float]  # symbol -> quantity x multiplier
    opening_nav: float | None
    opening_var: float | None
    flows: float
    receivables: float = 0.0  # dividends to come less those to be paid


@dataclass(frozen=True, slots=True)
class Opening:
    """One book at its last close before the session; dollars."""

    nav: float
    value_at_risk: float | None
    session_date: date


class Shelf:
    """Books of one session by portfolio; read again when their ledger number moves."""

    def __init__(self) -> None:
        self.books: dict[UUID, KnownBook] = {}
        self.instruments: dict[str, Instrument] = {}
        self.closes: dict[str, Mark] = {}
        self.underlyings: dict[str, str] = {}  # of options, by symbol
        self.options: Revaluation | None = None  # none is held
        self.matrices: tuple[Any, Matrix | None, Matrix | None] = (None, None, None)

    def refresh(self, heads: Mapping[UUID, int], moment: Moment) -> None:
        """Read the books whose ledger moved; a fixed number of queries for any number of them."""
        moved = [
            pk
            for pk, seq in heads.items()
            if pk not in self.books or self.books[pk].ledger_seq != seq
        ]
        if not moved:
            return
        opening = _opening(moved, moment)
        # of the sessions since, as the snapshot of the day will count them
        flows = holdings.flows_of(
            after={pk: each.session_date for pk, each in opening.items()}, until=moment.current
        )
        books = holdings.books(portfolio_ids=moved)
        wanted = {line.instrument_id for book in books for line in book.lines}
        known = {each.pk for each in self.instruments.values()}
        new = list(Instrument.objects.filter(pk__in=wanted - known))
        self.instruments.update({each.symbol: each for each in new})
        marks = prices.newest_closes(instruments=new, session_date=moment.session_date)
        self.closes.update({each.symbol: each for each in marks.values()})
        self._price_options(new, moment)
        for book in books:
            before = opening.get(book.portfolio_id)
            self.books[book.portfolio_id] = KnownBook(
                ledger_seq=book.ledger_seq,
                cash=float(book.cash),
                lines={ln.symbol: float(ln.quantity * ln.multiplier) for ln in book.lines},
                opening_nav=before.nav if before else None,
                opening_var=before.value_at_risk if before else None,
                flows=float(flows.get(book.portfolio_id, Decimal(0))),
                receivables=float(book.receivables),
            )

    def _price_options(self, new: Sequence[Instrument], moment: Moment) -> None:
        """Take new contracts in: all of them are valued in one pass a bar, for all books."""
        if not any(each.kind == InstrumentKind.OPTION for each in new):
            return
        held = {
            each.pk: each.symbol
            for each in self.instruments.values()
            if each.kind == InstrumentKind.OPTION
        }
        contracts = option_marks.of_instruments(held)
        self.underlyings = {held[key]: c.underlying.symbol for key, c in contracts.items()}
        alive = option_marks.alive(contracts, moment.as_of)
        closes = {each.instrument_id: each for each in self.closes.values()}
        self.options = Revaluation(alive, moment.session_date, closes)

    def valued(self, state: MarketState) -> dict[str, tuple[float, float]]:
        """Price and delta dollars a share of each held option at the state's spots."""
        if self.options is None:
            return {}
        place = {symbol: row for row, symbol in enumerate(state.symbols)}
        spots = {
            each.underlying_id: float(state.prices[place[each.underlying.symbol]])
            for each in self.options.contracts.values()
            if each.underlying.symbol in place
        }
        known = {each.pk: each.symbol for each in self.instruments.values()}
        found = self.options.values(spots, state.as_of)
        return {
            known[key]: (price, greeks.delta * greeks.spot)
            for key, (price, greeks) in found.items()
        }

    def in_force(self, moment: Moment) -> tuple[Matrix | None, Matrix | None]:
        """The daily and the stressed matrix; unpacked again only when another one is in force."""
        row = matrices.newest(session_date=moment.session_date, kind=CovarianceKind.DAILY)
        version = (row.pk, row.revision) if row else None
        if version is None or version != self.matrices[0]:
            day = moment.session_date
            daily = matrices.in_force(session_date=day)
            stressed = matrices.in_force(session_date=day, kind=CovarianceKind.STRESSED)
            self.matrices = (version, daily, stressed)
        return self.matrices[1], self.matrices[2]

    def outside(self, symbol: str) -> str:
        """Why risk leaves a name out that the stream does not know."""
        if symbol in self.underlyings:
            return NO_DELTA
        manual = self.instruments[symbol].pricing == Pricing.MANUAL
        if manual:
            return MANUAL
        close = self.closes.get(symbol)
        return NO_COVARIANCE if close is not None and close.price is not None else NO_PRICE


def live_figures(
    shelf: Shelf, portfolio_ids: Sequence[UUID], state: MarketState, moment: Moment
) -> list[Figures]:
    """Every book by the live state: one product per matrix for all of them together."""
    place = {symbol: row for row, symbol in enumerate(state.symbols)}
    marked = _marked(shelf, portfolio_ids, state)
    exposures = np.zeros((len(portfolio_ids), len(state.symbols)))
    for row, marks in enumerate(marked):
        for symbol, mark in marks.items():
            column = place.get(mark.underlying or symbol)
            if column is not None:
                exposures[row, column] += mark.delta_exposure or 0.0
    daily, stressed = shelf.in_force(moment)
    with_book = exposures @ state.hybrid
    sigma = _sigma(exposures, with_book)
    z = kernel.quantile(VAR_CONFIDENCE)
    by_raw = z * _sigma(exposures, exposures @ state.raw)
    by_daily = _by(daily, state.symbols, exposures)
    by_stressed = _by(stressed, state.symbols, exposures)
    found = []
    for row, portfolio_id in enumerate(portfolio_ids):
        book, marks = shelf.books[portfolio_id], marked[row]
        inside = {
            symbol: place[mark.underlying or symbol]
            for symbol, mark in marks.items()
            if (mark.underlying or symbol) in place and mark.delta_exposure is not None
        }
        outside = {s: shelf.outside(s) for s in marks if s not in inside}
        loss = float(z * sigma[row]) if inside or not marks else None
        loss = loss if loss is not None and np.isfinite(loss) else None
        share = _coverage(marks, outside)
        found.append(
            Figures(
                portfolio_id=portfolio_id,
                ledger_seq=book.ledger_seq,
                as_of=state.as_of,
                session_date=state.session_date,
                simulated=state.source == Source.SIM,
                source=state.source,
                price_class=_worst(PriceClass.LIVE, shelf, outside),
                cash=book.cash,
                receivables=book.receivables,
                marks=marks,
                value_at_risk=loss,
                var_raw=_finite(by_raw[row]) if loss is not None else None,
                var_daily=_finite(by_daily[row]) if loss is not None else None,
                stressed_var=_finite(by_stressed[row]) if loss is not None else None,
                parts=_parts(marks, inside, with_book[row], sigma[row], z)
                if loss is not None
                else {},
                coverage=share,
                quality=_quality(outside, share, loss),
                reason="" if loss is not None else NO_COVARIANCE,
                method=HYBRID,
                opening_nav=book.opening_nav,
                opening_var=book.opening_var,
                flows=book.flows,
            )
        )
    return found


def closing_figures(shelf: Shelf, portfolio_ids: Sequence[UUID], moment: Moment) -> list[Figures]:
    """Books by the last closes and the daily matrix: between sessions, or without a live state."""
    daily, stressed = shelf.in_force(moment)
    found = []
    for portfolio_id in portfolio_ids:
        book = shelf.books[portfolio_id]
        marks: dict[str, LiveMark] = {}
        held = []
        for symbol, units in book.lines.items():
            mark, instrument = shelf.closes[symbol], shelf.instruments[symbol]
            shown = marks[symbol] = _closing(shelf, symbol, units)
            reason = MANUAL if instrument.pricing == Pricing.MANUAL else mark.reason
            if not reason and shown.exposure is not None and shown.delta_exposure is None:
                reason = NO_DELTA
            held.append(
                Holding(
                    instrument_id=instrument.pk,
                    symbol=symbol,
                    exposure=shown.delta_exposure,
                    reason=reason,
                    underlying=shown.underlying,
                    market=shown.exposure,
                )
            )
        risk = book_risk.of(held, daily, stressed, moment.session_date)
        found.append(
            Figures(
                portfolio_id=portfolio_id,
                ledger_seq=book.ledger_seq,
                as_of=moment.as_of,
                session_date=moment.current,
                simulated=False,
                source="close",
                price_class=_worst(PriceClass.EOD, shelf, book.lines),
                cash=book.cash,
                receivables=book.receivables,
                marks=marks,
                value_at_risk=risk.value_at_risk,
                var_daily=risk.value_at_risk,
                stressed_var=risk.stressed_var,
                parts={s: LivePart(p.marginal, p.component) for s, p in risk.parts.items()},
                coverage=risk.coverage,
                quality=risk.quality,
                reason=risk.reason,
                method=DAILY,
                opening_nav=book.opening_nav,
                opening_var=book.opening_var,
                flows=book.flows,
            )
        )
    return found


def _worst(best: str, shelf: Shelf, symbols: Iterable[str]) -> str:
    """The worst class among prices of a class and the closes that these names rest on."""
    marks = [shelf.closes[symbol] for symbol in symbols if symbol in shelf.closes]
    found = [each.price_class for each in marks if each.price is not None]
    return str(max((best, *found), key=lambda each: CLASSES.index(PriceClass(each))))


def _opening(portfolio_ids: Sequence[UUID], moment: Moment) -> dict[UUID, Opening]:
    """What the last close before the session left."""
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id__in=portfolio_ids,
        kind=SnapshotKind.ACTUAL,
        session_date__lt=moment.current,
        session_date__gte=matrices.oldest(moment.session_date, 5),
    ).order_by("session_date")
    found = rows.values_list("portfolio_id", "nav", "var_95_1d", "session_date")
    return {
        portfolio_id: Opening(float(nav), var, session_date)
        for portfolio_id, nav, var, session_date in found
    }


def _sigma(exposures: NDArray[np.float64], with_book: NDArray[np.float64]) -> NDArray[np.float64]:
    variance = np.einsum("ij,ij->i", exposures, with_book)
    return np.sqrt(np.maximum(variance, 0.0))


def _by(
    matrix: Matrix | None, symbols: Sequence[str], exposures: NDArray[np.float64]
) -> NDArray[np.float64]:
    """VaR of every book by a stored matrix; NaN where it does not know a name that is held."""
    if matrix is None:
        return np.full(len(exposures), np.nan)
    place = {symbol: row for row, symbol in enumerate(matrix.labels)}
    known = np.array([symbol in place for symbol in symbols])
    rows = [place[symbol] for symbol in symbols if symbol in place]
    inside = exposures[:, known]
    sigma = _sigma(inside, inside @ matrix.values[np.ix_(rows, rows)])
    sigma[np.abs(exposures[:, ~known]).sum(axis=1) > 0.0] = np.nan
    return kernel.quantile(VAR_CONFIDENCE) * sigma


def _marked(
    shelf: Shelf, portfolio_ids: Sequence[UUID], state: MarketState
) -> list[dict[str, LiveMark]]:
    """Every held name of every book at the state's prices; options are valued once for all."""
    place = {symbol: row for row, symbol in enumerate(state.symbols)}
    valued = shelf.valued(state)
    return [
        {
            symbol: _option(shelf, symbol, units, valued[symbol])
            if symbol in valued
            else _mark(shelf, state, place, symbol, units)
            for symbol, units in shelf.books[portfolio_id].lines.items()
        }
        for portfolio_id in portfolio_ids
    ]


def _option(shelf: Shelf, symbol: str, units: float, valued: tuple[float, float]) -> LiveMark:
    price, per_share = valued
    before = shelf.closes[symbol].price
    moved = None if before is None else units * (price - float(before))
    under = shelf.underlyings[symbol]
    return LiveMark(price, units * price, moved, units * per_share, under)


def _mark(
    shelf: Shelf, state: MarketState, place: Mapping[str, int], symbol: str, units: float
) -> LiveMark:
    if symbol in place:
        price = float(state.prices[place[symbol]])
        before = float(state.previous_close[place[symbol]])
        return LiveMark(price, units * price, units * (price - before))
    known = _closing(shelf, symbol, units)
    return known if known.price is None else replace(known, day_pnl=0.0)


def _closing(shelf: Shelf, symbol: str, units: float) -> LiveMark:
    """A held name at its last close, an option with the delta of then."""
    mark = shelf.closes.get(symbol)
    under = shelf.underlyings.get(symbol, "")
    if mark is None or mark.price is None:
        return LiveMark(None, None, None, None, under)
    price, greeks = float(mark.price), mark.greeks
    moved = None
    if mark.previous_close is not None:
        moved = units * (price - float(mark.previous_close))
    delta = units * greeks.delta * greeks.spot if greeks is not None else None
    return LiveMark(price, units * price, moved, delta, under)


def _parts(
    marks: Mapping[str, LiveMark],
    inside: Mapping[str, int],
    with_book: NDArray[np.float64],
    sigma: float,
    z: float,
) -> dict[str, LivePart]:
    """Each name's share of its underlying's component, by its own delta dollars."""
    parts = {}
    for symbol, column in inside.items():
        marginal = z * float(with_book[column]) / sigma if sigma > 0 else 0.0
        parts[symbol] = LivePart(marginal, marginal * (marks[symbol].delta_exposure or 0.0))
    return parts


def _coverage(marks: Mapping[str, LiveMark], outside: Mapping[str, str]) -> float:
    inside = sum(abs(m.delta_exposure or 0.0) for s, m in marks.items() if s not in outside)
    left_out = sum(abs(marks[symbol].exposure or 0.0) for symbol in outside)
    return inside / (inside + left_out) if inside + left_out > 0 else 1.0


def _quality(outside: Mapping[str, str], coverage: float, loss: float | None) -> str:
    if loss is None:
        return Quality.MISSING
    return Quality.LIMITED if outside or coverage < LOW_COVERAGE else Quality.FULL


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
