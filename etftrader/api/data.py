"""Is the data fresh, what is the day doing, and: the next session, or what is missing, please."""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader import day, housekeeping, services
from etftrader.core import clock, jobs
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted, document
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, Conflict, NotAllowed
from etftrader.core.outbound.rules import checked_symbol
from etftrader.core.records import JobRun
from etftrader.views.permissions import may_advance, may_operate
from marketdata.selectors import freshness, sessions
from marketdata.selectors.sessions import Moment
from marketdata.services.price_sync import SYNCED
from portfolios.constants import Action
from portfolios.models import Position
from risk.choices import CovarianceKind
from risk.selectors import covariance as matrices

RECENT = 20
MOST_SYMBOLS = 200
OWNERS_WAIT = timedelta(minutes=5)  # between two updates an owner asks for


class Nothing(StrictSerializer):
    """A body without fields."""


class UpdateWish(StrictSerializer):
    """What to fetch from a live source; nothing means everything that is missing."""

    dataset = serializers.ChoiceField(list(SYNCED), required=False)
    symbols = serializers.ListField(
        child=serializers.CharField(max_length=24),
        required=False,
        allow_empty=False,
        max_length=MOST_SYMBOLS,
    )
    start = serializers.DateField(required=False)
    end = serializers.DateField(required=False)


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


@operation(post=Op("signed_in:trade", summary="Bring the data up to date", limit="jobs"))
class DataUpdate(Advancing):
    """POST /data/update: in a replay the next close and its day, live what is missing.

    The same wish while open is one job.
    """

    @extend_schema(request=UpdateWish, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; 409 `no_more_history` at a replay's end."""
        wish = self.checked(UpdateWish)
        if sessions.is_live():
            return self.fetch(request, wish)
        if wish:
            raise BadInput(
                "A replay goes on one whole session at a time. Send an empty body.",
                attr=next(iter(wish)),
                code="replay_advances_sessions",
            )
        return self.advance(request)

    def fetch(self, request: Any, wish: dict[str, Any]) -> Response:
        """202 with the run that fetches. Raises BadInput, NotAllowed, Conflict."""
        latest = sessions.latest()
        inputs = _inputs(wish, latest)
        everything = may_operate(self.actor) or self.actor.is_staff
        if not everything:
            self._require_own(inputs.get("symbols"))

        def effect() -> Response:
            if not everything:
                self._require_pause()
            run = jobs.request(
                "marketdata.sync_prices",
                as_of=latest,
                inputs=inputs,
                requested_by=self.actor.user_id,
                request_id=self.actor.request_id,
            )
            return accepted(run)

        return once(request, effect)

    def _require_own(self, symbols: list[str] | None) -> None:
        """An owner may refresh what the own books hold. Raises NotAllowed."""
        owned = Position.objects.for_actor(self.actor, Action.CALCULATE).open()
        held = set(owned.values_list("instrument__symbol", flat=True))
        foreign = [each for each in symbols or () if each not in held]
        if not symbols or foreign:
            words = f"{foreign[0]} is not in a book of yours." if foreign else "Name your symbols."
            raise NotAllowed(f"Only operators update everything. {words}", attr="symbols")

    def _require_pause(self) -> None:
        recent = JobRun.objects.for_actor(self.actor).filter(
            job="marketdata.sync_prices", created_at__gt=clock.now() - OWNERS_WAIT
        )
        if recent.filter(requested_by=self.actor.user_id).exists():
            raise Conflict("You asked less than five minutes ago.", code="asked_recently")


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
                "batches": [document(run) | {"steps": run.inputs.get("steps", [])} for run in runs],
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


def _inputs(wish: dict[str, Any], latest: Any) -> dict[str, Any]:
    """A run's inputs from a wish. Raises BadInput for symbols and dates that cannot be."""
    start, end = wish.get("start"), wish.get("end")
    if end and end > latest:
        raise BadInput(
            f"{end} is not known yet: the last close is that of {latest}.",
            attr="end",
            code="after_market_clock",
        )
    if start and start > (end or latest):
        raise BadInput("start lies after end.", attr="start")
    inputs: dict[str, Any] = {}
    if "dataset" in wish:
        inputs["datasets"] = [wish["dataset"]]
    if "symbols" in wish:
        words = dict.fromkeys(each.strip().upper() for each in wish["symbols"])
        inputs["symbols"] = [checked_symbol(each) for each in words]
    inputs |= {name: wish[name].isoformat() for name in ("start", "end") if name in wish}
    return inputs


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
