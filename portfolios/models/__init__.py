"""Tables of people and books."""

from portfolios.models.benchmark import PortfolioBenchmark
from portfolios.models.cash import CashTransaction, Transfer
from portfolios.models.csv_import import ImportAlias, ImportBatch, ImportMapping, ImportRow
from portfolios.models.customer import Account, Customer
from portfolios.models.invitation import Invitation
from portfolios.models.ledger import LedgerEntry
from portfolios.models.membership import Membership
from portfolios.models.portfolio import Portfolio
from portfolios.models.position import Position
from portfolios.models.saved_view import SavedView
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
    "ImportAlias",
    "ImportBatch",
    "ImportMapping",
    "ImportRow",
    "Invitation",
    "LedgerEntry",
    "Membership",
    "Portfolio",
    "PortfolioBenchmark",
    "PortfolioSnapshot",
    "Position",
    "PositionSnapshot",
    "PositionTag",
    "SavedView",
    "Tag",
    "TokenFamily",
    "Transfer",
    "User",
    "UserPreference",
    "Watchlist",
    "WatchlistItem",
]
