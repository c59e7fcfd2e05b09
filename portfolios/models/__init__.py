"""Tables of people and books."""

from portfolios.models.cash import CashTransaction
from portfolios.models.csv_import import ImportBatch, ImportRow
from portfolios.models.customer import Account, Customer
from portfolios.models.ledger import LedgerEntry
from portfolios.models.membership import Membership
from portfolios.models.portfolio import Portfolio
from portfolios.models.position import Position
from portfolios.models.snapshot import PortfolioSnapshot, PositionSnapshot
from portfolios.models.tag import PositionTag, Tag
from portfolios.models.token import ApiToken, TokenFamily
from portfolios.models.user import User, UserPreference
from portfolios.models.watchlist import Watchlist, WatchlistItem

__all__ = [
    "Account",
    "ApiToken",
    "CashTransaction",
    "Customer",
    "ImportBatch",
    "ImportRow",
    "LedgerEntry",
    "Membership",
    "Portfolio",
    "PortfolioSnapshot",
    "Position",
    "PositionSnapshot",
    "PositionTag",
    "Tag",
    "TokenFamily",
    "User",
    "UserPreference",
    "Watchlist",
    "WatchlistItem",
]
