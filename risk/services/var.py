"""Value at risk of the close: many portfolios on one matrix, one session or a range of them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

from django.db import transaction

from etftrader.core import clock, jobs
from etftrader.core.audit import canonical
from etftrader.core.errors import NotEnoughData
from etftrader.core.records import JobRun
from marketdata.calculations.exchange import Rate
from marketdata.choices import Pricing
from marketdata.selectors import calendar, exchange_rates, instruments, prices
from portfolios.choices import SnapshotKind
from portfolios.models import PortfolioSnapshot, PositionSnapshot
from portfolios.services import locking, snapshots
from risk.calculations import var as kernel
from risk.choices import CovarianceKind, Family, Method
from risk.constants import (
    HORIZON_DAYS,
    PARTS_KEPT,
    VAR_CONFIDENCE,
    WINDOW,
)
from risk.models import PositionRisk, RiskMetric, VarResult
from risk.selectors import book_risk
from risk.selectors import covariance as matrices
from risk.selectors.book_risk import MANUAL, NO_DELTA, NO_PRICE, BookRisk, Holding
from risk.selectors.covariance import Matrix
from risk.selectors.var import unmeasured
from risk.services import covariance

RUN_FACTS = (
    "as_of",
    "covariance_id",
    "stressed_id",
    "equity",
    "inputs_hash",
    "coverage",
    "quality",
    "reason",
    "excluded",
    "warnings",
    "computed_at",
)


def compute(
    *, portfolio_ids: Iterable[UUID], session_date: date, run_id: UUID | None = None
) -> dict[UUID, RiskMetric]:
    """Measure portfolios at a close and keep it; the VaR joins each one's snapshot.

    Reads the exposures of the session's snapshots, so the figures agree with the NAV beside them;
    a portfolio without a snapshot is left out. Twice is once: same session, same rows. Raises
    LeaseLost within a run that is somebody else's by now.
    """
    daily = matrices.in_force(session_date=session_date)
    stressed = matrices.in_force(session_date=session_date, kind=CovarianceKind.STRESSED)
    with transaction.atomic():
        return _compute(list(portfolio_ids), daily, stressed, session_date)


def compute_range(*, portfolio_ids: Iterable[UUID], sessions: Sequence[date]) -> dict[str, int]:
    """Measure portfolios at every close of a range, for books with a past.

    Each session is a transaction of its own: bookings pass between, and what is measured stands.
    One price panel serves all sessions. Every session keeps its run and VaR; only the newest
    twenty keep their matrices and the parts per position, which nothing reads further back. The
    stressed matrix is static: it is computed at the first session and again when a name joins.
    """
    wanted = sorted(sessions)
    if not wanted:
        return {"runs": 0, "sessions": 0}
    symbols = [each.symbol for each in instruments.risk_universe()]
    start = calendar.previous(wanted[0], WINDOW)
    panel = prices.panel(symbols=symbols, until=wanted[-1], start=start)
    returns = panel.returns()
    days = panel.sessions.tolist()
    place = {day: row for row, day in enumerate(days)}
    rows = _snapshots(portfolio_ids, wanted)
    kept = set(wanted[-PARTS_KEPT:])
    stressed: Matrix | None = None
    runs = 0
    for day in wanted:
        last = place.get(day)
        daily = None
        if last is not None and last > 0:
            daily = _daily_at(panel.symbols, returns[:last], days[: last + 1], day, day in kept)
        if daily is not None and (stressed is None or stressed.labels != daily.labels):
            made = covariance.stressed_of(daily, day)
            stressed = matrices.of_row(covariance.store_stressed(session_date=day, computed=made))
        todays = [each.portfolio_id for each in rows if each.session_date == day]
        with transaction.atomic():
            done = _compute(todays, daily, stressed, day, parts=day in kept)
        runs += len(done)
    return {"runs": runs, "sessions": len(wanted)}


def compute_lacking(*, portfolio_ids: Iterable[UUID], start: date, until: date) -> dict[str, int]:
    """Measure the closes of a range that have no risk run, or lost it with a revised snapshot.

    A session with a matrix of its own is measured by that one, the others as a range is. What was
    cut short goes on where it stood.
    """
    wanted = list(portfolio_ids)
    rows = unmeasured(start=start, until=until, portfolio_ids=wanted)
    days = sorted({day for _, day in rows})
    runs, older = 0, []
    for day in days:
        own = matrices.newest(session_date=day, kind=CovarianceKind.DAILY)
        if own is not None and own.session_date == day:
            runs += len(compute(portfolio_ids=wanted, session_date=day))
        else:
            older.append(day)
    runs += compute_range(portfolio_ids=wanted, sessions=older)["runs"]
    return {"runs": runs, "sessions": len(days)}


def measure_later(
    *,
    portfolio_ids: Iterable[UUID],
    until: date,
    start: date | None = None,
    lost_until: date | None = None,
) -> JobRun | None:
    """Request the risk that revised snapshots lost, and with `start` all that is lacking since.

    What was lost is looked for up to `lost_until`, where that is later. None when nothing lacks.
    """
    wanted = list(portfolio_ids)
    rows = unmeasured(until=lost_until or until, portfolio_ids=wanted, once_measured=True)
    if start is not None:
        rows += unmeasured(start=start, until=until, portfolio_ids=wanted)
    if not rows:
        return None
    days = sorted(session_date for _, session_date in rows)
    with transaction.atomic():
        return jobs.request(
            "risk.compute",
            as_of=days[-1],
            portfolio_ids=sorted({portfolio_id for portfolio_id, _ in rows}),
            inputs={"start": days[0].isoformat()},
        )


def _daily_at(
    symbols: Sequence[str], returns: Any, sessions: Sequence[date], day: date, keep: bool
) -> Matrix | None:
    try:
        computed = covariance.daily_of(symbols, returns[-WINDOW:], sessions[-WINDOW - 1 :])
    except NotEnoughData:
        return None
    if keep:
        return matrices.of_row(covariance.store_daily(session_date=day, computed=computed))
    return computed.as_matrix(day, covariance.METHOD_DAILY)


def _snapshots(portfolio_ids: Iterable[UUID], sessions: Sequence[date]) -> list[PortfolioSnapshot]:
    found = PortfolioSnapshot.objects.filter(
        portfolio_id__in=list(portfolio_ids), session_date__in=sessions, kind=SnapshotKind.ACTUAL
    )
    return list(found.order_by("session_date", "portfolio_id"))


def _holdings(found: Sequence[PortfolioSnapshot]) -> dict[int, list[Holding]]:
    held: dict[int, list[Holding]] = {each.pk: [] for each in found}
    heads = {each.pk: each for each in found}
    rows = PositionSnapshot.objects.filter(snapshot_id__in=list(held)).values_list(
        "snapshot_id",
        "snapshot__portfolio__base_currency",
        "instrument_id",
        "instrument__symbol",
        "instrument__currency",
        "instrument__pricing",
        "instrument__option__underlying__symbol",
        "exposure",
        "delta_exposure",
        "reason",
    )
    rates = _Rates()
    for (
        snapshot_id, base, instrument_id, symbol, currency, pricing, under, exposure, delta, reason
    ) in rows:  # fmt: skip
        if pricing == Pricing.MANUAL:
            reason = MANUAL
        elif exposure is None:
            reason = reason or NO_PRICE
        elif delta is None:
            reason = reason or NO_DELTA
        holding = Holding(
            instrument_id=instrument_id,
            symbol=symbol,
            exposure=None if delta is None else float(delta),
            reason=reason,
            underlying=under or "",
            market=None if exposure is None else float(exposure),
        )
        if currency != base and not reason:
            holding = rates.joined(holding, currency, base, heads[snapshot_id].session_date)
        held[snapshot_id].append(holding)
    return held


class _Rates:
    """The exchange rates behind foreign holdings at closes, each asked once."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, date], Rate] = {}

    def joined(self, holding: Holding, origin: str, target: str, day: date) -> Holding:
        """A holding with the rates its value moves with; without one it has no exposure."""
        key = origin, target, day
        if key not in self._found:
            asked = exchange_rates.closing(currencies=(origin, target), session_date=day)
            self._found[key] = asked.between(origin, target)
        legs = self._found[key].legs
        if not legs:
            return replace(holding, reason=exchange_rates.NO_EXCHANGE_RATE)
        worth = holding.market or 0.0
        return replace(holding, rates=tuple((name, sign * worth) for name, sign in legs))


def _compute(
    portfolio_ids: Sequence[UUID],
    daily: Matrix | None,
    stressed: Matrix | None,
    session_date: date,
    *,
    parts: bool = True,
) -> dict[UUID, RiskMetric]:
    # a snapshot is revised, and a run is kept, by one at a time
    locking.lock_portfolios(*portfolio_ids)
    found = _snapshots(portfolio_ids, [session_date])
    held = _holdings(found)
    measured = {
        each.portfolio_id: book_risk.of(held[each.pk], daily, stressed, session_date)
        for each in found
    }
    metrics = _runs(
        [_run(each, held[each.pk], measured[each.portfolio_id], daily, stressed) for each in found]
    )
    _keep_results(metrics, measured)
    _keep_parts(metrics, {e.portfolio_id: held[e.pk] for e in found}, measured if parts else {})
    for portfolio_id, metric in metrics.items():
        risk = measured[portfolio_id]
        snapshots.add_risk(
            portfolio_id=portfolio_id,
            session_date=session_date,
            var_95_1d=risk.value_at_risk,
            es_95_1d=risk.expected_shortfall,
            stressed_var_95_1d=risk.stressed_var,
            volatility_1d=risk.volatility,
            coverage=risk.coverage,
            reason=risk.reason,
            run_id=metric.pk,
        )
    jobs.hold()
    return metrics


def _run(
    snapshot: PortfolioSnapshot,
    held: Sequence[Holding],
    risk: BookRisk,
    daily: Matrix | None,
    stressed: Matrix | None,
) -> RiskMetric:
    return RiskMetric(
        portfolio_id=snapshot.portfolio_id,
        session_date=snapshot.session_date,
        as_of=calendar.close_time(snapshot.session_date),
        covariance_id=daily.snapshot_id if daily else None,
        stressed_id=stressed.snapshot_id if stressed else None,
        equity=snapshot.nav,
        inputs_hash=_hash(snapshot, held, daily, stressed),
        coverage=risk.coverage,
        quality=risk.quality,
        reason=risk.reason,
        excluded=list(risk.excluded),
        warnings=list(risk.warnings),
        computed_at=clock.now(),
    )


def _runs(made: Sequence[RiskMetric]) -> dict[UUID, RiskMetric]:
    """Keep the runs of one session; a run that stands keeps its id. The portfolios are locked."""
    standing = {
        each.portfolio_id: each
        for each in RiskMetric.objects.filter(
            portfolio__in=[each.portfolio_id for each in made],
            session_date__in={each.session_date for each in made},
        )
    }
    kept = {}
    for each in made:
        known = kept[each.portfolio_id] = standing.get(each.portfolio_id, each)
        if known is not each:
            for name in RUN_FACTS:
                setattr(known, name, getattr(each, name))
            known.save()
    RiskMetric.objects.bulk_create([each for each in made if each.portfolio_id not in standing])
    return kept


def _keep_results(metrics: Mapping[UUID, RiskMetric], measured: Mapping[UUID, BookRisk]) -> None:
    VarResult.objects.filter(metric__in=list(metrics.values())).delete()
    rows = []
    for portfolio_id, metric in metrics.items():
        risk = measured[portfolio_id]
        tail = _tail(risk.stressed_var)
        for method, family, loss, shortfall, reason in (
            (
                Method.PARAMETRIC_EWMA,
                Family.MODEL,
                risk.value_at_risk,
                risk.expected_shortfall,
                risk.reason,
            ),
            (Method.STRESSED, Family.STRESSED, risk.stressed_var, tail, risk.stressed_reason),
        ):
            rows.append(
                VarResult(
                    metric=metric,
                    method=method,
                    family=family,
                    confidence=VAR_CONFIDENCE,
                    horizon_days=HORIZON_DAYS,
                    var=loss,
                    expected_shortfall=shortfall,
                    reason=reason,
                )
            )
    VarResult.objects.bulk_create(rows, batch_size=500)


def _keep_parts(
    metrics: Mapping[UUID, RiskMetric],
    held: Mapping[UUID, Sequence[Holding]],
    measured: Mapping[UUID, BookRisk],
) -> None:
    PositionRisk.objects.filter(metric__in=list(metrics.values())).delete()
    rows = []
    for portfolio_id, risk in measured.items():
        reasons = {each["symbol"]: each["reason"] for each in risk.excluded}
        for each in held[portfolio_id]:
            part = risk.parts.get(each.symbol)
            rows.append(
                PositionRisk(
                    metric=metrics[portfolio_id],
                    instrument_id=each.instrument_id,
                    exposure=each.worth,
                    delta_exposure=each.exposure,
                    marginal=part.marginal if part else None,
                    component=part.component if part else None,
                    share=part.share if part else None,
                    isolated=part.isolated if part else None,
                    reason="" if part else reasons.get(each.symbol, risk.reason),
                )
            )
    PositionRisk.objects.bulk_create(rows, batch_size=500)


def _tail(value_at_risk: float | None) -> float | None:
    if value_at_risk is None:
        return None
    sigma = value_at_risk / kernel.quantile(VAR_CONFIDENCE)
    return kernel.expected_shortfall(sigma).expected_shortfall


def _hash(
    snapshot: PortfolioSnapshot,
    held: Sequence[Holding],
    daily: Matrix | None,
    stressed: Matrix | None,
) -> str:
    given = {
        "ledger": [snapshot.ledger_seq, snapshot.ledger_hash, snapshot.revision],
        "held": sorted((each.symbol, each.exposure, each.reason, *each.rates) for each in held),
        "matrices": [
            [str(each.snapshot_id), each.session_date, each.revision] if each else None
            for each in (daily, stressed)
        ],
    }
    return hashlib.sha256(canonical(given).encode()).hexdigest()
