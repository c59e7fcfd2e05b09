"""Choices of people and books, stored as the API shows them."""

from django.db.models import TextChoices


class AccountType(TextChoices):
    BROKERAGE = "brokerage"
    SAVING = "saving"
    CREDIT = "credit"
    PAPER = "paper"
    WALLET = "wallet"


class AccountStatus(TextChoices):
    ACTIVE = "active"
    CLOSED = "closed"


class TrackingMode(TextChoices):
    LEDGER = "ledger"
    HOLDINGS = "holdings"


class PortfolioStatus(TextChoices):
    ACTIVE = "active"
    CLOSED = "closed"


class PortfolioState(TextChoices):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Role(TextChoices):
    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class EntryKind(TextChoices):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    OPENING = "opening"  # a holding brought in at cost
    FILL = "fill"
    FEE = "fee"
    REVERSAL = "reversal"
    SPLIT = "split"  # units only, at no cost
    DIVIDEND = "dividend"  # owed from the ex-date on
    PAYMENT = "payment"  # what was owed, in cash
    SETTLEMENT = "settlement"  # an expired contract, at its intrinsic value


class LedgerAccount(TextChoices):
    CASH = "cash"
    HOLDING = "holding"
    MARKET = "market"
    FEES = "fees"
    EXTERNAL = "external"
    ACCRUED = "accrued"  # dividends to come (+) and to be paid (-)
    INCOME = "income"


class CashType(TextChoices):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FEE = "fee"
    DIVIDEND = "dividend"


class SnapshotKind(TextChoices):
    ACTUAL = "actual"
    HYPOTHETICAL = "hypothetical"


class ImportStatus(TextChoices):
    CHECKED = "checked"
    COMMITTED = "committed"
    DISCARDED = "discarded"


class RowVerdict(TextChoices):
    NEW = "new"
    WARNING = "warning"
    DUPLICATE = "duplicate"
    ERROR = "error"


class Quality(TextChoices):
    FULL = "full"
    LIMITED = "limited"
    FALLBACK = "fallback"
    STALE = "stale"
    MISSING = "missing"


class ItemState(TextChoices):
    """How a symbol on a watchlist stands."""

    RESOLVED = "resolved"
    LOOKING_UP = "looking_up"
    UNRESOLVED = "unresolved"
