"""The figures of books: by the live state in one matrix product for all, or by the last closes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from marketdata.choices import PriceClass, Pricing, Source
from marketdata.live import MarketState
from marketdata.selectors.sessions import Moment
from portfolios.choices import Quality
from risk.calculations import var as kernel
from risk.constants import LOW_COVERAGE, VAR_CONFIDENCE
from risk.selectors import book_risk
from risk.selectors.book_risk import MANUAL, NO_COVARIANCE, NO_DELTA, Holding
from risk.selectors.covariance import Matrix
from risk.selectors.figures import DAILY, HYBRID, Figures, LiveMark, LivePart, worst_class
from risk.services.monitor_rates import LiveRates
from risk.services.monitor_shelf import Shelf


def live_figures(
    shelf: Shelf, portfolio_ids: Sequence[UUID], state: MarketState, moment: Moment
) -> list[Figures]:
    """Every book by the live state: one product per matrix for all of them together."""
    place = {symbol: row for row, symbol in enumerate(state.symbols)}
    marked = _marked(shelf, portfolio_ids, state, moment)
    columns = [_columns(marks, place) for marks in marked]
    exposures = np.zeros((len(portfolio_ids), len(state.symbols)))
    for row, marks in enumerate(marked):
        for symbol, column in columns[row].items():
            exposures[row, column] += marks[symbol].delta_exposure or 0.0
            for name, amount in marks[symbol].rates:
                exposures[row, place[name]] += amount
    daily, stressed = shelf.in_force(moment)
    with_book = exposures @ state.hybrid
    sigma = _sigma(exposures, with_book)
    z = kernel.quantile(VAR_CONFIDENCE)
    by_raw = z * _sigma(exposures, exposures @ state.raw)
    by_daily = _by(daily, state.symbols, exposures)
    by_stressed = _by(stressed, state.symbols, exposures)
    played = state.source == Source.SIM
    found = []
    for row, portfolio_id in enumerate(portfolio_ids):
        book, marks, inside = shelf.books[portfolio_id], marked[row], columns[row]
        outside = marks.keys() - inside.keys()
        loss = float(z * sigma[row]) if inside or not marks else None
        loss = loss if loss is not None and np.isfinite(loss) else None
        share = _coverage(marks, outside)
        found.append(
            Figures(
                portfolio_id=portfolio_id,
                ledger_seq=book.ledger_seq,
                as_of=state.as_of,
                session_date=state.session_date,
                simulated=played or any(each.simulated for each in marks.values()),
                played=played,
                source=state.source,
                price_class=_worst(PriceClass.LIVE, marks),
                cash=book.cash,
                receivables=book.receivables,
                marks=marks,
                value_at_risk=loss,
                var_raw=_finite(by_raw[row]) if loss is not None else None,
                var_daily=_finite(by_daily[row]) if loss is not None else None,
                stressed_var=_finite(by_stressed[row]) if loss is not None else None,
                parts=_parts(marks, inside, place, with_book[row], sigma[row], z)
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
    rates = LiveRates(shelf)
    for portfolio_id in portfolio_ids:
        book = shelf.books[portfolio_id]
        marks: dict[str, LiveMark] = {}
        held = []
        for symbol, units in book.lines.items():
            mark, instrument = shelf.closes[symbol], shelf.instruments[symbol]
            local = _closing(shelf, symbol, units)
            shown = marks[symbol] = rates.converted(local, symbol, book.base_currency)
            reason = MANUAL if instrument.pricing == Pricing.MANUAL else mark.reason
            reason = reason or shown.reason
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
                    rates=shown.rates,
                )
            )
        risk = book_risk.of(held, daily, stressed, moment.session_date)
        found.append(
            Figures(
                portfolio_id=portfolio_id,
                ledger_seq=book.ledger_seq,
                as_of=moment.as_of,
                session_date=moment.current,
                simulated=any(each.simulated for each in marks.values()),
                source="close",
                price_class=_worst(PriceClass.EOD, marks),
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


def _worst(best: PriceClass, marks: Mapping[str, LiveMark]) -> str:
    """The worst class among the prices of a book; one without any has the best."""
    return worst_class([best, *(m.price_class for m in marks.values() if m.price is not None)])


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


def _columns(marks: Mapping[str, LiveMark], place: Mapping[str, int]) -> dict[str, int]:
    """The column of each name that can be measured; what is in doubt is left out."""
    return {
        symbol: place[mark.underlying or symbol]
        for symbol, mark in marks.items()
        if (mark.underlying or symbol) in place
        and mark.delta_exposure is not None
        and all(name in place for name, _ in mark.rates)
        and mark.price_class != PriceClass.SUSPECT
    }


def _marked(
    shelf: Shelf, portfolio_ids: Sequence[UUID], state: MarketState, moment: Moment
) -> list[dict[str, LiveMark]]:
    """Every held name of every book at the state's prices; options are valued once for all."""
    place = {symbol: row for row, symbol in enumerate(state.symbols)}
    valued = shelf.valued(state)
    doubted = shelf.doubted(moment)
    rates = LiveRates(shelf, state)

    def marked(symbol: str, units: float, base: str) -> LiveMark:
        known = symbol in valued
        mark = (
            _option(shelf, symbol, units, valued[symbol])
            if known
            else _mark(shelf, state, place, symbol, units)
        )
        mark = rates.converted(mark, symbol, base)
        if symbol in doubted or (known and mark.underlying in doubted):
            return replace(mark, price_class=PriceClass.SUSPECT.value)
        return mark

    held = [shelf.books[key] for key in portfolio_ids]
    return [
        {symbol: marked(symbol, units, each.base_currency) for symbol, units in each.lines.items()}
        for each in held
    ]


def _option(shelf: Shelf, symbol: str, units: float, valued: tuple[float, float]) -> LiveMark:
    price, per_share = valued
    before = shelf.closes[symbol].price
    return LiveMark(
        price=price,
        exposure=units * price,
        day_pnl=None if before is None else units * (price - float(before)),
        delta=units * per_share,
        underlying=shelf.underlyings[symbol],
        price_class=PriceClass.MODEL.value,
        simulated=symbol in shelf.simulated,
    )


def _mark(
    shelf: Shelf, state: MarketState, place: Mapping[str, int], symbol: str, units: float
) -> LiveMark:
    if symbol in place:
        price = float(state.prices[place[symbol]])
        before = float(state.previous_close[place[symbol]])
        moved = units * (price - before)
        return LiveMark(price, units * price, moved, price_class=PriceClass.LIVE.value)
    known = _closing(shelf, symbol, units)
    return known if known.price is None else replace(known, day_pnl=0.0)


def _closing(shelf: Shelf, symbol: str, units: float) -> LiveMark:
    """A held name at its last close, an option with the delta of then."""
    mark = shelf.closes.get(symbol)
    under = shelf.underlyings.get(symbol, "")
    if mark is None or mark.price is None:
        return LiveMark(None, None, None, None, under)
    price, greeks, before = float(mark.price), mark.greeks, mark.previous_close
    return LiveMark(
        price=price,
        exposure=units * price,
        day_pnl=None if before is None else units * (price - float(before)),
        delta=units * greeks.delta * greeks.spot if greeks is not None else None,
        underlying=under,
        price_class=mark.price_class,
        simulated=mark.source == Source.SIM,
    )


def _parts(
    marks: Mapping[str, LiveMark],
    inside: Mapping[str, int],
    place: Mapping[str, int],
    with_book: NDArray[np.float64],
    sigma: float,
    z: float,
) -> dict[str, LivePart]:
    """Each name's share of its underlying's component, by its own delta dollars.

    A foreign one's has its exchange rates' in it; its marginal is of a dollar of exposure.
    """

    def marginal_of(column: int) -> float:
        return z * float(with_book[column]) / sigma if sigma > 0 else 0.0

    parts = {}
    for symbol, column in inside.items():
        marginal, amount = marginal_of(column), marks[symbol].delta_exposure or 0.0
        component = marginal * amount
        if marks[symbol].rates:
            component += sum(marginal_of(place[name]) * a for name, a in marks[symbol].rates)
            marginal = component / amount if amount else marginal
        parts[symbol] = LivePart(marginal, component)
    return parts


def _coverage(marks: Mapping[str, LiveMark], outside: Collection[str]) -> float:
    inside = sum(abs(m.delta_exposure or 0.0) for s, m in marks.items() if s not in outside)
    left_out = sum(abs(m.exposure or 0.0) for s, m in marks.items() if s in outside)
    return inside / (inside + left_out) if inside + left_out > 0 else 1.0


def _quality(outside: Collection[str], coverage: float, loss: float | None) -> str:
    if loss is None:
        return Quality.MISSING
    return Quality.LIMITED if outside or coverage < LOW_COVERAGE else Quality.FULL


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
