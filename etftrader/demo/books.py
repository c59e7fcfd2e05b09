"""What the demo's people hold: facts, dated relative to the replay's first session."""

from dataclasses import dataclass, field
from decimal import Decimal

EMAILS = (
    "demo_growth@example.com",
    "demo_value@example.com",
    "demo_balanced@example.com",
    "demo_admin@example.com",
)
NAMES = {
    "demo_growth@example.com": "Grace Growth",
    "demo_value@example.com": "Victor Value",
    "demo_balanced@example.com": "Bella Balanced",
    "demo_admin@example.com": "Ada Admin",
}
PRIVATE_FUND = ("PE-FUND-DEMO", "Private Equity Fund (demo)", Decimal("250000"))


@dataclass(frozen=True, slots=True)
class Flow:
    """Money in or out, so many sessions before the start."""

    sessions_ago: int
    amount: str


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """Bought (or sold short) and closed again before the start."""

    symbol: str
    quantity: int
    opened_ago: int
    closed_ago: int


@dataclass(frozen=True, slots=True)
class OptionHolding:
    """Contracts on SPY, traded on the session before the start; short below zero."""

    right: str  # C, P
    contracts: int
    monthly: int  # which monthly expiry at least twenty days after the start, 1 is the first
    moneyness: str  # strike over the close of the start, then whole dollars


@dataclass(frozen=True, slots=True)
class DemoBook:
    """One portfolio of the demo."""

    owner: str
    name: str
    description: str
    opened_ago: int
    flows: tuple[Flow, ...]
    holdings: dict[str, int]
    round_trips: tuple[RoundTrip, ...]
    tags: dict[str, tuple[str, ...]] = field(default_factory=dict)
    allow_short: bool = False
    var_limit: str | None = None  # fraction of equity, where the owner chose one
    stops: bool = False
    private_fund: bool = False
    options: tuple[OptionHolding, ...] = ()
    option_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DemoList:
    """One watchlist of the demo."""

    owner: str
    name: str
    symbols: tuple[str, ...]


WATCHLISTS = (
    DemoList("demo_growth@example.com", "Core", ("SPY", "TLT", "EEM", "EFA", "LQD", "XLK")),
)

_TECH = ("AAPL", "MSFT", "AMZN", "GOOG", "META", "NVDA")

BOOKS: tuple[DemoBook, ...] = (
    DemoBook(
        owner="demo_growth@example.com",
        name="Growth",
        description="Growth tilt, funds for balance",
        opened_ago=253,
        flows=(Flow(253, "480000"), Flow(118, "5000")),
        holdings={
            "AAPL": 800,
            "MSFT": 410,
            "AMZN": 525,
            "GOOG": 530,
            "META": 155,
            "NVDA": 1480,
            "JNJ": 174,
            "JPM": 283,
            "HD": 124,
            "BND": 1045,
            "MTUM": 1066,
            "QUAL": 1000,
            "EFA": 510,
            "SPY": 186,
            "LQD": 201,
            "XLU": 388,
        },
        round_trips=(RoundTrip("BAC", 400, 182, 109), RoundTrip("XLE", 150, 107, 37)),
        tags={
            "Tech Growth": _TECH,
            "Blue Chip": ("JPM", "HD"),
            "Dividend Income": ("JNJ", "LQD", "XLU"),
            "Core Holdings": ("BND", "MTUM", "QUAL", "EFA", "SPY"),
        },
    ),
    DemoBook(
        owner="demo_growth@example.com",
        name="Factor Rotation",
        description="Paper ETF strategy, equal weight at the start",
        opened_ago=58,
        flows=(Flow(58, "1000000"),),
        holdings={
            "SPY": 321,
            "MTUM": 992,
            "QUAL": 1135,
            "USMV": 1720,
            "VLUE": 1300,
            "XLK": 1487,
            "XLU": 1330,
            "XLE": 1066,
            "VGK": 1360,
            "EWG": 2565,
            "EWU": 2104,
            "EWJ": 1446,
            "EEM": 1927,
            "TLT": 505,
            "LQD": 555,
        },
        round_trips=(RoundTrip("FXI", 250, 58, 16),),
        var_limit="0.015",
        stops=True,
    ),
    DemoBook(
        owner="demo_value@example.com",
        name="Conservative Value",
        description="Dividend and blue-chip stocks, low volatility, Treasuries, one private fund",
        opened_ago=253,
        flows=(Flow(253, "2850000"), Flow(69, "-20000")),
        holdings={
            "SPY": 1900,
            "DIA": 1800,
            "VLUE": 4200,
            "USMV": 4600,
            "JNJ": 900,
            "PG": 1200,
            "KO": 2200,
            "PEP": 900,
            "WMT": 1200,
            "XOM": 1100,
            "CVX": 900,
            "JPM": 1200,
            "UNH": 500,
            "MRK": 1300,
            "IEF": 2200,
            "TIP": 1700,
            "CSJ": 1400,
        },
        round_trips=(RoundTrip("EFA", 1000, 237, 81), RoundTrip("LQD", 600, 100, 16)),
        tags={
            "Core Holdings": ("SPY", "DIA", "VLUE", "USMV", "CSJ"),
            "Blue Chip": ("DIA", "WMT", "JPM", "UNH", "MRK"),
            "Dividend Income": ("JNJ", "PG", "KO", "PEP", "XOM", "CVX"),
            "Risk Hedge": ("IEF", "TIP"),
            "Alternative Assets": (PRIVATE_FUND[0],),
        },
        var_limit="0.015",
        private_fund=True,
    ),
    DemoBook(
        owner="demo_balanced@example.com",
        name="Long/Short with SPY overlay",
        description="Technology longs against value-trap shorts, options on SPY",
        opened_ago=253,
        flows=(Flow(253, "2600000"),),
        holdings={
            "AAPL": 14000,
            "MSFT": 8600,
            "AMZN": 6800,
            "GOOG": 9000,
            "META": 2300,
            "NVDA": 36000,
            "AMD": 38000,
            "UNH": 1200,
            "JNJ": 1300,
            "HD": 1100,
            "JPM": 3300,
            "LLY": 1600,
            "MTUM": 4000,
            "NFLX": -3200,
            "BBY": -8000,
            "XOM": -3300,
            "CVX": -1700,
            "RRC": -3000,
            "GE": -700,
            "BAC": -9400,
            "WMT": -1500,
            "EEM": -3500,
        },
        round_trips=(RoundTrip("FXI", -4000, 244, 91), RoundTrip("TLT", 3000, 118, 8)),
        tags={
            "Long Momentum": (*_TECH, "AMD", "UNH", "MTUM"),
            "Core Holdings": ("JNJ", "HD", "JPM", "LLY"),
            "Short Value Traps": ("NFLX", "BBY", "XOM", "CVX", "RRC", "GE", "BAC", "WMT"),
            "Risk Hedge": ("EEM",),
        },
        allow_short=True,
        options=(
            OptionHolding("C", 60, 2, "1.02"),
            OptionHolding("C", 40, 3, "1.04"),
            OptionHolding("P", 80, 2, "0.96"),
            OptionHolding("P", 60, 3, "0.92"),
            OptionHolding("C", -50, 1, "1.02"),
            OptionHolding("C", -40, 2, "1.05"),
            OptionHolding("P", -40, 1, "0.97"),
            OptionHolding("P", -60, 3, "0.86"),
        ),
        option_tags=("Options Overlay", "#strategy:spy_overlay"),
    ),
)
