"""Is anything in need of attention, and what changed since yesterday: all books at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models import Q

from etftrader.core.actor import Actor
from etftrader.core.formats import show
from etftrader.core.records import JobRun
from etftrader.selectors import overview
from marketdata.choices import RefreshStatus
from marketdata.models import DataRefresh
from marketdata.selectors import terms
from marketdata.selectors.sessions import Moment
from portfolios.choices import SnapshotKind
from portfolios.models import Portfolio, PortfolioSnapshot
from risk.live import PortfolioRisk
from risk.models import Alert, StopLossLevel
from risk.selectors import limits, past_alerts
from risk.selectors.limits import LimitStanding
from trading.models import Trade

SPARK_SESSIONS = 30
CHART_SESSIONS = 253
ACTIVITY = 8
MOST_ALERTS = 200
RECENT = 30  # refreshes that hold the newest of every dataset


@dataclass(frozen=True, slots=True)
class BookRow:
    """One portfolio's line."""

    portfolio: Portfolio
    snapshot: PortfolioSnapshot | None
    var: LimitStanding | None
    limit_dollars: float | None
    nearest_stop: float | None  # distance, of the close
    live: PortfolioRisk | None  # of the session that runs
    spark: tuple[float, ...]
    stop_reason: str = "no stop is evaluated"

    @property
    def nav(self) -> Decimal | None:
        """Value now; of the close where no minute is known."""
        if self.live is not None:
            return Decimal(self.live.value["nav"])
        return self.snapshot.nav if self.snapshot else None

    @property
    def day_pnl(self) -> Decimal | None:
        """Gain of the session that `nav` is of."""
        if self.live is not None:
            gain = self.live.value["day_pnl"]
            return None if gain is None else Decimal(gain)
        return self.snapshot.daily_pnl if self.snapshot else None

    @property
    def day_return(self) -> float | None:
        """The same, of the value before it."""
        if self.live is not None:
            return self.live.value["day_return"]
        return self.snapshot.daily_return if self.snapshot else None

    @property
    def var_dollars(self) -> float | None:
        """VaR, positive for a loss."""
        if self.live is not None:
            loss = self.live.risk["var"]
            return None if loss is None else float(loss)
        return self.snapshot.var_95_1d if self.snapshot else None

    @property
    def base(self) -> Decimal | None:
        """What the day's return is of: the value before it, with what came in during the day."""
        if self.nav is None or self.day_pnl is None:
            return None
        with_flows = self.nav - self.day_pnl
        if self.snapshot is None:
            return with_flows
        if self.live is not None and self.live.session_date > self.snapshot.session_date:
            # the snapshot is the value before: less than it, and something went out
            return max(self.snapshot.nav, with_flows)
        return with_flows - min(self.snapshot.flows, Decimal(0))


@dataclass(frozen=True, slots=True)
class Activity:
    """One thing that happened."""

    at: datetime
    text: str
    name: str  # of the portfolio
    portfolio_id: UUID


Lines = dict[UUID, list[tuple[date, Decimal]]]


def books(
    *,
    portfolios: Sequence[Portfolio],
    moment: Moment,
    lines: Lines | None = None,
    is_past: bool = False,
) -> list[BookRow]:
    """One row per portfolio, in four queries for any number; three where NAVs are known.

    At a past close: against the limits that bound then, and without stops.
    """
    ids = [portfolio.pk for portfolio in portfolios]
    history = lines or navs(portfolio_ids=ids, until=moment.session_date, sessions=SPARK_SESSIONS)
    newest = {
        row.portfolio_id: row
        for row in PortfolioSnapshot.objects.filter(
            portfolio_id__in=ids,
            kind=SnapshotKind.ACTUAL,
            session_date__in={line[-1][0] for line in history.values() if line},
        ).order_by("session_date")
    }
    in_force = limits.in_force_many(portfolio_ids=ids, as_of=moment.as_of if is_past else None)
    stops = {} if is_past else _nearest_stops(ids)
    rows = []
    for portfolio in portfolios:
        snapshot = newest.get(portfolio.pk)
        standing, dollars = _var_standing(in_force[portfolio.pk], snapshot)
        rows.append(
            BookRow(
                portfolio=portfolio,
                snapshot=snapshot,
                var=standing,
                limit_dollars=dollars,
                nearest_stop=stops.get(portfolio.pk),
                live=overview.live_risk(portfolio_id=portfolio.pk, moment=moment),
                spark=tuple(
                    float(nav) for _, nav in history.get(portfolio.pk, [])[-SPARK_SESSIONS:]
                ),
                **({"stop_reason": "levels are kept of now only"} if is_past else {}),
            )
        )
    return rows


def navs(
    *, portfolio_ids: Sequence[UUID], until: date, sessions: int
) -> dict[UUID, list[tuple[date, Decimal]]]:
    """NAV by session per portfolio, oldest first, in one query."""
    rows = PortfolioSnapshot.objects.filter(
        portfolio_id__in=portfolio_ids, kind=SnapshotKind.ACTUAL, session_date__lte=until
    ).order_by("-session_date")
    found: dict[UUID, list[tuple[date, Decimal]]] = {each: [] for each in portfolio_ids}
    limit = sessions * max(len(portfolio_ids), 1)
    for portfolio_id, session_date, nav in rows.values_list("portfolio_id", "session_date", "nav")[
        :limit
    ]:
        if len(found[portfolio_id]) < sessions:
            found[portfolio_id].append((session_date, nav))
    return {each: line[::-1] for each, line in found.items()}


def attention(*, actor: Actor, close: datetime | None = None) -> list[Alert]:
    """Open alerts of all visible portfolios, now or at a past close; worst and newest first.

    At most `MOST_ALERTS` of them.
    """
    rank = {"critical": 0, "warning": 1, "info": 2}
    alerts = Alert.objects.for_actor(actor).filter(
        Q(portfolio__isnull=True) | Q(portfolio__status="active")
    )
    alerts = alerts.select_related("portfolio")
    if close is None:
        rows = list(alerts.filter(state="open").order_by("-last_seen", "-pk")[:MOST_ALERTS])
    else:
        then = past_alerts.unresolved(alerts, at=close).order_by("-first_seen", "-pk")[:MOST_ALERTS]
        rows = [past_alerts.restored(each) for each in then]
    return sorted(rows, key=lambda each: rank.get(each.severity, 3))


def late(*, moment: Moment) -> list[DataRefresh]:
    """The newest refresh of each dataset that is behind the clock or ended badly; one query."""
    newest: dict[str, DataRefresh] = {}
    rows = DataRefresh.objects.filter(session_date__lte=moment.session_date)
    for row in rows.order_by("-session_date", "-finished_at", "-pk")[:RECENT]:
        newest.setdefault(row.dataset, row)
    return [
        row
        for row in newest.values()
        if row.session_date < moment.session_date or row.status != RefreshStatus.SUCCEEDED
    ]


def failed_jobs(*, session_date: date, limit: int = 5) -> list[JobRun]:
    """Jobs of the latest session that ended badly."""
    rows = JobRun.objects.filter(as_of=session_date, status__in=("failed", "dead", "partial"))
    return list(rows.order_by("-created_at")[:limit])


def activity(*, portfolios: Sequence[Portfolio], until: datetime) -> list[Activity]:
    """The newest trades of these portfolios, in words."""
    names = {portfolio.pk: portfolio.name for portfolio in portfolios}
    trades = list(
        Trade.objects.filter(portfolio_id__in=list(names), executed_at__lte=until)
        .select_related("instrument__option__underlying")
        .order_by("-executed_at", "-recorded_at")[:ACTIVITY]
    )
    return [
        Activity(
            at=trade.executed_at,
            text=(
                f"{'Bought' if trade.side == 'buy' else 'Sold'} {show(trade.quantity, 'qty')} "
                f"{terms.words_of(trade.instrument) or trade.instrument.symbol} "
                f"at {show(trade.price, 'price')}"
            ),
            name=names[trade.portfolio_id],
            portfolio_id=trade.portfolio_id,
        )
        for trade in trades
    ]


def totals(rows: Sequence[BookRow]) -> dict[str, Any]:
    """NAV and day P&L of all books together, where each is known; of one currency only."""
    currencies = {row.portfolio.base_currency for row in rows}
    if len(currencies) > 1:
        why = f"the books are kept in {' and '.join(sorted(currencies))}"
        missing = ("nav", "day_pnl", "day_return")
        return dict.fromkeys(missing) | {f"{name}_reason": why for name in missing}
    nav = sum((row.nav for row in rows if row.nav is not None), Decimal(0))
    pnl = sum((row.day_pnl for row in rows if row.day_pnl is not None), Decimal(0))
    base = sum((row.base for row in rows if row.base is not None), Decimal(0))
    share = float(pnl / base) if base else None
    return {
        "nav": nav,
        "day_pnl": pnl,
        "day_return": share,
        "currency": min(currencies, default="USD"),
    }


def _var_standing(
    in_force: Sequence[limits.LimitInForce], snapshot: PortfolioSnapshot | None
) -> tuple[LimitStanding | None, float | None]:
    var_limit = next((each for each in in_force if each.measure == "var"), None)
    if var_limit is None or snapshot is None:
        return None, None
    equity = float(snapshot.nav)
    standing = limits.state_of(snapshot.var_95_1d, var_limit, equity=equity)
    return standing, var_limit.dollars(equity)


def _nearest_stops(portfolio_ids: Sequence[UUID]) -> dict[UUID, float]:
    rows = StopLossLevel.objects.filter(
        portfolio_id__in=portfolio_ids, distance__isnull=False
    ).exclude(state="not_evaluated")
    nearest: dict[UUID, float] = {}
    for portfolio_id, distance in rows.values_list("portfolio_id", "distance"):
        nearest[portfolio_id] = min(distance, nearest.get(portfolio_id, distance))
    return nearest
