"""Yahoo's option chains as rows: contracts of one expiration, sides without a quote empty."""

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

from marketdata.providers import yahoo_session
from marketdata.providers.base import OptionChain, OptionRow, ProviderFailed

CONTRACT = re.compile(r"[A-Z0-9.^]{1,8}?([0-9]{6})([CP])[0-9]{8}")
Ticker = Callable[[], Any]  # the library's handle on the symbol; may raise as the library does
NO_VOLATILITY = 1e-4  # Yahoo writes 0 or 0.00001 where it has none


def expirations(symbol: str, ticker: Ticker) -> tuple[date, ...]:
    """Return the listed expirations in order. Raises ProviderFailed."""
    try:
        found = tuple(sorted(date.fromisoformat(each) for each in ticker().options))
    except yahoo_session.errors() as error:
        raise yahoo_session.raised(symbol, error) from error
    if not found:
        raise ProviderFailed(f"{symbol} has no listed options at Yahoo", code="empty_answer")
    return found


def chain(symbol: str, expiration: date, ticker: Ticker) -> OptionChain:
    """Return every contract of one expiration. Raises ProviderFailed."""
    try:
        told = ticker().option_chain(expiration.isoformat())
        return _chain(symbol, expiration, told)
    except yahoo_session.errors() as error:
        raise yahoo_session.raised(symbol, error) from error


def _chain(symbol: str, expiration: date, told: Any) -> OptionChain:
    if told.calls is None or told.puts is None or (told.calls.empty and told.puts.empty):
        raise ProviderFailed("the chain has no contracts", code="empty_answer")
    quote = told.underlying or {}
    answered = str(quote.get("symbol", "")).upper()
    if answered != symbol:
        raise ProviderFailed(
            f"asked for {symbol}, answered for {answered[:24] or 'nothing'}", code="wrong_symbol"
        )
    rows = [
        _row(symbol, expiration, right, contract)
        for right, frame in (("C", told.calls), ("P", told.puts))
        for contract in frame.to_dict("records")
    ]
    return OptionChain(symbol, expiration, positive(quote.get("regularMarketPrice")), tuple(rows))


def _row(symbol: str, expiration: date, right: str, told: dict[str, Any]) -> OptionRow:
    contract = str(told["contractSymbol"])
    read = CONTRACT.fullmatch(contract)
    if not read or read[1] != f"{expiration:%y%m%d}" or read[2] != right:
        raise ProviderFailed(
            f"contract {contract[:24]} does not expire on {expiration}", code="wrong_expiration"
        )
    strike = positive(told["strike"])
    if strike is None:
        raise ProviderFailed(f"contract {contract} has no strike")
    volatility = positive(told["impliedVolatility"])
    if volatility is not None and volatility < NO_VOLATILITY:
        volatility = None
    return OptionRow(
        contract=contract,
        underlying=symbol,
        expiration=expiration,
        right=right,
        strike=strike,
        bid=positive(told["bid"]),
        ask=positive(told["ask"]),
        last=positive(told["lastPrice"]),
        volume=count(told["volume"]),
        open_interest=count(told["openInterest"]),
        implied_volatility=volatility,
        last_trade_at=_moment(told["lastTradeDate"]),
        currency=str(told["currency"]) if isinstance(told["currency"], str) else None,
        source=yahoo_session.NAME,
    )


def positive(value: object) -> float | None:
    """Return a finite number above zero; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value > 0 else None


def count(value: object) -> int | None:
    """Return a whole number of at least zero; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if math.isfinite(value) and value >= 0 else None


def _moment(stamp: Any) -> datetime | None:
    # a blank stamp is not equal to itself
    return stamp.to_pydatetime().astimezone(UTC) if stamp == stamp and stamp is not None else None
