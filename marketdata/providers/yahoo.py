"""Yahoo through yfinance: daily bars, dividends, splits, yields; one answer for each symbol."""

import math
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from marketdata.choices import PriceBasis
from marketdata.providers import yahoo_funds, yahoo_options, yahoo_quotes, yahoo_session
from marketdata.providers.base import (
    BarRow,
    DividendRow,
    Failure,
    FundRow,
    InstrumentRow,
    OptionChain,
    ProviderFailed,
    QuoteAnswer,
    QuoteRow,
    SplitRow,
    SymbolHistory,
    YieldAnswer,
    YieldRow,
)

TENORS = {"^IRX": "3M", "^FVX": "5Y", "^TNX": "10Y", "^TYX": "30Y"}
PRICES = ("Open", "High", "Low", "Close", "Adj Close")
YIELD_RANGE = (-2.0, 25.0)  # percent; quant.md 24
BEFORE = timedelta(days=7)  # the session before is within it; the exchange's midnight too


class YahooProvider:
    """Raw and adjusted prices: `close` is adjusted for splits only, `adj_close` for dividends too.

    Nothing after `until` is asked for. The library is loaded at the first question, never in the
    web process. Volume 0 is None: the library writes 0 where Yahoo says nothing.
    """

    name = yahoo_session.NAME

    def __init__(self, *, until: date, session: Any = None) -> None:
        self.until = until
        self._given = session
        self._of_options: tuple[str, Any] | None = None

    @property
    def _session(self) -> Any:
        if self._given is None:
            self._given = yahoo_session.session()
        return self._given

    def instruments(self) -> list[InstrumentRow]:
        """Yahoo hands out no list of what it knows; `fund` describes one symbol."""
        return []

    def last_session(self) -> date:
        """The session this provider was told to stop at."""
        return self.until

    def histories(self, symbols: Sequence[str], start: date, end: date) -> Iterator[SymbolHistory]:
        """One answer for each symbol in order; a failing one says why and the rest go on."""
        end = min(end, self.until)
        for symbol in symbols:
            try:
                answer = self._history(symbol, start, end)
            except yahoo_session.errors() as error:
                said = yahoo_session.failure_of(symbol, error)
                answer = SymbolHistory(symbol, failure=said)
            yield answer

    def bars(self, symbols: Sequence[str], start: date, end: date) -> Iterator[BarRow]:
        """Bars of the symbols that have an answer. Raises ProviderFailed when none has."""
        failures: list[Failure] = []
        for answer in self.histories(symbols, start, end):
            if answer.failure is not None:
                failures.append(answer.failure)
            yield from answer.bars
        _refuse_total(failures, len(symbols))

    def curve(self, start: date, end: date) -> YieldAnswer:
        """Yields of the four tenors Yahoo quotes, in percent, by day and tenor."""
        rows: list[YieldRow] = []
        failures: list[Failure] = []
        for answer in self.histories(list(TENORS), start, end):
            if answer.failure is not None:
                failures.append(answer.failure)
                continue
            odd = []
            for bar in answer.bars:
                percent = _percent(bar.close)
                if percent is None:
                    odd.append(bar.session_date.isoformat())
                else:
                    tenor = TENORS[answer.symbol]
                    rows.append(YieldRow(bar.session_date, tenor, percent, self.name))
            if odd:
                words = f"{len(odd)} days hold no possible yield, first {odd[0]}"
                failures.append(Failure(answer.symbol, "yield_out_of_range", words))
        order = list(TENORS.values())
        rows.sort(key=lambda row: (row.session_date, order.index(row.tenor)))
        return YieldAnswer(tuple(rows), tuple(failures))

    def yields(self, start: date, end: date) -> Iterator[YieldRow]:
        """The rows of `curve`. Raises ProviderFailed when there are none but failures."""
        answer = self.curve(start, end)
        if not answer.rows:
            _refuse_total(list(answer.failures), len(answer.failures))
        yield from answer.rows

    def fund(self, symbol: str) -> FundRow:
        """Sector, fund data and valuation of one symbol. Raises ProviderFailed."""
        return yahoo_funds.fund(symbol, self._session)

    def expirations(self, symbol: str) -> tuple[date, ...]:
        """Listed expirations of one underlying. Raises ProviderFailed."""
        return yahoo_options.expirations(symbol, lambda: self._with_options(symbol))

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        """Every contract of one expiration. Raises ProviderFailed."""
        return yahoo_options.chain(symbol, expiration, lambda: self._with_options(symbol))

    def quotes(self, symbols: Sequence[str]) -> QuoteAnswer:
        """Newest prices, a hundred symbols a question."""
        return yahoo_quotes.quotes(symbols, self._session)

    def stream(self, symbols: Sequence[str]) -> Iterator[QuoteRow]:
        """Prices from the streaming socket. Raises ProviderFailed where it cannot be reached."""
        return yahoo_quotes.stream(symbols)

    def live(self, symbols: Sequence[str], *, every_s: float = 15.0) -> Iterator[QuoteAnswer]:
        """Prices for ever: streamed where the socket opens, else asked every few seconds."""
        return yahoo_quotes.live(symbols, self._session, every_s=every_s)

    def _with_options(self, symbol: str) -> Any:
        """One handle for all expirations of a symbol: each new one would ask for the list again."""
        if self._of_options is None or self._of_options[0] != symbol:
            self._of_options = symbol, yahoo_session.ticker(symbol, self._session)
        return self._of_options[1]

    def _history(self, symbol: str, start: date, end: date) -> SymbolHistory:
        ticker = yahoo_session.ticker(symbol, self._session)
        if start > end:
            return SymbolHistory(symbol)
        try:
            frame = ticker.history(
                # more on both sides: the exchange's midnight is not New York's
                start=(start - BEFORE).isoformat(),
                end=(end + timedelta(days=2)).isoformat(),
                interval="1d",
                auto_adjust=False,
                actions=True,
                keepna=True,
            )
            meta = ticker.get_history_metadata()
        finally:
            yahoo_session.forget()
        answered = str(meta.get("symbol", "")).upper()
        if answered != symbol:
            raise ProviderFailed(
                f"asked for {symbol}, answered for {answered[:24] or 'nothing'}",
                code="wrong_symbol",
            )
        if frame.empty:
            raise ProviderFailed("the answer has no rows", code="empty_answer")
        blank = [name for name in PRICES if frame[name].isna().all()]
        if blank:
            raise ProviderFailed(f"no values at all in {', '.join(blank)}", code="empty_answer")
        return _answer(symbol, frame, str(meta.get("currency") or "") or None, start, end)


def _answer(symbol: str, frame: Any, currency: str | None, start: date, end: date) -> SymbolHistory:
    days = [moment.date() for moment in frame.index]
    columns = [frame[name].tolist() for name in (*PRICES, "Volume")]
    bars, gaps = [], []
    anchor = None
    for day, *values in zip(days, *columns, strict=True):
        if day < start and not math.isnan(values[3]):
            anchor = _bar(symbol, day, values)
        if not start <= day <= end:
            continue
        if math.isnan(values[3]):
            gaps.append(day)
        else:
            bars.append(_bar(symbol, day, values))
    if not bars:
        raise ProviderFailed("the answer has no row in the time asked for", code="empty_answer")
    paid = [("cash", "Dividends"), ("capital_gain", "Capital Gains")]
    dividends = [
        DividendRow(symbol, day, amount, currency, kind, yahoo_session.NAME)
        for kind, name in paid
        for day, amount in _events(frame, name, days, start, end)
    ]
    splits = [
        SplitRow(symbol, day, ratio, yahoo_session.NAME)
        for day, ratio in _events(frame, "Stock Splits", days, start, end)
    ]
    return SymbolHistory(
        symbol,
        tuple(bars),
        tuple(dividends),
        tuple(splits),
        tuple(gaps),
        currency,
        anchor=anchor,
    )


def _bar(symbol: str, day: date, values: Sequence[float]) -> BarRow:
    opened, high, low, close, adjusted = (
        None if math.isnan(value) else float(value) for value in values[:5]
    )
    basis = PriceBasis.INDEX_LEVEL if symbol.startswith("^") else PriceBasis.CLOSE
    return BarRow(
        symbol=symbol,
        session_date=day,
        open=opened,
        high=high,
        low=low,
        close=float(values[3]) if close is None else close,
        adj_close=adjusted,
        volume=int(values[5]) or None,
        source=yahoo_session.NAME,
        price_basis=basis.value,
    )


def _events(
    frame: Any, name: str, days: Sequence[date], start: date, end: date
) -> list[tuple[date, float]]:
    if name not in frame.columns:
        return []
    told = zip(days, frame[name].tolist(), strict=True)
    return [
        (day, float(value))
        for day, value in told
        if start <= day <= end and value and math.isfinite(value)
    ]


def _percent(level: float) -> float | None:
    low, high = YIELD_RANGE
    for percent in (level, level / 10):
        if low < percent < high:
            return percent
    return None


def _refuse_total(failures: Sequence[Failure], asked: int) -> None:
    """A question that failed for every symbol is a failure of the source."""
    if failures and len(failures) == asked:
        first = failures[0]
        raise ProviderFailed(
            f"no answer for any of {asked} symbols; {first.subject}: {first.detail}",
            code=first.code,
        )
