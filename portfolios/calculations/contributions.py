"""What each instrument gave to a period's gain: in currency, so that the parts are the whole."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from portfolios.calculations.postings import Posting

ZERO = Decimal(0)
_NO_GAIN = ("cash", "accrued", "external")  # what the other accounts' money is balanced by


@dataclass(frozen=True, slots=True)
class Contribution:
    """One instrument's part, dollars: `price` + `income` - `fees`; None is of no instrument."""

    instrument_id: UUID | None
    price: Decimal
    income: Decimal
    fees: Decimal

    @property
    def pnl(self) -> Decimal:
        """What it gave together."""
        return self.price + self.income - self.fees


def contributions(
    postings: Iterable[Posting],
    payers: Mapping[str, UUID],
    begin: Mapping[UUID, Decimal],
    end: Mapping[UUID, Decimal],
    span: tuple[date, date],
) -> list[Contribution]:
    """The period's gain by instrument, linked by adding up daily gains in currency.

    A day's gain of an instrument is the change of its exposure, less what was paid for it, plus
    its income, less its fees. Added up over days the exposures between cancel, so the sum needs
    both ends and the bookings between them. Because every booking balances, the parts add up to
    the change of equity less external flows, exactly.

    Parameters
    ----------
    postings : iterable of Posting
        Of the portfolio; those outside the span are passed over.
    payers : mapping of source to instrument
        For income and other money without units.
    begin, end : mapping of instrument to Decimal
        Signed exposure at both ends, dollars.
    span : tuple of date
        Bookings after the first session, up to and including the second, count.

    Returns
    -------
    list of Contribution
        Largest gain first; one with `instrument_id` None holds what belongs to no instrument.
    """
    after, until = span
    price: dict[UUID | None, Decimal] = {}
    income: dict[UUID | None, Decimal] = {}
    fees: dict[UUID | None, Decimal] = {}
    for held in begin.keys() | end.keys():
        price[held] = end.get(held, ZERO) - begin.get(held, ZERO)
    for posting in postings:
        if not after < posting.session_date <= until:
            continue
        key = _owner(posting, payers)
        for leg in posting.legs:
            if leg.instrument_id is not None or leg.account in _NO_GAIN:
                continue
            kept = {"income": income, "fees": fees}.get(leg.account, price)
            sign = leg.amount if leg.account == "fees" else -leg.amount
            kept[key] = kept.get(key, ZERO) + sign
    found = [
        Contribution(key, price.get(key, ZERO), income.get(key, ZERO), fees.get(key, ZERO))
        for key in price.keys() | income.keys() | fees.keys()
    ]
    kept_rows = [each for each in found if each.price or each.income or each.fees]
    return sorted(kept_rows, key=lambda each: (-each.pnl, str(each.instrument_id)))


def _owner(posting: Posting, payers: Mapping[str, UUID]) -> UUID | None:
    """The instrument a booking is of: the one it moves, else the one that pays."""
    if posting.traded is not None:
        return posting.traded[0]
    return payers.get(posting.reverses or posting.source)
