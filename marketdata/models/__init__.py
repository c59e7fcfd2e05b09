"""Tables of market facts."""

from marketdata.models.bar import DailyBar, MinuteBar, PriceSeries
from marketdata.models.contract import Bond, OptionContract
from marketdata.models.corporate_action import CorporateAction
from marketdata.models.fundamental import Fundamental, Valuation
from marketdata.models.greeks import OptionGreeks
from marketdata.models.instrument import Instrument, InstrumentAlias
from marketdata.models.market_clock import ReplayClock, SessionOverride
from marketdata.models.quote import OptionQuote, Quote, Tick
from marketdata.models.rate import TreasuryYield
from marketdata.models.refresh import DataRefresh, QuarantinedPrice
from marketdata.models.universe import Universe, UniverseMember

__all__ = [
    "Bond",
    "CorporateAction",
    "DailyBar",
    "DataRefresh",
    "Fundamental",
    "Instrument",
    "InstrumentAlias",
    "MinuteBar",
    "OptionContract",
    "OptionGreeks",
    "OptionQuote",
    "PriceSeries",
    "QuarantinedPrice",
    "Quote",
    "ReplayClock",
    "SessionOverride",
    "Tick",
    "TreasuryYield",
    "Universe",
    "UniverseMember",
    "Valuation",
]
