"""Make and value instruments: the provider's reference data, and things valued by their owner."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core.errors import BadInput
from etftrader.core.money import MAX_AMOUNT, to_money
from marketdata.choices import InstrumentKind, PriceBasis, Pricing, Source
from marketdata.constants import MANUAL_MAX
from marketdata.events import instruments_created
from marketdata.models import DailyBar, Fundamental, Instrument
from marketdata.providers import reference
from marketdata.providers.base import FundRow, InstrumentRow
from marketdata.selectors import instruments
from marketdata.services import symbols


@transaction.atomic
def load_reference(*, rows: Sequence[InstrumentRow]) -> dict[str, Instrument]:
    """Create or update instruments from a provider's table; by symbol. New ones are announced.

    What bears another symbol by now is left as it is.
    """
    classes = reference.liquidity_rows()
    known = instruments.by_symbols(row.symbol for row in rows)
    found = {}
    fresh = False
    for row in rows:
        renamed = known.get(row.symbol)
        if renamed is not None and renamed.symbol != row.symbol:
            found[row.symbol] = renamed
            continue
        liquidity = classes.get(row.liquidity_class) if row.liquidity_class else None
        instrument, created = Instrument.objects.update_or_create(
            symbol=row.symbol,
            defaults={
                "name": row.name,
                "kind": row.kind,
                "asset_class": row.asset_class,
                "sector": row.sector or "",
                "segment": row.segment or "",
                "country": row.region or "",
                "factor_tilt": row.factor_tilt or "",
                "currency": row.currency,
                "exchange": row.exchange or "",
                "price_basis": row.price_basis,
                "liquidity_class": row.liquidity_class,
                "assumed_volume": liquidity.adv_shares if liquidity else None,
                "assumed_half_spread_bp": liquidity.half_spread_bp if liquidity else None,
                "assumed_dividend_yield": row.assumed_dividend_yield,
            },
        )
        found[row.symbol] = instrument
        fresh = fresh or created
    if fresh:
        instruments_created.announce()
    return found


@transaction.atomic
def keep_facts(*, instrument: Instrument, told: FundRow, as_of: date) -> Fundamental:
    """Keep what a source says of a fund or a company on a day; said again it replaces itself."""
    aum = told.total_assets
    row, _ = Fundamental.objects.update_or_create(
        instrument=instrument,
        as_of=as_of,
        source=told.source,
        defaults={
            "expense_ratio": told.expense_ratio,
            "dividend_yield": told.dividend_yield,
            "pe": told.price_to_earnings,
            "pb": told.price_to_book,
            "aum": to_money(aum) if aum is not None and aum <= MAX_AMOUNT else None,
            "duration": told.bond_duration,
            "category": (told.category or "")[:80],
            "sector_weights": dict(told.sector_weights),
            "top_holdings": [
                {"symbol": symbol, "name": name, "weight": weight}
                for symbol, name, weight in told.top_holdings
            ],
        },
    )
    return row


@transaction.atomic
def create_private(*, owner_id: UUID, symbol: str, name: str, currency: str = "USD") -> Instrument:
    """Create something only its owner sees and values. Raises BadInput for a borne symbol."""
    if symbols.is_spelled(symbol):
        raise BadInput(symbols.not_free(symbol), attr="symbol")
    return Instrument.objects.create(
        symbol=symbol,
        name=name,
        kind=InstrumentKind.PRIVATE,
        asset_class="alternative",
        currency=currency,
        pricing=Pricing.MANUAL,
        price_basis=PriceBasis.MANUAL,
        owner_id=owner_id,
    )


@transaction.atomic
def value_manually(*, instrument: Instrument, session_date: date, price: Decimal) -> DailyBar:
    """Keep the owner's valuation of a session; a second one of that session replaces it."""
    if instrument.pricing != Pricing.MANUAL:
        raise BadInput(f"{instrument.symbol} is priced by its provider.", attr="symbol")
    if not 0 < price <= MANUAL_MAX:
        raise BadInput("A valuation is above 0 and at most 1,000,000,000.", attr="price")
    bar = DailyBar.objects.filter(
        instrument=instrument, session_date=session_date, source=Source.MANUAL
    ).first()
    if bar is None:
        return DailyBar.objects.create(
            instrument=instrument,
            session_date=session_date,
            source=Source.MANUAL,
            close=to_money(price),
            price_basis=PriceBasis.MANUAL,
        )
    bar.close, bar.revision = to_money(price), bar.revision + 1
    bar.save(update_fields=["close", "revision"])
    return bar
