"""The chain of an underlying as a table: one row a strike, a call and a put side."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Count

from marketdata.choices import OptionRight, PriceClass, Source
from marketdata.constants import DELAYED_AGE, LIVE_AGE, MAX_STALE_SESSIONS
from marketdata.models import Instrument, OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import calendar, contracts, greeks
from marketdata.selectors.sessions import Moment

NO_QUOTE, NO_GREEKS = "no_quote", "not_computed"
FALLBACK = "fallback"  # the quality of quotes that are made, not heard


@dataclass(frozen=True, slots=True)
class Side:
    """One contract of the table with its newest quote and Greeks; reasons where there is none."""

    contract: OptionContract
    quote: OptionQuote | None
    greeks: OptionGreeks | None
    age_seconds: int | None
    quality: str | None
    quote_reason: str  # why there is no quote
    volatility_reason: str  # why the quote has no volatility
    greeks_reason: str

    @property
    def greeks_late(self) -> bool:
        """Whether the Greeks are of a close before the session of the quote they stand beside."""
        if self.quote is None or self.greeks is None:
            return False
        return self.greeks.session_date < self.quote.session_date


@dataclass(frozen=True, slots=True)
class Line:
    """One strike of one root; a side that is not listed is None."""

    root: str
    strike: Decimal
    call: Side | None
    put: Side | None


@dataclass(frozen=True, slots=True)
class Chain:
    """All strikes of one expiry, and how many contracts each living expiry has."""

    underlying: Instrument
    expiry: date | None
    expiries: dict[date, int]
    lines: tuple[Line, ...]


def table(*, underlying: Instrument, moment: Moment, expiry: date | None = None) -> Chain:
    """Contracts that live on the clock's session; without an expiry, those of the nearest one."""
    living = contracts.of_chain(underlying_id=underlying.pk, on=moment.current)
    days = expiries(underlying=underlying, moment=moment)
    chosen = expiry or next(iter(days), None)
    rows = list(living.filter(expiry=chosen)) if chosen in days else []
    quotes = _quotes(rows, moment)
    figures = greeks.latest(contract_ids=[each.pk for each in rows], until=moment.session_date)
    lines: dict[tuple[Decimal, str], dict[str, Side]] = {}
    for each in rows:
        side = _side(each, quotes.get(each.pk), figures.get(each.pk), moment)
        lines.setdefault((each.strike, each.root), {})[each.right] = side
    return Chain(
        underlying,
        chosen,
        days,
        tuple(
            Line(root, strike, sides.get(OptionRight.CALL), sides.get(OptionRight.PUT))
            for (strike, root), sides in lines.items()
        ),
    )


def _quotes(rows: list[OptionContract], moment: Moment) -> dict[UUID, OptionQuote]:
    """The newest quote of each contract that the clock knows, at most five sessions old."""
    if not rows:
        return {}
    first = calendar.previous(moment.current, MAX_STALE_SESSIONS)
    found = OptionQuote.objects.filter(
        contract__underlying_id=rows[0].underlying_id,
        contract__expiry=rows[0].expiry,
        session_date__range=(first, moment.current),
        as_of__lte=moment.as_of,
    ).order_by("as_of", "source", "pk")
    return {each.contract_id: each for each in found}


def _side(
    contract: OptionContract,
    quote: OptionQuote | None,
    figures: OptionGreeks | None,
    moment: Moment,
) -> Side:
    return Side(
        contract=contract,
        quote=quote,
        greeks=figures,
        age_seconds=int((moment.as_of - quote.as_of).total_seconds()) if quote else None,
        quality=quality(quote, moment) if quote else None,
        quote_reason="" if quote else NO_QUOTE,
        volatility_reason="" if quote and quote.iv is not None else _why(quote),
        greeks_reason=figures.reason if figures else NO_GREEKS,
    )


def quality(quote: OptionQuote, moment: Moment) -> str:
    """Price class of a quote's age on the market clock; `fallback` for simulated ones."""
    if quote.source == Source.SIM:
        return FALLBACK
    age = moment.as_of - quote.as_of
    if moment.in_session:
        if age <= LIVE_AGE:
            return PriceClass.LIVE.value
        return PriceClass.DELAYED.value if age <= DELAYED_AGE else PriceClass.STALE.value
    fresh = quote.session_date == moment.session_date
    return PriceClass.EOD.value if fresh else PriceClass.STALE.value


def _why(quote: OptionQuote | None) -> str:
    return (quote.reason or NO_QUOTE) if quote else NO_QUOTE


def one(*, contract: OptionContract, moment: Moment) -> Side:
    """One contract as the table shows it: its newest quote and Greeks that the clock knows."""
    first = calendar.previous(moment.current, MAX_STALE_SESSIONS)
    quote = (
        OptionQuote.objects.filter(
            contract=contract,
            session_date__range=(first, moment.current),
            as_of__lte=moment.as_of,
        )
        .order_by("as_of", "source", "pk")
        .last()
    )
    figures = greeks.latest(contract_ids=[contract.pk], until=moment.session_date)
    return _side(contract, quote, figures.get(contract.pk), moment)


def is_old(*, underlying: Instrument, moment: Moment) -> bool:
    """Whether fresher quotes may be had: none is of the moment's session, or of this quarter hour.

    An underlying without any quote has old ones.
    """
    newest = (
        OptionQuote.objects.filter(
            contract__underlying=underlying, session_date__lte=moment.current
        )
        .order_by("-session_date", "-as_of")
        .first()
    )
    if newest is None or newest.session_date < moment.current:
        return True
    return moment.in_session and moment.as_of - newest.as_of > DELAYED_AGE


def expiries(*, underlying: Instrument, moment: Moment) -> dict[date, int]:
    """How many living contracts each expiry of an underlying has, nearest first."""
    living = contracts.of_chain(underlying_id=underlying.pk, on=moment.current)
    counted = living.order_by("expiry").values("expiry").annotate(n=Count("pk"))
    return dict(counted.values_list("expiry", "n"))
