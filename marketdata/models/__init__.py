"""Tables of market facts."""

from marketdata.models.bar import DailyBar, PriceSeries
from marketdata.models.instrument import Instrument, InstrumentAlias
from marketdata.models.market_clock import ReplayClock
from marketdata.models.quote import Quote
from marketdata.models.rate import TreasuryYield
from marketdata.models.refresh import DataRefresh

__all__ = [
    "DailyBar",
    "DataRefresh",
    "Instrument",
    "InstrumentAlias",
    "PriceSeries",
    "Quote",
    "ReplayClock",
    "TreasuryYield",
]
