"""Snapshots as they stand: the newest, a stretch of them, the positions of one."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from uuid import UUID

from django.db.models import Exists, OuterRef, Subquery, Sum

from marketdata.choices import Source
from marketdata.models import DailyBar
from portfolios.choices import LedgerAccount, SnapshotKind
from portfolios.models import LedgerEntry, PortfolioSnapshot, Position, PositionSnapshot
from portfolios.selectors.valuation import SIMULATED_PRICE


@dataclass(frozen=True, slots=True)
class Behind:
    """The prices a snapshot was made of."""

    classes: frozenset[str]
    simulated: bool  # some of them: an option's quote, or a close


def latest(*, portfolio_id: UUID, until: date) -> PortfolioSnapshot | None:
    """Return the newest snapshot of a session not after `until`; None when there is none."""
    return _rows(portfolio_id).filter(session_date__lte=until).order_by("-session_date").first()


def latest_of(*, portfolio_ids: Iterable[UUID], until: date) -> dict[UUID, PortfolioSnapshot]:
    """Return the newest snapshot of each portfolio: one query for any number."""
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id__in=list(portfolio_ids),
        session_date__lte=until,
        kind=SnapshotKind.ACTUAL,
    )
    later = rows.filter(portfolio=OuterRef("portfolio")).order_by("-session_date")
    found = rows.filter(session_date=Subquery(later.values("session_date")[:1]))
    return {each.portfolio_id: each for each in found}


def at(*, portfolio_id: UUID, session_date: date) -> PortfolioSnapshot | None:
    """Return the snapshot of one session; None when there is none."""
    return _rows(portfolio_id).filter(session_date=session_date).first()


def before(*, portfolio_id: UUID, session_date: date) -> tuple[PortfolioSnapshot, Decimal] | None:
    """Return the newest snapshot before a session, and the net external flow from it on.

    Up to the end of the session, money and holdings that came in positive: one query.
    """
    moved = LedgerEntry.objects.filter(
        portfolio_id=portfolio_id,
        account=LedgerAccount.EXTERNAL,
        session_date__gt=OuterRef("session_date"),
        session_date__lte=session_date,
    )
    sums = moved.order_by().values("portfolio").annotate(sum=Sum("amount")).values("sum")
    rows = _rows(portfolio_id).filter(session_date__lt=session_date)
    found = rows.annotate(moved=Subquery(sums)).order_by("-session_date").first()
    return None if found is None else (found, -(found.moved or Decimal(0)))


def series(
    *, portfolio_id: UUID, until: date, start: date | None = None, limit: int | None = None
) -> list[PortfolioSnapshot]:
    """Return snapshots oldest first, from `start` on, or only the newest `limit` of them."""
    rows = _rows(portfolio_id).filter(session_date__lte=until)
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    newest_first = rows.order_by("-session_date")
    return list(newest_first[:limit] if limit is not None else newest_first)[::-1]


def lines(*, snapshot: PortfolioSnapshot) -> list[PositionSnapshot]:
    """Return the positions of a snapshot by symbol, with their instruments."""
    rows = PositionSnapshot.objects.filter(snapshot=snapshot).select_related("instrument")
    return list(rows.order_by("instrument__symbol", "pk"))


def line_of(*, position: Position, until: date) -> PositionSnapshot | None:
    """A position in the newest snapshot not after `until`; None where it has no line."""
    newest = latest(portfolio_id=position.portfolio_id, until=until)
    rows = PositionSnapshot.objects.filter(snapshot=newest, instrument_id=position.instrument_id)
    return rows.first() if newest is not None else None


def deltas(*, snapshot_ids: Iterable[int]) -> dict[int, dict[str, float]]:
    """Delta dollars by underlying of each snapshot: options netted with what they are on.

    One query. Positions without a delta are left out.
    """
    wanted = list(snapshot_ids)
    rows = PositionSnapshot.objects.filter(
        snapshot__in=wanted, delta_exposure__isnull=False
    ).values_list(
        "snapshot_id",
        "instrument__symbol",
        "instrument__option__underlying__symbol",
        "delta_exposure",
    )
    found: dict[int, dict[str, float]] = {each: {} for each in wanted}
    for snapshot_id, own, underlying, amount in rows.order_by("pk"):
        name = underlying or own
        found[snapshot_id][name] = found[snapshot_id].get(name, 0.0) + float(amount or 0)
    return found


def lines_and_behind(*, snapshot: PortfolioSnapshot) -> tuple[list[PositionSnapshot], Behind]:
    """The same lines with the terms of options, and what prices they rest on: one query."""
    rows = PositionSnapshot.objects.filter(snapshot=snapshot).annotate(made=_made())
    rows = rows.select_related("instrument__option__underlying")
    found: list[PositionSnapshot] = []
    simulated, classes = _says_simulated(snapshot), set()
    for each in rows.order_by("instrument__symbol", "pk"):
        each.snapshot = snapshot
        simulated = simulated or each.made
        classes.add(each.price_class)
        found.append(each)
    return found, Behind(frozenset(classes) - {""}, simulated)


def _made() -> Exists:
    """Whether a line's price is a close of the house's own making."""
    bars = DailyBar.objects.filter(
        instrument=OuterRef("instrument"), session_date=OuterRef("price_session"), source=Source.SIM
    )
    return Exists(bars)


def _says_simulated(snapshot: PortfolioSnapshot) -> bool:
    return any(said.get("code") == SIMULATED_PRICE for said in snapshot.warnings)


def behind(*, snapshots: Sequence[PortfolioSnapshot]) -> dict[int, Behind]:
    """What kind of prices each of these rests on: one query."""
    lines = PositionSnapshot.objects.filter(snapshot__in=[each.pk for each in snapshots])
    rows = lines.annotate(made=_made()).order_by()
    told = rows.values_list("snapshot_id", "price_class", "made").distinct()
    classes: dict[int, set[str]] = {}
    simulated = {each.pk for each in snapshots if _says_simulated(each)}
    for snapshot_id, price_class, is_made in told:
        classes.setdefault(snapshot_id, set()).add(price_class)
        if is_made:
            simulated.add(snapshot_id)
    return {
        each.pk: Behind(frozenset(classes.get(each.pk, ())) - {""}, each.pk in simulated)
        for each in snapshots
    }


def _rows(portfolio_id: UUID):  # type: ignore[no-untyped-def]
    return PortfolioSnapshot.objects.filter(portfolio_id=portfolio_id, kind=SnapshotKind.ACTUAL)
