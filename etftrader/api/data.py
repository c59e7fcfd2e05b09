"""Is the data fresh, what is the day doing, and: the next session, or what is missing, please."""

from dataclasses import asdict
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader import day
from etftrader.core.actor import TRADE
from etftrader.core.api.fields import StrictSerializer
from etftrader.core.api.fields import moment as told
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted, document
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput, NotAllowed
from etftrader.core.records import JobRun
from etftrader.services import acts, batches, updates
from etftrader.views.permissions import may_advance, may_operate
from marketdata.selectors import freshness, sessions
from marketdata.selectors.sessions import Moment
from marketdata.services.price_sync import SYNCED
from portfolios.constants import Action
from portfolios.selectors.access import portfolio_for
from risk.choices import CovarianceKind
from risk.selectors import covariance as matrices

RECENT = 20
MOST_SYMBOLS = updates.MOST_SYMBOLS


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
            return accepted(acts.update_data(by=self.actor))

        return once(request, effect)


@operation(
    post=Op(
        "signed_in:trade",
        summary="Bring the data up to date",
        limit="jobs",
        operators="Operators fetch everything; others the symbols they hold, once in five minutes. "
        "Else 403 or 409.",
    )
)
class DataUpdate(Advancing):
    """POST /data/update: in a replay the next close and its day, live what is missing.

    The same wish while open is one job.
    """

    @extend_schema(request=UpdateWish, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; 409 `no_more_history` at a replay's end."""
        return self.bring(request, self.checked(UpdateWish))

    def bring(self, request: Any, wish: dict[str, Any]) -> Response:
        """202 with the job: live what the wish names, in a replay the next close. See `fetch`."""
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
        everything = may_operate(self.actor) or self.actor.is_staff

        def effect() -> Response:
            return accepted(updates.fetch(wish=wish, everything=everything, by=self.actor))

        return once(request, effect)


@operation(
    get=Op("signed_in", summary="The market clock"),
    post=Op(
        "signed_in:trade",
        summary="Advance the market clock one session",
        limit="jobs",
        operators="Where the replay is not open to all, operators only: others get 403.",
    ),
)
class Clock(Advancing):
    """GET, POST /admin/clock."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """What time it is for prices."""
        return Response(clock_document(sessions.moment()))

    @extend_schema(request=ClockMove, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job; 409 `no_more_history` at the end, `market_is_live` live."""
        self.checked(ClockMove)
        return self.advance(request)


class BatchWish(StrictSerializer):
    """Whose work it is; without a portfolio everybody's."""

    portfolio_id = serializers.UUIDField(required=False)


class Batch(ApiView):
    """What the batches share: work on the latest session, done again for everybody or a book."""

    kind = ""

    @extend_schema(request=BatchWish, responses={202: dict})
    def post(self, request: Any) -> Response:
        """202 with the job. Owners name a portfolio of theirs, once in five minutes."""
        portfolio_id = self.checked(BatchWish).get("portfolio_id")
        everything = may_operate(self.actor) and TRADE in self.actor.scopes
        portfolio = None
        if portfolio_id is not None:
            portfolio = portfolio_for(self.actor, portfolio_id, Action.CALCULATE)
        elif not everything:
            words = "Only operators do it for everybody. Name your portfolio."
            raise NotAllowed(words, attr="portfolio_id")

        def effect() -> Response:
            run = batches.ask(
                kind=self.kind, portfolio=portfolio, everything=everything, by=self.actor
            )
            return accepted(run)

        return once(request, effect)


@operation(post=Op("portfolio:calculate", summary="Fetch the newest prices again", limit="jobs"))
class MarketDataBatch(Batch):
    """POST /admin/batch/market-data."""

    kind = "market-data"


@operation(post=Op("portfolio:calculate", summary="Compute the newest Greeks again", limit="jobs"))
class GreeksBatch(Batch):
    """POST /admin/batch/greeks."""

    kind = "greeks"


@operation(post=Op("portfolio:calculate", summary="Compute the newest risk again", limit="jobs"))
class RiskBatch(Batch):
    """POST /admin/batch/risk-metrics."""

    kind = "risk-metrics"


@operation(post=Op("portfolio:calculate", summary="Take the newest snapshots again", limit="jobs"))
class SnapshotBatch(Batch):
    """POST /admin/batch/snapshots."""

    kind = "snapshots"


@operation(get=Op("signed_in", summary="The newest batches"))
class BatchStatus(ApiView):
    """GET /admin/batch/status."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Batches newest first, one's own or for operators all, and the latest session's steps."""
        everything = may_operate(self.actor)
        runs = batches.recent(by=self.actor, everything=everything, limit=RECENT)
        latest = sessions.latest()
        return Response(
            {
                "session_date": latest,
                "batches": [document(run) | {"steps": batches.steps_of(run)} for run in runs],
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
