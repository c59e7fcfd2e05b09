"""Yahoo's newest prices: asked in batches, or read from its streaming socket."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from etftrader.core.errors import BadInput, DomainError
from etftrader.core.outbound.rules import checked_symbol
from etftrader.core.outbound.sockets import streaming
from marketdata.providers import yahoo_session
from marketdata.providers.base import Failure, ProviderFailed, QuoteAnswer, QuoteRow
from marketdata.providers.yahoo_options import count, positive

BATCH = 100
QUOTE_URL = "https://query1.finance.yahoo.com/v7/finance/quote"
SUBSCRIBE_EVERY_S = 15.0
MOST_GARBAGE = 20  # messages in a row that nobody can read
POLLS_BEFORE_STREAM = 20


def quotes(symbols: Sequence[str], session: Any) -> QuoteAnswer:
    """Ask once for the newest prices; a failing batch fails its symbols only."""
    found: dict[str, QuoteRow] = {}
    failures: list[Failure] = []
    asked = _checked(symbols, failures)
    for place in range(0, len(asked), BATCH):
        batch = asked[place : place + BATCH]
        try:
            told = _batch(batch, session)
        except yahoo_session.errors() as error:
            failures += [yahoo_session.failure_of(symbol, error) for symbol in batch]
            continue
        for symbol in batch:
            row = _row(symbol, told[symbol]) if symbol in told else None
            if row is None:
                words = "no price" if symbol in told else "not in the answer"
                failures.append(Failure(symbol, "empty_answer", f"Yahoo's answer: {words}"))
            else:
                found[symbol] = row
    return QuoteAnswer(tuple(found.values()), tuple(failures))


def stream(symbols: Sequence[str]) -> Iterator[QuoteRow]:
    """Read the streaming socket till it closes. Raises ProviderFailed."""
    failures: list[Failure] = []
    asked = _checked(symbols, failures)
    if failures:
        raise BadInput(failures[0].detail, code=failures[0].code, symbol=failures[0].subject)
    rules, url = yahoo_session.stream_rules()
    try:
        with streaming(rules, url) as line:
            yield from _messages(line, asked)
    except ProviderFailed:
        raise
    except DomainError as error:
        raise yahoo_session.raised("the stream", error) from error


def live(
    symbols: Sequence[str],
    session: Any,
    *,
    every_s: float,
    sleep: Callable[[float], object] = time.sleep,
) -> Iterator[QuoteAnswer]:
    """Prices for ever: the stream while it lasts, polling while it cannot be had."""
    while True:
        try:
            for row in stream(symbols):
                yield QuoteAnswer((row,))
        except ProviderFailed as failure:
            yield QuoteAnswer((), (Failure("stream", failure.code, failure.detail),))
        for _ in range(POLLS_BEFORE_STREAM):
            yield quotes(symbols, session)
            sleep(every_s)


def _checked(symbols: Sequence[str], failures: list[Failure]) -> list[str]:
    asked = []
    for symbol in dict.fromkeys(symbols):
        try:
            asked.append(checked_symbol(symbol))
        except BadInput as refusal:
            failures.append(Failure(str(symbol)[:24], refusal.code, refusal.detail))
    return asked


def _batch(symbols: Sequence[str], session: Any) -> dict[str, dict[str, Any]]:
    params = {"symbols": ",".join(symbols), "formatted": "false"}
    answer = yahoo_session.json(QUOTE_URL, params, session)
    told = answer["quoteResponse"]["result"]
    return {str(each["symbol"]): each for each in told if isinstance(each, dict)}


def _row(symbol: str, told: dict[str, Any]) -> QuoteRow | None:
    price, seconds = positive(told.get("regularMarketPrice")), told.get("regularMarketTime")
    moment = _moment(seconds)
    if price is None or moment is None:
        return None
    return QuoteRow(
        symbol=symbol,
        price=price,
        bid=positive(told.get("bid")),
        ask=positive(told.get("ask")),
        previous_close=positive(told.get("regularMarketPreviousClose")),
        volume=count(told.get("regularMarketVolume")),
        as_of=moment,
        delay_minutes=count(told.get("exchangeDataDelayedBy")),
        market_state=_words(told.get("marketState")),
        currency=_words(told.get("currency")),
        source=yahoo_session.NAME,
    )


def _messages(line: Any, symbols: Sequence[str]) -> Iterator[QuoteRow]:
    from websockets.exceptions import ConnectionClosed

    decode = yahoo_session.decoder()
    wish, wanted, garbage = json.dumps({"subscribe": list(symbols)}), set(symbols), 0
    asked_at = float("-inf")
    while True:
        try:
            if time.monotonic() - asked_at >= SUBSCRIBE_EVERY_S:
                line.send(wish)
                asked_at = time.monotonic()
            message = line.recv(timeout=SUBSCRIBE_EVERY_S)
        except TimeoutError:
            continue
        except ConnectionClosed:
            return
        try:
            row = _streamed(decode(json.loads(message)["message"]))
        except yahoo_session.errors():
            row = None
        garbage = garbage + 1 if row is None else 0
        if garbage >= MOST_GARBAGE:
            raise ProviderFailed("the stream sends nothing readable")
        if row is not None and row.symbol in wanted:
            yield row


def _streamed(told: dict[str, Any]) -> QuoteRow | None:
    price = positive(told.get("price"))
    moment = _moment(int(told.get("time", 0)) / 1000)
    if price is None or moment is None:
        return None
    return QuoteRow(
        symbol=str(told.get("id", "")),
        price=price,
        bid=positive(told.get("bid")),
        ask=positive(told.get("ask")),
        previous_close=positive(told.get("previous_close")),
        volume=int(told["day_volume"]) if "day_volume" in told else None,
        as_of=moment,
        delay_minutes=None,
        market_state=None,
        currency=_words(told.get("currency")),
        source=yahoo_session.NAME,
    )


def _moment(seconds: object) -> datetime | None:
    """A moment after 1980 and before 2100; anything else is no time of a trade."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not 315_532_800 < seconds < 4_102_444_800:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def _words(value: object) -> str | None:
    return value[:24] if isinstance(value, str) and value else None
