"""Constants of market data: name, unit, source."""

from datetime import timedelta
from decimal import Decimal

LIVE_AGE = timedelta(seconds=60)  # reliability rules for prices: fills at once
DELAYED_AGE = timedelta(minutes=15)  # older in session is stale
APART = timedelta(minutes=15)  # a quote farther from the close is none of that close
MAX_STALE_SESSIONS = 5  # analytics exclude a price older than this many sessions
VIX = "^VIX"
BENCHMARK = "SPY"
STRIP = ("SPY", "EFA", "TLT", "XLE")  # the top bar's market strip, before VIX and the 10-year
VIX_MAX_AGE = 3  # sessions, quant.md 17
ADV_WINDOW = 20  # sessions of real volume, product.md 2.4
OVERNIGHT_WINDOW = 252  # sessions for the overnight factor
TENORS = ("1M", "3M", "6M", "1Y", "2Y", "3Y", "5Y", "7Y", "10Y", "20Y", "30Y")
UNKNOWN_HALF_SPREAD_BP = 2.0  # quant.md 16, where nothing is known about an instrument
MANUAL_MAX = Decimal("1000000000")
SIMULATED = "simulated"  # flag of a figure that rests on simulated quotes
SECTOR_FUND = "US sector: "  # how the segment of a fund of one sector begins
