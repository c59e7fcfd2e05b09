"""Is the data fresh, what is the day doing, and: the next session, please."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader import day, housekeeping, services
from etftrader.core import jobs
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted, document
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import NotAllowed
from etftrader.core.records import JobRun
from etftrader.views.permissions import may_advance
from marketdata.selectors import freshness, sessions
from marketdata.selectors.sessions import Moment
from risk.choices import CovarianceKind
from risk.selectors import covariance as matrices

RECENT = 20


class Nothing(StrictSerializer):
    """A body without fields."""


class ClockMove(StrictSerializer):
    """What to do with the clock."""

    action = serializers.ChoiceField(["advance"], default="advance")


@operation(get=Op("signed_in", summary="Freshness of every dataset, and the steps of the day"))
class DataStatus(ApiView):
    """GET /data/status."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Datasets worst first, the matrix in force, the latest session's steps."""
        moment = sessions.moment()
        return Response(
            {
                "clock": clock_document(moment),
                "datasets": [
                    asdict(each)
                    | {
                        "coverage": each.coverage,
                        "refreshed_at": told(each.refreshed_at) if each.refreshed_at else None,
                    }
                    for each in freshness.datasets(moment=moment)
                ],
                "covariance": _covariance(moment),
                "steps": [_step(run) for run in day.status(session_date=moment.session_date)],
            }
        )


class Advancing(ApiView):
    """What both ways to ask for the next session share."""

    def advance(self, request: Any) -> Response:
        """202 with the job. Raises NotAllowed, NoMoreHistory."""
        if not may_advance(self.actor):
            raise NotAllowed("Only operators move the market clock.")

        def effect() -> Response:
            return accepted(services.update_data(by=self.actor))

        return once(request, effect)


@operation(post=Op("signed_in:trade", summary="Ask for the next session's data", limit="jobs"))
class DataUpdate(Advancing):
    """POST /data/update: the next close and its day; the same wish while open is one job."""

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; 409 `no_more_history` at the end."""
        self.checked(Nothing)
        return self.advance(request)


@operation(
    get=Op("signed_in", summary="The market clock"),
    post=Op("signed_in:trade", summary="Advance the market clock one session", limit="jobs"),
)
class Clock(Advancing):
    """GET, POST /admin/clock."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """What time it is for prices."""
        return Response(clock_document(sessions.moment()))

    @extend_schema(request=ClockMove, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; 409 `no_more_history` at the end."""
        self.checked(ClockMove)
        return self.advance(request)


class Batch(ApiView):
    """What the batches share: some steps of the latest session, run again."""

    steps: tuple[str, ...] = ()

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job."""
        self.checked(Nothing)

        def effect() -> Response:
            run = jobs.request(
                "etftrader.run_day",
                as_of=sessions.latest(),
                inputs={"steps": list(self.steps)},
                requested_by=self.actor.user_id,
                request_id=self.actor.request_id,
            )
            return accepted(run)

        return once(request, effect)


@operation(post=Op("operator", summary="Fetch the latest session's prices again", limit="jobs"))
class MarketDataBatch(Batch):
    """POST /admin/batch/market-data."""

    steps = ("prices",)


@operation(post=Op("operator", summary="Compute the latest session's risk again", limit="jobs"))
class RiskBatch(Batch):
    """POST /admin/batch/risk-metrics."""

    steps = ("covariance", "risk", "limits")


@operation(post=Op("operator", summary="Take the latest session's snapshots again", limit="jobs"))
class SnapshotBatch(Batch):
    """POST /admin/batch/snapshots."""

    steps = ("snapshots",)


@operation(get=Op("operator", summary="The newest batches"))
class BatchStatus(ApiView):
    """GET /admin/batch/status."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Batches newest first, and the latest session's steps."""
        # an operator without the staff flag still answers for every batch
        runs = housekeeping.batches(limit=RECENT)
        latest = sessions.latest()
        return Response(
            {
                "session_date": latest,
                "batches": [
                    document(run) | {"steps": run.inputs.get("steps", [])} for run in runs
                ],
                "steps": [_step(run) for run in day.status(session_date=latest)],
            }
        )


def clock_document(moment: Moment) -> dict[str, Any]:
    """The market clock on the wire."""
    return {
        "as_of": told(moment.as_of),
        "session_date": moment.session_date,
        "playing": moment.playing,
        "bar": moment.bar,
        "bars": moment.bars,
        "round": moment.round,
        "revision": moment.revision,
        "simulated": moment.simulated,
        "ended": moment.ended,
    }


def _covariance(moment: Moment) -> dict[str, Any] | None:
    row = matrices.newest(session_date=moment.session_date, kind=CovarianceKind.DAILY)
    if row is None:
        return None
    return {
        "session_date": row.session_date,
        "symbols": len(row.labels),
        "observations": row.observations,
        "method": row.method,
        "warnings": row.warnings,
    }


def _step(run: JobRun) -> dict[str, Any]:
    """A step without what a run says of single portfolios: everybody may read it."""
    return {
        "step": run.step,
        "scope": run.scope,
        "status": run.status,
        "attempt": run.attempt,
        "done": run.done,
        "total": run.total,
        "started_at": told(run.started_at) if run.started_at else None,
        "finished_at": told(run.finished_at) if run.finished_at else None,
        "error": (run.error or {}).get("code"),
    }
