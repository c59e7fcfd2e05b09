"""What bookings of splits and dividends share: who makes them, sources, rates, sums."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from etftrader.core.actor import system
from marketdata.calculations.exchange import Rate
from marketdata.models import CorporateAction, Instrument
from marketdata.selectors import calendar, exchange_rates
from portfolios.models import Portfolio
from portfolios.selectors import ledger as books

HOUSE = system("corporate actions")


@dataclass(slots=True)
class Done:
    """What one run booked."""

    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(
            ("splits", "in_lieu", "dividends", "payments", "waiting", "to_review"), 0
        )
    )
    warnings: list[dict[str, Any]] = field(default_factory=list)

    def add(self, what: str, number: int = 1) -> None:
        """Count."""
        self.counts[what] += number

    def warn(self, code: str, portfolio: Portfolio, detail: str) -> None:
        """Note what a person should know."""
        self.warnings.append({"code": code, "portfolio": str(portfolio.pk), "detail": detail})

    def result(self) -> dict[str, Any]:
        """As a run keeps it."""
        return {"counts": self.counts, "warnings": self.warnings[:50]}


def source_of(action: CorporateAction, *rest: object) -> str:
    """Of the booking of an action in a book; more words for a further booking of it."""
    return ":".join([f"{books.ACTION}{action.pk}", *(str(each) for each in rest)])


def payment_of(action: CorporateAction) -> str:
    """Of a dividend's payment."""
    return source_of(action, "paid")


def rate_before(portfolio: Portfolio, instrument: Instrument, first: date) -> Rate:
    """The rate of the last close before an ex-date: all that is known as it opens."""
    pair = instrument.currency, portfolio.base_currency
    rates = exchange_rates.closing(currencies=pair, session_date=calendar.previous(first))
    return rates.between(*pair)
