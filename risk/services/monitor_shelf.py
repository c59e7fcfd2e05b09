"""Books kept between bars: read again when their ledger moves, their options valued together."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Count, Max

from etftrader.core import clock
from marketdata.choices import InstrumentKind, PriceClass, Source
from marketdata.live import MarketState
from marketdata.models import DailyBar, Instrument
from marketdata.selectors import (
    calendar,
    exchange_rates,
    open_doubts,
    option_marks,
    prices,
    suspects,
)
from marketdata.selectors.exchange_rates import Rates
from marketdata.selectors.option_marks import Revaluation
from marketdata.selectors.prices import Mark
from marketdata.selectors.sessions import Moment
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import holdings
from risk.choices import CovarianceKind
from risk.selectors import covariance as matrices
from risk.selectors.covariance import Matrix

ASK_AGAIN = timedelta(minutes=1)  # by the wall clock: bars may be played fast


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
    base_currency: str = "USD"


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
        self.simulated: set[str] = set()  # options whose volatility nobody quoted
        self.matrices: tuple[Any, Matrix | None, Matrix | None] = (None, None, None)
        self.rates = exchange_rates.NONE  # of the last close
        self.pairs: dict[str, Mark] = {}  # the quoted pairs behind them
        self.foreign: set[tuple[str, str]] = set()  # currencies held, and of what book
        self.asked: tuple[tuple[Any, ...], datetime] | None = None  # open doubts then, and when

    def refresh(self, heads: Mapping[UUID, int], moment: Moment) -> None:
        """Read the books whose ledger moved; a fixed number of queries for any number of them.

        A name that is new and has no recent close costs one more. Names without a price, or with
        one in doubt, are asked about again where something may have settled it, for no ledger
        moves then; until then they cost two small queries, however many they are.
        """
        open_questions = self._open_questions(moment)
        if open_questions:
            self._price(open_questions, moment)
        moved = [
            pk
            for pk, seq in heads.items()
            if pk not in self.books or self.books[pk].ledger_seq != seq
        ]
        if moved:
            self._read(moved, moment)
        if any(self.rates.between(*each).value is None for each in self.foreign):
            self._convert(moment)

    def _open_questions(self, moment: Moment) -> list[Instrument]:
        """Names whose price is missing or in doubt, and may be another one by now."""
        unpriced: dict[UUID, Instrument] = {}
        unsure: list[Instrument] = []
        for symbol, mark in self.closes.items():
            each = self.instruments[symbol]
            if mark.price is None and each.kind != InstrumentKind.OPTION:
                unpriced[each.pk] = each
            elif mark.price is None or mark.price_class == PriceClass.SUSPECT:
                unsure.append(each)
        if not unsure:
            self.asked = None
        elif not self._ask_again():
            unsure = []
        return unsure + [unpriced[key] for key in _priced_now(unpriced, moment)]

    def _ask_again(self) -> bool:
        """Whether a doubt came or went since prices were asked about last, or it is long ago."""
        held = open_doubts.rows().aggregate(count=Count("pk"), newest=Max("created_at"))
        doubts, now = tuple(held.values()), clock.now()
        if self.asked is not None:
            before, at = self.asked
            if doubts == before and now - at < ASK_AGAIN:
                return False
        self.asked = doubts, now
        return True

    def _read(self, moved: Sequence[UUID], moment: Moment) -> None:
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
        self._price(new, moment)
        self.foreign |= {
            (line.currency, book.base_currency)
            for book in books
            for line in book.lines
            if line.currency != book.base_currency
        }
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
                base_currency=book.base_currency,
            )

    def _convert(self, moment: Moment) -> None:
        """Read the exchange rates of the last close that foreign holdings need."""
        pairs = exchange_rates.instruments({each for both in self.foreign for each in both})
        marks = prices.newest_closes(instruments=pairs, session_date=moment.session_date)
        self.pairs = {each.symbol: each for each in marks.values()}
        self.rates = Rates(marks.values(), moment.session_date)

    def _price(self, asked: Sequence[Instrument], moment: Moment) -> None:
        marks = prices.newest_closes(instruments=asked, session_date=moment.session_date)
        found = {each.symbol: each for each in marks.values()}
        changed = {symbol for symbol, each in found.items() if self.closes.get(symbol) != each}
        self.closes.update(found)
        options = {s for s in changed if self.instruments[s].kind == InstrumentKind.OPTION}
        if options or not changed.isdisjoint(self.underlyings.values()):
            self._take_options(moment)

    def _take_options(self, moment: Moment) -> None:
        """Take contracts in as they are known now: all are valued in one pass, for all books."""
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
        self.simulated = {
            held[key]
            for key, row in self.options.rows.items()
            if option_marks.source_of(row) == Source.SIM
        }

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

    def doubted(self, moment: Moment) -> set[str]:
        """Names behind whose newest price of the session another waits for a person: one query."""
        names = {each.pk: symbol for symbol, each in self.instruments.items()}
        if self.options is not None:
            under = (each.underlying for each in self.options.contracts.values())
            names |= {each.pk: each.symbol for each in under}
        last_close = calendar.close_time(moment.session_date)
        found = set()
        for key, told in suspects.behind_quotes(names, session_date=moment.current).items():
            close = self.closes.get(names[key])
            since = told.since or (close.as_of if close is not None else last_close)
            price = None if close is None or close.price is None else float(close.price)
            if any(each.outdates(since, price) for each in told.waiting):
                found.add(names[key])
        return found


def _priced_now(unpriced: Collection[UUID], moment: Moment) -> list[UUID]:
    """Which of these names have a close by now: one query."""
    if not unpriced:
        return []
    bars = DailyBar.objects.filter(instrument__in=unpriced, session_date__lte=moment.session_date)
    return list(bars.order_by().values_list("instrument_id", flat=True).distinct())


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
