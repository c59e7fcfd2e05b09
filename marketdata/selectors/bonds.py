"""Bonds with their yield and risk as of a session, and why there is none."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import OuterRef, Q, QuerySet, Subquery

from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.calculations import bonds as kernel
from marketdata.calculations.bonds import BondFigures
from marketdata.constants import MAX_STALE_SESSIONS
from marketdata.models import Bond, DailyBar
from marketdata.selectors import calendar

DAYS_PER_YEAR = 365.0
PRICE, STATED = "price", "stated"
PRICE_STALE = "price_stale"


@dataclass(frozen=True, slots=True)
class Valued:
    """A bond's figures at a session; settlement is taken to be that day."""

    years: float  # to maturity, 0 once it is past
    ytm: float | None  # fraction a year, compounded as often as the coupon
    ytm_source: str | None  # price: from the last valuation; stated: as the bond's source says
    price: Decimal | None  # clean, per 100 of face
    price_date: date | None
    price_age: int | None  # sessions since the price's
    price_stale: bool  # too old to compute with: shown with its date only
    figures: BondFigures
    reason: str | None  # why there is no yield


def with_prices(*, actor: Actor, until: date, words: str = "") -> QuerySet:
    """Bonds the actor may see, each with its last price not after a session.

    With `words` those whose symbol begins with them or whose name contains them.
    """
    last = DailyBar.objects.filter(
        instrument=OuterRef("instrument"), session_date__lte=until
    ).order_by("-session_date", "-source")
    said = Q(instrument__symbol__istartswith=words) | Q(instrument__name__icontains=words)
    return (
        Bond.objects.for_actor(actor)
        .filter(said if words else Q())
        .select_related("instrument")
        .annotate(
            last_price=Subquery(last.values("close")[:1]),
            last_date=Subquery(last.values("session_date")[:1]),
        )
    )


def find(*, bond_id: UUID | str, actor: Actor, until: date) -> Bond:
    """One bond with its last price. Raises NotFound."""
    try:
        wanted = UUID(str(bond_id))
    except ValueError as error:
        raise NotFound("There is no such bond.") from error
    found = with_prices(actor=actor, until=until).filter(pk=wanted).first()
    if found is None:
        raise NotFound("There is no such bond.")
    return found


def of_instrument(*, instrument_id: UUID, actor: Actor, until: date) -> Bond | None:
    """The bond of an instrument with its last price; None where no terms are stored."""
    rows = with_prices(actor=actor, until=until)
    return rows.filter(instrument_id=instrument_id).first()


def valued(bond: Bond, *, on: date) -> Valued:
    """Yield and risk of a row of `with_prices`: from its price, else from the stated yield.

    A price older than five sessions is left out of them, as from every analysis.
    """
    price, price_date = getattr(bond, "last_price", None), getattr(bond, "last_date", None)
    age = None if price_date is None else calendar.exchange().count(price_date, on)
    stale = age is not None and age > MAX_STALE_SESSIONS
    terms = kernel.bond(
        on, bond.maturity, bond.coupon_rate, bond.frequency, bond.basis, bond.issued
    )
    found = kernel.to_yield(terms, None if price is None or stale else float(price))
    ytm, source, reason = found.value, PRICE, found.reason
    if stale and reason == kernel.NO_PRICE:
        reason = PRICE_STALE
    if ytm is None and bond.ytm is not None and terms.reason is None:
        ytm, source, reason = bond.ytm, STATED, None
    return Valued(
        years=max(0.0, (bond.maturity - on).days / DAYS_PER_YEAR),
        ytm=ytm,
        ytm_source=None if ytm is None else source,
        price=price,
        price_date=price_date,
        price_age=age,
        price_stale=stale,
        figures=kernel.at_yield(terms, ytm),
        reason=reason,
    )
