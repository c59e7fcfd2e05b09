"""Constants of risk: name, unit, source."""

from datetime import date
from decimal import Decimal

VAR_CONFIDENCE = 0.95  # one-sided, quant.md 6
HORIZON_DAYS = 1  # sessions
DAYS_PER_YEAR = 252  # sessions, for annual volatility

EWMA_LAMBDA = 0.94  # per session, RiskMetrics
WINDOW = 252  # returns, quant.md 5.1
MIN_ROWS = 60  # returns a name needs to be covered at all; fewer: no_covariance
MATRIX_MAX_AGE = 5  # sessions a daily matrix stays in force
STRESS_START, STRESS_END = date(2008, 9, 1), date(2009, 3, 31)  # preset of the bundle
STRESS_MIN_RETURNS = 40  # returns inside the window, quant.md 5.5
PRICE_MAX_SESSIONS = 5  # sessions a price may be old in analytics, product.md 11.1
LOW_COVERAGE = 0.90  # of gross exposure; below it a run is degraded
PARTS_KEPT = 20  # newest sessions of a range that keep matrices and parts per position

# default limits, product.md 11.1
VAR_LIMIT = Decimal("0.03")  # of equity, hard
POSITION_WEIGHT_LIMIT = Decimal("0.20")  # of equity, soft
GROSS_LIMIT = Decimal("2.00")  # of equity, hard
DAILY_LOSS_LIMIT = Decimal("0.05")  # of equity, soft
WATCH = 0.8  # of a limit
# the largest limits: what a book can lose, or have in one name, is at most what it is worth
LARGEST_SHARE = Decimal(1)  # of equity
LARGEST_GROSS = Decimal(10)  # of equity
STEP_DOWN = 0.02  # of a limit: a live state is left only by this much, so it does not flicker

# verdicts
PRICE_MAX_AGE_S = 900  # on the market clock, in session
VERDICT_LIFE_S = 60  # on the market clock
FRACTION_LOT = Decimal("0.000001")  # smallest quantity where fractions are allowed
MAX_QUANTITY = Decimal("1000000000")

GATE_PATHS = 10_000  # of the full revaluation of option books, quant.md 6.10
OPTION_SHARE = 0.05  # of gross delta exposure, above which a book is one of options, quant.md 6.10

# stops, quant.md 17
STOP_NEAR = 0.02  # distance at or below which a stop warns, of the close
STOP_REARM = 0.04  # distance above which it is armed again
VIX_MAX_AGE = 3  # sessions
VIX_SYMBOL = "^VIX"

LIVE_POINTS = 400  # points of today's series kept
LIVE_TTL_S = 86_400

DEPENDENCY_MAX_S = 2.0  # wall seconds an input of a verdict may take, reliability.md 5f
COLLAR = 0.10  # a given price may be this far from the reference, reliability.md 5e
LIQUIDATION_SHARE = 0.20  # of a day's volume somebody may be, quant.md 6.9
FILL_ROUNDING = 0.00005  # dollars a unit: fills are booked at four places
