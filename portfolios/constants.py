"""Constants of the books, and the one table of who may do what."""

from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What can be done with a portfolio."""

    VIEW = "view"
    VIEW_AUDIT = "view_audit"
    NOTE = "note"  # tags, notes
    TRADE = "trade"  # orders, imports, cash
    CALCULATE = "calculate"  # batches and refreshes of the own portfolio
    MANAGE = "manage"  # limits, settings, close
    SHARE = "share"
    HALT = "halt"


# editors trade only with `can_trade`
ROLES: dict[Action, tuple[str, ...]] = {
    Action.VIEW: ("owner", "editor", "viewer"),
    Action.VIEW_AUDIT: ("owner",),
    Action.NOTE: ("owner", "editor"),
    Action.TRADE: ("owner", "editor"),
    Action.CALCULATE: ("owner",),
    Action.MANAGE: ("owner",),
    Action.SHARE: ("owner",),
    Action.HALT: ("owner",),
}

# which site group or token scope an action asks for beside membership
SCOPE_OF: dict[Action, str] = {
    Action.VIEW: "read",
    Action.VIEW_AUDIT: "read",
    Action.NOTE: "trade",
    Action.TRADE: "trade",
    Action.CALCULATE: "trade",
    Action.MANAGE: "admin",
    Action.SHARE: "admin",
    Action.HALT: "trade",
}

IDENTITY_TOLERANCE = Decimal("0.005")  # dollars, quant.md 1.4
# what a snapshot holds of its book: in money, and the rest
SNAPSHOT_MONEY = (
    "nav",
    "cash",
    "long_exposure",
    "short_exposure",
    "gross_exposure",
    "net_exposure",
    "gross_delta_exposure",
    "net_delta_exposure",
    "receivables",
    "flows",
    "fees",
    "income",
    "realized_pnl",
    "unrealized_pnl",
    "daily_pnl",
    "cumulative_pnl",
    "identity_gap",
)
SNAPSHOT_FACTS = (
    "daily_return",
    "twr_index",
    "drawdown",
    "position_count",
    "coverage",
    "gamma_1pct_dollars",
    "theta_dollars",
    "vega_dollars",
    "rho_dollars",
    "quality",
    "warnings",
    "ledger_seq",
    "ledger_hash",
)
MAX_TAGS_PER_POSITION = 20  # product.md 2.8
MAX_TAGS_PER_USER = 100
REGULATION_T_INITIAL = Decimal("0.5")  # equity over gross exposure, quant.md 1.6
MIN_RATIO_SESSIONS = 20  # ratios of performance need that many returns, ui.md 5.13
MAX_WATCHLISTS = 50  # lists a person
MAX_WATCHED = 200  # symbols a list: as many as one socket follows
MAX_UNKNOWN_SYMBOLS = 200  # of one person, over all lists
MAX_NOTE = 200  # characters beside a watched symbol
