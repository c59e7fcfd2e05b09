"""Figures of prices in doubt as pages write them: with their unit, in the shares of today."""

from decimal import Decimal

from etftrader.core.formats import SYMBOLS, figure, number
from etftrader.views.quote_bond import OF_FACE
from marketdata.choices import InstrumentKind
from marketdata.models import Instrument, QuarantinedPrice
from marketdata.providers.sources import BARS, QUOTES, VIX, YIELDS

PLACES = 4  # prices are stored with so many
PRICES = (BARS, QUOTES, VIX)
WITHOUT_CURRENCY: dict[str, str] = {InstrumentKind.INDEX: " points", InstrumentKind.BOND: OF_FACE}


def told(
    doubt: QuarantinedPrice, text: str, *, shares: float = 1.0, of: Instrument | None = None
) -> str:
    """A figure of a doubt, divided by `shares`, with its unit.

    A price has its instrument's currency, points of an index or percent of a bond's face; a yield
    is in percent. Without an instrument, and in other datasets, no unit is known and none is told.
    `of` is the instrument where that is read already. What is no number stands as it came.
    """
    value = number(text)
    if value is not None and shares != 1.0:
        text = str(round(value / Decimal(repr(shares)), PLACES))
    return figure(text, *_unit(doubt, of or doubt.instrument))


def _unit(doubt: QuarantinedPrice, instrument: Instrument | None) -> tuple[str, str]:
    """What stands before and after a figure."""
    if doubt.dataset == YIELDS:
        return "", "%"
    if instrument is None or doubt.dataset not in PRICES:
        return "", ""
    if unit := WITHOUT_CURRENCY.get(instrument.kind):
        return "", unit
    return SYMBOLS.get(instrument.currency, f"{instrument.currency} "), ""
