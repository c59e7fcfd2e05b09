"""Exchange rates at the close of many sessions, from one read."""

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from marketdata.calculations import exchange
from marketdata.selectors import exchange_rates
from marketdata.selectors.exchange_rates import Rates
from portfolios.selectors.price_tape import PriceTape

YEAR = timedelta(days=366)


class ExchangeTape:
    """Rates among some currencies at the close of any session between two.

    Of one currency alone nothing is asked, and there is no rate but one.
    """

    def __init__(self, currencies: Iterable[str], first: date, last: date) -> None:
        pairs = exchange_rates.instruments(currencies)
        self._tape = PriceTape(pairs, first, last) if pairs else None
        self._found: dict[date, Rates] = {}

    def at(self, session_date: date) -> Rates:
        """The rates of one session, as `exchange_rates.closing` would give them."""
        if self._tape is None:
            return exchange_rates.NONE
        if session_date not in self._found:
            marks = self._tape.at(session_date).values()
            self._found[session_date] = Rates(marks, session_date)
        return self._found[session_date]


class History:
    """Rates into one currency at closes of any order, for files and what they bring in."""

    def __init__(self, target: str, until: date) -> None:
        self.target, self._until = target, until
        self._tapes: dict[str, tuple[date, ExchangeTape]] = {}

    def rate(self, origin: str, session_date: date) -> Decimal | None:
        """One unit of a currency at a close; None where nobody knows, 1 for the target itself."""
        if origin == self.target:
            return exchange.ONE
        first, tape = self._tapes.get(origin, (date.max, None))
        if tape is None or session_date < first:
            # rows come in any order: a year at least, so that few of them read again
            first = min(session_date, self._until - YEAR)
            tape = ExchangeTape((origin, self.target), first, max(self._until, session_date))
            self._tapes[origin] = first, tape
        return tape.at(session_date).between(origin, self.target).value
