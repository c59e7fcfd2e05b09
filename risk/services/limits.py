"""Limits: changed by dated rows with a reason, evaluated at the close and on every bar."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from django.db import transaction

from etftrader.core import audit, clock, formats, jobs
from etftrader.core.actor import Actor
from etftrader.core.errors import BadInput, NotFound, VersionMismatch
from etftrader.core.money import MAX_AMOUNT, plain
from marketdata.selectors import calendar
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot
from portfolios.selectors import snapshots as books
from portfolios.services import locking
from risk.choices import AlertKind, Family, LimitState, Measure, Severity, Unit
from risk.constants import HORIZON_DAYS, LARGEST_GROSS, LARGEST_SHARE, VAR_CONFIDENCE
from risk.models import LimitBreach, RiskLimit, RiskMetric
from risk.selectors import limits as selector
from risk.selectors.limits import LimitInForce, LimitStanding, state_of
from risk.services import alerts

__all__ = ["change", "evaluate", "in_force", "note_states", "remove", "standings", "state_of"]

in_force = selector.in_force
standings = selector.standings


@transaction.atomic
def change(
    *,
    portfolio_id: UUID,
    measure: str,
    value: Decimal,
    unit: str = Unit.FRACTION,
    watch: float | None = None,
    hard: bool | None = None,
    reason: str,
    as_of: datetime,
    if_match_version: int | None = None,
    by: Actor,
) -> RiskLimit:
    """Set one limit: close the row in force, add the next, write an audit line.

    Locks the portfolio. `as_of` is the market clock's moment from which it binds.
    `if_match_version` is the version that was read (0 for a default); None asks for no match and
    is for the house's own acts. Raises BadInput and VersionMismatch.
    """
    _checked(measure, value, unit, watch, reason)
    locking.lock_portfolios(portfolio_id)
    current = _current(portfolio_id, measure)
    standing = selector.of_row(current) if current else selector.default(measure)
    _match(standing, if_match_version)
    now = clock.now()
    if current is not None:
        RiskLimit.objects.filter(pk=current.pk).update(closed_at=now, ended_as_of=as_of)
    row = RiskLimit.objects.create(
        portfolio_id=portfolio_id,
        measure=measure,
        family=Family.MODEL if measure == Measure.VAR else Family.NONE,
        confidence=VAR_CONFIDENCE if measure == Measure.VAR else None,
        horizon_days=HORIZON_DAYS if measure == Measure.VAR else None,
        value=value,
        unit=unit,
        watch=standing.watch if watch is None else watch,
        hard=standing.hard if hard is None else hard,
        reason=reason.strip(),
        author_id=by.user_id,
        author_label=by.label,
        valid_from=now,
        binds_as_of=as_of,
        replaces=current,
        version=standing.version + 1,
    )
    _audit(by, "limit.change", portfolio_id, row.pk, standing, selector.of_row(row), reason)
    return row


@transaction.atomic
def remove(
    *,
    limit_id: UUID,
    reason: str,
    as_of: datetime,
    if_match_version: int | None,
    by: Actor,
) -> None:
    """Close a limit's row: the default binds again. Locks the portfolio, writes an audit line.

    Raises NotFound, BadInput and VersionMismatch.
    """
    row = RiskLimit.objects.filter(pk=limit_id).first()
    if row is None:
        raise NotFound("There is no such limit.")
    if not reason.strip():
        raise BadInput("Say why the limit is removed.", attr="reason")
    locking.lock_portfolios(row.portfolio_id)
    row.refresh_from_db()
    if row.closed_at is not None:
        raise VersionMismatch("This limit was replaced since it was read.", version=row.version)
    standing = selector.of_row(row)
    _match(standing, if_match_version)
    RiskLimit.objects.filter(pk=row.pk).update(closed_at=clock.now(), ended_as_of=as_of)
    after = selector.default(row.measure)
    _audit(by, "limit.remove", row.portfolio_id, row.pk, standing, after, reason)


def evaluate(
    *, portfolio_ids: Iterable[UUID], session_date: date
) -> dict[UUID, list[LimitStanding]]:
    """Compare a close's snapshot and risk run with the limits in force; keep changes, alert.

    A portfolio without a snapshot of the session is left out. A VaR that could not be computed is
    the state `unknown` and raises its own alert. Each portfolio is a transaction of its own.
    """
    asked = list(portfolio_ids)
    snapshots = {
        each.portfolio_id: each
        for each in PortfolioSnapshot.objects.filter(
            portfolio_id__in=asked, session_date=session_date, kind=SnapshotKind.ACTUAL
        )
    }
    deltas = books.deltas(snapshot_ids=[each.pk for each in snapshots.values()])
    runs = {
        each.portfolio_id: each
        for each in RiskMetric.objects.filter(portfolio_id__in=asked, session_date=session_date)
    }
    prices = books.behind(snapshots=list(snapshots.values()))
    limits = selector.in_force_many(portfolio_ids=asked)
    before = selector.last_states(portfolio_ids=asked)
    as_of = calendar.close_time(session_date)
    found: dict[UUID, list[LimitStanding]] = {}
    for portfolio_id in sorted(snapshots):
        snapshot = snapshots[portfolio_id]
        equity = float(snapshot.nav)
        found[portfolio_id] = standings(
            limits=limits[portfolio_id],
            equity=equity,
            value_at_risk=snapshot.var_95_1d,
            exposures=deltas[snapshot.pk],
            day_pnl=float(snapshot.daily_pnl),
            opening_equity=equity - float(snapshot.daily_pnl),
        )
        run = runs.get(portfolio_id)
        with transaction.atomic():
            note_states(
                portfolio_id=portfolio_id,
                standings=found[portfolio_id],
                before=before.get(portfolio_id, {}),
                as_of=as_of,
                session_date=session_date,
                simulated=prices[snapshot.pk].simulated,
                reason=run.reason if run else snapshot.risk_reason,
            )
            jobs.hold()
    return found


@transaction.atomic
def note_states(
    *,
    portfolio_id: UUID,
    standings: Sequence[LimitStanding],
    before: Mapping[str, str],
    as_of: datetime,
    session_date: date,
    simulated: bool,
    reason: str = "",
) -> dict[str, str]:
    """Keep each change of a limit's state and raise, update or resolve its one alert.

    The answer is the state per measure now. An unknown state changes nothing but raises an alert
    of its own, so that a missing figure never looks like a safe one.
    """
    now_states = dict(before)
    for standing in standings:
        measure = standing.limit.measure
        was = before.get(measure, LimitState.WITHIN)
        if standing.state == LimitState.UNKNOWN:
            if measure == Measure.DAILY_LOSS:
                continue  # a book's first session has no close to lose against
            _unknown(portfolio_id, standing, as_of, session_date, simulated, reason)
            continue
        alerts.resolve(portfolio_id=portfolio_id, key=f"limit:{measure}:unknown", as_of=as_of)
        if standing.state == was:
            continue
        now_states[measure] = standing.state
        assert standing.observed is not None
        LimitBreach.objects.create(
            portfolio_id=portfolio_id,
            limit_id=standing.limit.limit_id,
            measure=measure,
            from_state=was,
            to_state=standing.state,
            observed=standing.observed,
            threshold=float(standing.limit.value),
            session_date=session_date,
            as_of=as_of,
            simulated=simulated,
            recorded_at=clock.now(),
        )
        _alert(portfolio_id, standing, as_of, session_date, simulated)
    return now_states


def _alert(
    portfolio_id: UUID,
    standing: LimitStanding,
    as_of: datetime,
    session_date: date,
    simulated: bool,
) -> None:
    limit = standing.limit
    key = f"limit:{limit.measure}"
    if standing.state == LimitState.WITHIN:
        alerts.resolve(portfolio_id=portfolio_id, key=key, as_of=as_of)
        return
    breach = standing.state == LimitState.BREACH
    used = standing.used or 0.0
    name = f"{limit.label} ({standing.symbol})" if standing.symbol else limit.label
    alerts.raise_once(
        portfolio_id=portfolio_id,
        kind=AlertKind.LIMIT,
        key=key,
        severity=Severity.CRITICAL if breach else Severity.WARNING,
        title=f"{name} {'is above its limit' if breach else 'is close to its limit'}",
        detail=f"{_words(standing.observed, limit.unit)}, {used:.0%} of the limit of "
        f"{_words(float(limit.value), limit.unit)}.",
        measured=standing.observed,
        threshold=float(limit.value),
        unit=limit.unit,
        symbol=standing.symbol,
        simulated=simulated,
        as_of=as_of,
        session_date=session_date,
    )


def _unknown(
    portfolio_id: UUID,
    standing: LimitStanding,
    as_of: datetime,
    session_date: date,
    simulated: bool,
    reason: str,
) -> None:
    why = reason or standing.reason
    alerts.raise_once(
        portfolio_id=portfolio_id,
        kind=AlertKind.DATA,
        key=f"limit:{standing.limit.measure}:unknown",
        severity=Severity.WARNING,
        title=f"{standing.limit.label} could not be measured",
        detail=f"The limit is not watched until the figure is back ({why}).",
        simulated=simulated,
        as_of=as_of,
        session_date=session_date,
    )


def _words(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return formats.show(value, "money0") if unit == Unit.CURRENCY else f"{value:.2%} of equity"


def _checked(measure: str, value: Decimal, unit: str, watch: float | None, reason: str) -> None:
    if measure not in Measure.values:
        raise BadInput(f"{measure} is not a measure that can be limited.", attr="measure")
    if unit not in Unit.values:
        raise BadInput("The unit is currency or fraction.", attr="unit")
    if not value.is_finite() or value <= 0:
        raise BadInput("A limit is a positive number.", attr="value")
    if value > MAX_AMOUNT:
        raise BadInput("Too large for a limit.", attr="value")
    most = LARGEST_GROSS if measure == Measure.GROSS else LARGEST_SHARE
    if unit == Unit.FRACTION and value > most:
        name = selector.LABELS[Measure(measure)]
        raise BadInput(f"{name} is limited to at most {most:.0%} of equity.", attr="value")
    if watch is not None and not 0.0 < watch < 1.0:
        raise BadInput("The watch level lies between 0 and 1.", attr="watch")
    if not reason.strip():
        raise BadInput("Say why the limit is changed.", attr="reason")
    if len(reason) > 300:
        raise BadInput("A reason has at most 300 characters.", attr="reason")


def _current(portfolio_id: UUID, measure: str) -> RiskLimit | None:
    rows = RiskLimit.objects.filter(portfolio_id=portfolio_id, measure=measure)
    return rows.filter(closed_at__isnull=True).first()


def _match(standing: LimitInForce, wanted: int | None) -> None:
    if wanted is not None and wanted != standing.version:
        raise VersionMismatch(
            "This limit was changed since it was read.",
            version=standing.version,
            value=str(standing.value),
        )


def _audit(
    by: Actor,
    action: str,
    portfolio_id: UUID,
    limit_id: UUID,
    before: LimitInForce,
    after: LimitInForce,
    reason: str,
) -> None:
    audit.record(
        by=by,
        action=action,
        object_type="limit",
        object_id=limit_id,
        chain=portfolio_id,
        before=_told(before),
        after=_told(after),
        reason=reason.strip(),
    )


def _told(limit: LimitInForce) -> dict[str, object]:
    names = ("measure", "unit", "watch", "hard", "version")
    return {name: getattr(limit, name) for name in names} | {"value": plain(limit.value)}
