"""Constants of the books, and the one table of who may do what."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class Action(StrEnum):
    """What can be done with a portfolio."""

    VIEW = "view"
    VIEW_AUDIT = "view_audit"
    NOTE = "note"  # tags, notes
    TRADE = "trade"  # orders, imports, cash
    CALCULATE = "calculate"  # batches and refreshes of the own portfolio
    LIMIT = "limit"
    MANAGE = "manage"  # settings, close
    SHARE = "share"
    REVOKE = "revoke"
    LEAVE = "leave"
    HALT = "halt"


@dataclass(frozen=True, slots=True)
class Rule:
    """Who may do one thing: part, site group and scope of the token must all agree."""

    does: str  # in words, for the page that shows the table
    roles: tuple[str, ...]
    scope: str  # of the token
    groups: frozenset[str] = frozenset()  # of a member: one of these; empty: any
    staff: frozenset[str] = frozenset()  # whose staff does it with any portfolio
    if_can_trade: bool = False  # whether an editor needs `can_trade`


_TRADER = frozenset({"Trader"})
_ALL = ("owner", "editor", "viewer")
# reliability.md 5g; staff who may read see everything, audited, and nobody trades for a user
PERMISSIONS: dict[Action, Rule] = {
    Action.VIEW: Rule("See portfolio, positions, risk, reports and alerts", _ALL, "read"),
    Action.VIEW_AUDIT: Rule("See members, invitations and the audit", ("owner",), "read"),
    Action.NOTE: Rule("Tag, take notes, acknowledge alerts", ("owner", "editor"), "trade", _TRADER),
    Action.TRADE: Rule(
        "Trade, move cash, import files",
        ("owner", "editor"),
        "trade",
        _TRADER,
        if_can_trade=True,
    ),
    Action.CALCULATE: Rule(
        "Ask for a batch or fresh data, once in 5 minutes",
        ("owner",),
        "trade",
        _TRADER,
        frozenset({"Operator", "Admin"}),
    ),
    Action.LIMIT: Rule(
        "Change limits, with a reason",
        ("owner",),
        "admin",
        _TRADER,
        frozenset({"Risk manager"}),
    ),
    Action.MANAGE: Rule("Change settings, close the portfolio", ("owner",), "admin", _TRADER),
    Action.SHARE: Rule("Invite, change parts, hand over", ("owner",), "admin", _TRADER),
    Action.REVOKE: Rule("End a member's part", ("owner",), "admin", _TRADER, frozenset({"Admin"})),
    Action.LEAVE: Rule("Leave the portfolio", _ALL, "trade"),
    Action.HALT: Rule(
        "Halt and resume trading",
        ("owner",),
        "trade",
        _TRADER,
        frozenset({"Risk manager", "Admin"}),
    ),
}
ROLES: dict[Action, tuple[str, ...]] = {each: rule.roles for each, rule in PERMISSIONS.items()}
READING = frozenset({Action.VIEW, Action.VIEW_AUDIT})

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
MAX_TAGGED = 500  # positions of one bulk change
TAG_ARCHIVE_DAYS = 30  # a deleted tag can be brought back that long
TAG_COLOUR = "#6B7280"
# colours a tag is offered, told apart in both themes; any other is written as #RRGGBB
TAG_PALETTE = (
    ("Grey", "#6B7280"),
    ("Blue", "#4F6BED"),
    ("Teal", "#0E8F8A"),
    ("Green", "#3F8F4E"),
    ("Amber", "#B7791F"),
    ("Orange", "#D9622B"),
    ("Red", "#C2334D"),
    ("Pink", "#B8488F"),
    ("Violet", "#7C5CD6"),
)
MAX_SAVED_VIEWS = 50  # a person
REGULATION_T_INITIAL = Decimal("0.5")  # equity over gross exposure, quant.md 1.6
MAX_BENCHMARKS = 3  # a portfolio
MIN_RATIO_SESSIONS = 20  # ratios of performance need that many returns, ui.md 5.13
MAX_WATCHLISTS = 50  # lists a person
MAX_WATCHED = 200  # symbols a list: as many as one socket follows
MAX_UNKNOWN_SYMBOLS = 200  # of one person, over all lists
MAX_NOTE = 200  # characters beside a watched symbol
INVITATION_DAYS = 7
MAX_INVITATIONS = 20  # a person sends in a day, to whatever portfolio
MAX_MESSAGE = 500  # characters beside an invitation
