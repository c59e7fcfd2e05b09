"""What the books hold and people watch, as ids of instruments: what market data is kept for."""

from collections.abc import Mapping
from datetime import date
from uuid import UUID

from marketdata.choices import InstrumentKind, Pricing
from marketdata.models import Instrument, OptionContract
from portfolios.models import Portfolio, Position
from portfolios.selectors import watchlists

# stand-ins of the factors, and what stops and risk read beside them
PROXIES = ("SPY", "VTV", "VUG", "MTUM", "QUAL", "SIZE", "USMV", "^VIX")
# kinds of which chains are fetched because they are followed
OPTIONED = (InstrumentKind.ETF, InstrumentKind.STOCK)


def held() -> set[UUID]:
    """What some book holds."""
    return set(Position.objects.open().values_list("instrument_id", flat=True).distinct())


def options() -> dict[str, list[str]]:
    """Options held in any book, and the underlyings whose chains are kept.

    Those are what options that are held or watched are on, and every fund and stock that is.
    """
    mine = held()
    followed = mine | watchlists.watched_instrument_ids()
    contracts = OptionContract.objects.filter(instrument__in=followed)
    known = dict(contracts.values_list("instrument_id", "underlying_id"))
    funds = Instrument.objects.filter(
        pk__in=followed,
        kind__in=OPTIONED,
        pricing=Pricing.AUTO,
        owner_id__isnull=True,
        active=True,
    )
    underlyings = {*known.values(), *funds.values_list("pk", flat=True)}
    return {
        "held": sorted(str(each) for each in known if each in mine),
        "watched": sorted(str(each) for each in underlyings),
    }


def symbols_of(portfolio_id: UUID) -> list[str]:
    """What one portfolio holds that has prices of its own, and the underlyings of its options."""
    rows = Position.objects.open().filter(portfolio=portfolio_id, instrument__pricing=Pricing.AUTO)
    mine = set(rows.values_list("instrument_id", flat=True))
    contracts = OptionContract.objects.filter(instrument__in=mine)
    known = dict(contracts.values_list("instrument_id", "underlying_id"))
    priced = Instrument.objects.filter(pk__in=(mine - set(known)) | set(known.values()))
    return list(priced.order_by("symbol").values_list("symbol", flat=True))


def universe() -> set[UUID]:
    """What is to have a price of every session: held, watched, the factors' stand-ins.

    Of an option its underlying: its own prices come with the chain.
    """
    wanted = held() | watchlists.watched_instrument_ids()
    options_of = OptionContract.objects.filter(instrument__in=wanted)
    wanted |= set(options_of.values_list("underlying_id", flat=True))
    proxies = Instrument.objects.filter(symbol__in=PROXIES, owner_id__isnull=True)
    wanted |= set(proxies.values_list("pk", flat=True))
    priced = Instrument.objects.filter(pk__in=wanted, pricing=Pricing.AUTO)
    rest = priced.exclude(kind__in=[InstrumentKind.OPTION, InstrumentKind.BOND])
    return set(rest.values_list("pk", flat=True))


def touched(changed: Mapping[str, date]) -> dict[UUID, date]:
    """Open portfolios that hold, or ever held, something of this, and since when it differs.

    `changed` is symbol -> session; `*` stands for every symbol. Options follow their underlyings.
    """
    every = changed.get("*")
    rows = Position.objects.filter(portfolio__in=Portfolio.objects.open())
    columns = ("portfolio_id", "instrument__symbol", "instrument__option__underlying__symbol")
    found: dict[UUID, date] = {}
    for portfolio_id, symbol, underlying in rows.values_list(*columns).iterator(2000):
        known = [each for each in (every, changed.get(symbol), changed.get(underlying)) if each]
        if known:
            found[portfolio_id] = min(*known, found.get(portfolio_id, known[0]))
    return found
