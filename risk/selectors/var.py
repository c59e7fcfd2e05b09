"""The risk of a portfolio as doors show it: live where there is a live record, else the close."""

from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from marketdata.selectors.sessions import Moment
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot
from risk import live
from risk.choices import Method
from risk.live import PortfolioRisk
from risk.models import PositionRisk, RiskMetric, VarResult
from risk.selectors import limits as limit_rows
from risk.selectors.figures import DAILY, Figures, LiveMark, LivePart, messages
from risk.selectors.limits import LimitInForce


@dataclass(frozen=True, slots=True)
class Current:
    """The newest figures of one portfolio, and the run they rest on."""

    record: PortfolioRisk | None  # None where nothing was ever computed
    metric: RiskMetric | None
    limits: list[LimitInForce]
    is_live: bool  # of the running session


def latest(
    *, portfolio_id: UUID, until: date, session_date: date | None = None
) -> RiskMetric | None:
    """The newest run not later than a session, or the one of exactly `session_date`."""
    rows = RiskMetric.objects.filter(portfolio_id=portfolio_id, session_date__lte=until)
    if session_date is not None:
        rows = rows.filter(session_date=session_date)
    return rows.select_related("covariance", "stressed").order_by("-session_date").first()


def parts(metric: RiskMetric) -> list[PositionRisk]:
    """The positions of a run with their instruments, by symbol."""
    rows = PositionRisk.objects.filter(metric=metric).select_related("instrument")
    return list(rows.order_by("instrument__symbol"))


def results(metric: RiskMetric) -> dict[str, VarResult]:
    """The figures of a run by method."""
    return {each.method: each for each in VarResult.objects.filter(metric=metric)}


def current(*, portfolio_id: UUID, moment: Moment) -> Current:
    """The figures of a moment: the live record of its session, else the last close's run."""
    limits = limit_rows.in_force(portfolio_id=portfolio_id)
    metric = latest(portfolio_id=portfolio_id, until=moment.session_date)
    record = live.load(portfolio_id)
    if record is not None and not _is_of(record, moment):
        record = None
    if record is None and metric is not None:
        record = of_metric(metric, limits)
    running = record is not None and moment.in_session and record.session_date == moment.playing
    return Current(record, metric, limits, running)


def of_metric(metric: RiskMetric, limits: list[LimitInForce]) -> PortfolioRisk:
    """A stored run in the shape of the live record, without a line of today."""
    held, snapshot = parts(metric), _snapshot(metric)
    loss, stress = _losses(metric, snapshot)
    marks = {
        each.instrument.symbol: LiveMark(None, each.exposure, None)
        for each in held
        if each.exposure is not None
    }
    equity = float(metric.equity)
    figures = Figures(
        portfolio_id=metric.portfolio_id,
        ledger_seq=snapshot.ledger_seq if snapshot else 0,
        as_of=metric.as_of,
        session_date=metric.session_date,
        simulated=False,
        source="close",
        price_class="eod",
        cash=equity - sum(mark.exposure or 0.0 for mark in marks.values()),
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
        exposures=figures.exposures,
        day_pnl=figures.day_pnl,
        opening_equity=figures.opening_nav,
    )
    return messages(figures, limits, standings)


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
    """VaR and stressed VaR of a run; the snapshot carries both where it belongs to the run."""
    if snapshot is not None and snapshot.risk_run == metric.pk:
        return snapshot.var_95_1d, snapshot.stressed_var_95_1d
    found = results(metric)
    model, stress = found.get(Method.PARAMETRIC_EWMA), found.get(Method.STRESSED)
    return (model.var if model else None), (stress.var if stress else None)


def _is_of(record: PortfolioRisk, moment: Moment) -> bool:
    """Whether a live record speaks of this moment's session and not of a later or former one."""
    return record.session_date == moment.current and record.as_of <= moment.as_of
