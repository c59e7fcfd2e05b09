"""Figures of prices in doubt as pages write them: with their unit, in the shares of today."""

from decimal import Decimal

from etftrader.core.formats import SYMBOLS, figure, number
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument, QuarantinedPrice
from marketdata.providers.sources import YIELDS

PLACES = 4  # prices are stored with so many
# an index has points, a bond percent of its face
WITHOUT_CURRENCY = (InstrumentKind.INDEX, InstrumentKind.BOND)


def told(
    doubt: QuarantinedPrice, text: str, *, shares: float = 1.0, of: Instrument | None = None
) -> str:
    """A figure of a doubt that is divided by `shares`: dollars, points, percent for a yield.

    `of` is its instrument where that is known already. What is no number stands as it came.
    """
    value = number(text)
    if value is not None and shares != 1.0:
        text = str(round(value / Decimal(repr(shares)), PLACES))
    return figure(text, *_unit(doubt, of or doubt.instrument))


def _unit(doubt: QuarantinedPrice, instrument: Instrument | None) -> tuple[str, str]:
    """What stands before and after a figure."""
    if doubt.dataset == YIELDS:
        return "", "%"
    if instrument is not None and instrument.kind in WITHOUT_CURRENCY:
        return "", ""
    currency = instrument.currency if instrument is not None else "USD"
    return SYMBOLS.get(currency, f"{currency} "), ""
