"""The options of the demo: which contracts, their quotes and Greeks of the last sessions."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from etftrader.core.actor import Actor
from etftrader.core.errors import DomainError
from etftrader.core.money import CENT
from etftrader.demo.books import OptionHolding
from marketdata.calculations import option_symbols
from marketdata.choices import Source
from marketdata.models import Instrument
from marketdata.providers import bundled_options
from marketdata.providers.base import OptionChain
from marketdata.providers.bundled_options import BundledOptions
from marketdata.selectors import calendar, prices
from marketdata.services import contracts, greeks, option_quotes

UNDERLYING = bundled_options.SYMBOL
LEAST_DAYS = 20
WHOLE = Decimal(1)
GREEKS_SESSIONS = 20


class _Held:
    """The bundled quotes of some contracts only: the whole chain of the past is not needed."""

    name = Source.SIM.value

    def __init__(self, wanted: Sequence[str], session_date: date) -> None:
        self._wanted = set(wanted)
        self._whole = BundledOptions(until=session_date, also=wanted)

    def expirations(self, symbol: str) -> tuple[date, ...]:
        """Expiries of the contracts."""
        mine = {option_symbols.parse(each).expiry for each in self._wanted}
        return tuple(each for each in self._whole.expirations(symbol) if each in mine)

    def chain(self, symbol: str, expiration: date) -> OptionChain:
        """The contracts of one expiry."""
        found = self._whole.chain(symbol, expiration)
        rows = tuple(row for row in found.rows if row.contract in self._wanted)
        return replace(found, rows=rows)


def symbols(options: tuple[OptionHolding, ...], start: date) -> list[str]:
    """The compact symbol of each holding: monthly expiries, strikes by the start's close."""
    if not options:
        return []
    spot = _close(start)
    days = _monthlies(start, max(each.monthly for each in options))
    return [
        option_symbols.build(
            UNDERLYING,
            days[each.monthly - 1],
            each.right,
            (spot * Decimal(each.moneyness)).quantize(WHOLE, rounding=ROUND_HALF_UP),
        ).compact
        for each in options
    ]


def prepare(wanted: list[str], start: date, by: Actor) -> None:
    """Make the contracts, then quotes (SIMULATED) and Greeks of the sessions up to the start."""
    if not wanted:
        return
    made = contracts.ensure(symbols=wanted, by=by).contracts
    held: list[UUID] = [each.instrument_id for each in made.values()]
    first = calendar.previous(start, GREEKS_SESSIONS - 1)
    for day in calendar.between(first, start):
        source = _Held(wanted, day)
        done = option_quotes.sync(source=source, underlyings=[UNDERLYING], session_date=day, by=by)
        failed = [each for each in done if each.failure]
        if failed:
            raise DomainError(f"No option quotes of {day}: {failed[0].item()['reason']}.")
        greeks.compute(session_date=day, held=held)


def middles(wanted: list[str], session_date: date) -> dict[str, Decimal]:
    """What the contracts traded at on a session: the middle of the quote, in cents."""
    rows = Instrument.objects.filter(symbol__in=wanted)
    found = prices.marks(instruments=rows, session_date=session_date)
    priced = {mark.symbol: mark.price for mark in found.values() if mark.price is not None}
    missing = sorted(set(wanted) - set(priced))
    if missing:
        raise DomainError(f"No quote of {missing[0]} on {session_date}.")
    return {
        symbol: price.quantize(CENT, rounding=ROUND_HALF_UP) for symbol, price in priced.items()
    }


def _close(session_date: date) -> Decimal:
    under = Instrument.objects.get(symbol=UNDERLYING)
    price = prices.marks(instruments=[under], session_date=session_date)[under.pk].price
    if price is None:
        raise DomainError(f"{UNDERLYING} has no close on {session_date}.")
    return price


def _monthlies(start: date, count: int) -> list[date]:
    """The first monthly expiries at least twenty days after a day."""
    found: list[date] = []
    year, month = start.year, start.month
    while len(found) < count:
        day = bundled_options.monthly(year, month)
        if day - start >= timedelta(days=LEAST_DAYS):
            found.append(day)
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    return found
