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
    CLOSED = "closed"  # nothing is held
    ARCHIVED = "archived"  # put away as it is, holdings and all


class PortfolioState(TextChoices):
    ACTIVE = "active"
    REDUCING = "reducing"
    HALTED = "halted"


class Role(TextChoices):
    OWNER = "owner"
    EDITOR = "editor"
    VIEWER = "viewer"


class InvitationState(TextChoices):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


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
    INTEREST = "interest"  # received on cash
    TAX = "tax"
    BORROW_FEE = "borrow_fee"  # for shares lent to the book
    TRANSFER = "transfer"  # from or to another book of the same owner


class LedgerAccount(TextChoices):
    CASH = "cash"
    HOLDING = "holding"
    MARKET = "market"
    FEES = "fees"  # and taxes
    EXTERNAL = "external"
    CARRIED = "carried"  # gain a holding had made in the book it came from
    ACCRUED = "accrued"  # dividends to come (+) and to be paid (-)
    INCOME = "income"  # dividends and interest


class CashType(TextChoices):
    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    FEE = "fee"
    DIVIDEND = "dividend"
    INTEREST = "interest"
    TAX = "tax"
    BORROW_FEE = "borrow_fee"
    TRANSFER = "transfer"


class SnapshotKind(TextChoices):
    ACTUAL = "actual"
    HYPOTHETICAL = "hypothetical"


class ImportStatus(TextChoices):
    CHECKED = "checked"
    BOOKING = "booking"  # a long file, a part after the other
    COMMITTED = "committed"
    DISCARDED = "discarded"
    UNDOING = "undoing"  # a long file, a part after the other
    UNDONE = "undone"


class RowVerdict(TextChoices):
    NEW = "new"
    UPDATE = "update"  # of something that is held
    UNCHANGED = "unchanged"  # held exactly so
    WARNING = "warning"
    DUPLICATE = "duplicate"
    ERROR = "error"


class Duplicates(TextChoices):
    """What becomes of a row that was read before, or that has a twin of the same day."""

    SKIP = "skip"
    IMPORT = "import"
    MERGE = "merge"


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


class TagKind(TextChoices):
    REGULAR = "regular"
    STRATEGY = "strategy"  # the legs of one idea
