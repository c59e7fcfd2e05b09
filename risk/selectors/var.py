"""The risk of a portfolio as doors show it: live where there is a live record, else the close."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef, Q, Subquery

from marketdata.choices import InstrumentKind, PriceClass
from marketdata.selectors import calendar, terms
from marketdata.selectors.sessions import Moment
from marketdata.selectors.terms import Terms
from portfolios.choices import Quality, SnapshotKind
from portfolios.models import PortfolioSnapshot, PositionSnapshot
from portfolios.selectors import snapshots
from portfolios.selectors.snapshots import Behind
from risk import live
from risk.choices import Method
from risk.live import PortfolioRisk
from risk.models import PositionRisk, RiskMetric, VarResult
from risk.selectors import limits as limit_rows
from risk.selectors.figures import DAILY, Figures, LiveMark, LivePart, messages, worst_class
from risk.selectors.limits import LimitInForce

NO_PRICES = Behind(frozenset(), simulated=False)
REVISED = "snapshot_revised"  # the lines changed after they were measured


@dataclass(frozen=True, slots=True)
class Current:
    """The newest figures of one portfolio, and the run they rest on."""

    record: PortfolioRisk | None  # None where nothing was ever computed
    metric: RiskMetric | None
    snapshot: PortfolioSnapshot | None  # what the run measured
    limits: list[LimitInForce]
    is_live: bool  # of the running session
    names: Mapping[str, str] = field(default_factory=dict)  # of what the run measured, by symbol
    lines: Sequence[PositionSnapshot] = ()  # of the snapshot, at a past close


def latest(
    *, portfolio_id: UUID, until: date, session_date: date | None = None
) -> RiskMetric | None:
    """The newest run not later than a session, or the one of exactly `session_date`.

    A run whose snapshot was revised since has no figures until it is measured again: the answer
    says so by its quality and reason, and so do its parts and results.
    """
    return _run(portfolio_id, until, session_date)[0]


def _run(
    portfolio_id: UUID, until: date, session_date: date | None = None
) -> tuple[RiskMetric | None, PortfolioSnapshot | None]:
    """The run `latest` speaks of, and the snapshot it measured."""
    rows = RiskMetric.objects.filter(portfolio_id=portfolio_id, session_date__lte=until)
    if session_date is not None:
        rows = rows.filter(session_date=session_date)
    metric = rows.select_related("covariance", "stressed").order_by("-session_date").first()
    snapshot = _snapshot(metric) if metric is not None else None
    if metric is not None and snapshot is not None and snapshot.risk_run != metric.pk:
        # for this answer only; the row is written by the next run
        metric.quality, metric.reason = Quality.MISSING, REVISED
        metric.coverage, metric.excluded, metric.equity = None, [], snapshot.nav
    return metric, snapshot


def parts(metric: RiskMetric) -> list[PositionRisk]:
    """The positions of a run with their instruments, by symbol."""
    found = PositionRisk.objects.filter(metric=metric)
    found = found.select_related("instrument__option__underlying")
    rows = list(found.order_by("instrument__symbol"))
    for each in rows if metric.reason == REVISED else ():
        each.exposure = each.delta_exposure = None
        each.marginal = each.component = each.share = each.isolated = None
        each.reason = REVISED
    return rows


def shares(*, portfolio_id: UUID, until: date) -> dict[str, float | None]:
    """Share of the VaR by symbol in the run that `latest` speaks of: one query."""
    runs = RiskMetric.objects.filter(portfolio_id=portfolio_id, session_date__lte=until)
    newest = Subquery(runs.order_by("-session_date").values("pk")[:1])
    other = PortfolioSnapshot.objects.filter(
        Q(risk_run=None) | ~Q(risk_run=OuterRef("metric_id")),
        portfolio_id=portfolio_id,
        session_date=OuterRef("metric__session_date"),
        kind=SnapshotKind.ACTUAL,
    )
    rows = PositionRisk.objects.filter(metric=newest).annotate(revised=Exists(other))
    told = rows.values_list("instrument__symbol", "share", "revised")
    return {symbol: None if revised else share for symbol, share, revised in told}


def results(metric: RiskMetric) -> dict[str, VarResult]:
    """The figures of a run by method."""
    found = {each.method: each for each in VarResult.objects.filter(metric=metric)}
    for each in found.values() if metric.reason == REVISED else ():
        each.var, each.expected_shortfall, each.reason = None, None, REVISED
    return found


def unmeasured(
    *,
    start: date | None = None,
    until: date,
    portfolio_ids: Iterable[UUID] | None = None,
    once_measured: bool = False,
) -> list[tuple[UUID, date]]:
    """Snapshots without a risk run, by session; `once_measured`: only those that had one."""
    rows = PortfolioSnapshot.objects.filter(
        kind=SnapshotKind.ACTUAL, risk_run__isnull=True, session_date__lte=until
    )
    if start is not None:
        rows = rows.filter(session_date__gte=start)
    if portfolio_ids is not None:
        rows = rows.filter(portfolio_id__in=list(portfolio_ids))
    if once_measured:
        run = RiskMetric.objects.filter(
            portfolio=OuterRef("portfolio"), session_date=OuterRef("session_date")
        )
        rows = rows.filter(Exists(run))
    return list(rows.order_by("session_date", "pk").values_list("portfolio_id", "session_date"))


def revised(
    *, session_date: date, since: datetime, among: Iterable[UUID] | None = None
) -> set[UUID]:
    """Books whose snapshot of a session became another one since a moment and kept its risk."""
    rows = PortfolioSnapshot.objects.filter(
        kind=SnapshotKind.ACTUAL,
        session_date=session_date,
        revision__gt=1,
        taken_at__gte=since,
        risk_run__isnull=False,
    )
    if among is not None:
        rows = rows.filter(portfolio__in=list(among))
    return set(rows.values_list("portfolio_id", flat=True))


def current(*, portfolio_id: UUID, moment: Moment) -> Current:
    """The figures of a moment: the live record of its session, else the last close's run."""
    limits = limit_rows.in_force(portfolio_id=portfolio_id)
    metric, snapshot = _run(portfolio_id, moment.session_date)
    record = live.load(portfolio_id)
    if record is not None and not _is_of(record, moment):
        record = None
    held: list[PositionRisk] = []
    if record is None and metric is not None:
        held = parts(metric)
        record = _record(metric, snapshot, limits, held)
    running = record is not None and moment.in_session and record.session_date == moment.playing
    return Current(record, metric, snapshot, limits, running, _names(held))


def at(*, portfolio_id: UUID, session_date: date) -> Current:
    """The figures of a past close: its run against the limits that bound then."""
    moment = calendar.close_time(session_date)
    limits = limit_rows.in_force(portfolio_id=portfolio_id, as_of=moment)
    metric, snapshot = _run(portfolio_id, session_date, session_date)
    kept = snapshots.lines_and_behind(snapshot=snapshot) if snapshot is not None else None
    held = parts(metric) if metric is not None else []
    record = _record(metric, snapshot, limits, held, kept) if metric is not None else None
    lines = kept[0] if kept is not None else []
    return Current(record, metric, snapshot, limits, is_live=False, names=_names(held), lines=lines)


def _names(held: Iterable[PositionRisk]) -> dict[str, str]:
    things = [each.instrument for each in held]
    return {thing.symbol: terms.words_of(thing) or thing.name for thing in things}


def _terms(line: PositionRisk | PositionSnapshot) -> Terms | None:
    """Of an option that was read with its contract."""
    if line.instrument.kind != InstrumentKind.OPTION:
        return None
    contract = getattr(line.instrument, "option", None)
    return terms.of_contract(contract) if contract is not None else None


def of_metric(metric: RiskMetric, limits: list[LimitInForce]) -> PortfolioRisk:
    """A stored run in the shape of the live record, without a line of today."""
    return _record(metric, _snapshot(metric), limits, parts(metric))


def _record(
    metric: RiskMetric,
    snapshot: PortfolioSnapshot | None,
    limits: list[LimitInForce],
    held: Sequence[PositionRisk],
    kept: tuple[list[PositionSnapshot], Behind] | None = None,
) -> PortfolioRisk:
    revised = metric.reason == REVISED
    if kept is None and revised and snapshot is not None:
        kept = snapshots.lines_and_behind(snapshot=snapshot)
    prices = NO_PRICES
    if kept is not None:
        prices = kept[1]
    elif snapshot is not None:
        prices = snapshots.behind(snapshots=[snapshot])[snapshot.pk]
    loss, stress = _losses(metric, snapshot)
    lines: Sequence[PositionRisk | PositionSnapshot] = kept[0] if kept and revised else held
    marks = {
        each.instrument.symbol: _mark(each, _terms(each))
        for each in lines
        if each.exposure is not None
    }
    equity = float(metric.equity)
    owed = float(snapshot.receivables) if snapshot else 0.0
    figures = Figures(
        portfolio_id=metric.portfolio_id,
        ledger_seq=snapshot.ledger_seq if snapshot else 0,
        as_of=metric.as_of,
        session_date=metric.session_date,
        simulated=prices.simulated,
        source="close",
        price_class=worst_class([PriceClass.EOD, *prices.classes]),
        cash=equity - owed - sum(mark.exposure or 0.0 for mark in marks.values()),
        receivables=owed,
        marks=marks,
        value_at_risk=loss,
        var_daily=loss,
        stressed_var=stress,
        parts={
            each.instrument.symbol: LivePart(each.marginal or 0.0, each.component)
            for each in held
            if each.component is not None
        },
        coverage=metric.coverage,
        quality=metric.quality,
        reason=metric.reason,
        method=DAILY,
        opening_nav=equity - float(snapshot.daily_pnl) if snapshot else None,
    )
    standings = limit_rows.standings(
        limits=limits,
        equity=equity,
        value_at_risk=loss,
        exposures=figures.deltas,
        day_pnl=figures.day_pnl,
        opening_equity=figures.opening_nav,
    )
    return messages(figures, limits, standings)


def _mark(row: PositionRisk | PositionSnapshot, contract: Terms | None) -> LiveMark:
    delta = None if row.delta_exposure is None else float(row.delta_exposure)
    under = contract.underlying if contract is not None else ""
    return LiveMark(None, float(row.exposure or 0), None, delta, under)


def history(*, portfolio_id: UUID, until: date, rows: int = 250) -> list[dict[str, Any]]:
    """VaR and NAV at the closes of the last sessions, oldest first."""
    found = PortfolioSnapshot.objects.filter(
        portfolio_id=portfolio_id, kind=SnapshotKind.ACTUAL, session_date__lte=until
    ).order_by("-session_date")
    names = ("session_date", "nav", "var_95_1d", "es_95_1d", "stressed_var_95_1d", "risk_reason")
    return list(found.values(*names)[:rows])[::-1]


def _snapshot(metric: RiskMetric) -> PortfolioSnapshot | None:
    return PortfolioSnapshot.objects.filter(
        portfolio_id=metric.portfolio_id,
        session_date=metric.session_date,
        kind=SnapshotKind.ACTUAL,
    ).first()


def _losses(
    metric: RiskMetric, snapshot: PortfolioSnapshot | None
) -> tuple[float | None, float | None]:
    """VaR and stressed VaR of a run: as its snapshot keeps them, else from its results."""
    if snapshot is not None and snapshot.risk_run == metric.pk:
        return snapshot.var_95_1d, snapshot.stressed_var_95_1d
    found = results(metric)
    model, stress = found.get(Method.PARAMETRIC_EWMA), found.get(Method.STRESSED)
    return (model.var if model else None), (stress.var if stress else None)


def _is_of(record: PortfolioRisk, moment: Moment) -> bool:
    """Whether a live record speaks of this moment's session and not of a later or former one."""
    return record.session_date == moment.current and record.as_of <= moment.as_of
