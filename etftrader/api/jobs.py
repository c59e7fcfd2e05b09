"""Jobs over the API: what runs, how far it is, what came of it."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core import jobs
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted, document
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import Conflict, NotAllowed, NotFound
from etftrader.core.records import JobRun
from etftrader.services import acts
from etftrader.views.permissions import may_operate


class JobRow(serializers.Serializer):
    """A run as programs see it."""

    def to_representation(self, instance: JobRun) -> dict[str, Any]:
        """The same document everywhere."""
        return document(instance)


class ItemRow(serializers.Serializer):
    """One part of a run: a portfolio, a symbol, a row."""

    def to_representation(self, instance: dict[str, Any]) -> dict[str, Any]:
        """As the run kept it."""
        return instance


def job_for(view: ApiView, job_id: UUID) -> JobRun:
    """A run the actor may see. Raises NotFound."""
    run = JobRun.objects.for_actor(view.actor).filter(pk=job_id).first()
    if run is None:
        raise NotFound("There is no such job.")
    return run


@operation(get=Op("signed_in", summary="Jobs you asked for", lists=True))
class Jobs(ApiView):
    """GET /jobs: newest first; staff see all of them."""

    serializer_class = JobRow
    queryset = JobRun.objects.none()
    filterset_fields = ("status", "step", "job", "as_of")
    ordering_fields = ("created_at", "finished_at", "as_of")
    ordering = ("-created_at",)

    def get(self, request: Any) -> Response:
        """A page of runs."""
        return self.listing(JobRun.objects.for_actor(self.actor), JobRow)


@operation(get=Op("signed_in", summary="One job and its progress"))
class OneJob(ApiView):
    """GET /jobs/{job_id}: ask again until `status` is final."""

    serializer_class = JobRow

    def get(self, request: Any, job_id: UUID) -> Response:
        """The run; Retry-After while it is open."""
        run = job_for(self, job_id)
        headers = {"Retry-After": "1"} if run.status in ("queued", "running") else {}
        return Response(document(run), headers=headers)


@operation(get=Op("signed_in", summary="The parts of a job", lists=True))
class JobItems(ApiView):
    """GET /jobs/{job_id}/items: each part with its status and, where it failed, the reason."""

    serializer_class = ItemRow

    def get(self, request: Any, job_id: UUID) -> Response:
        """A page of parts, in the order they were done."""
        return self.listing(job_for(self, job_id).items, ItemRow)


@operation(get=Op("signed_in", summary="The result of a job", refuses=(409,)))
class JobResult(ApiView):
    """GET /jobs/{job_id}/result: 409 while there is none."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, job_id: UUID) -> Response:
        """What the task answered, with its counts and warnings."""
        run = job_for(self, job_id)
        if run.status not in ("succeeded", "partial"):
            raise Conflict(
                f"The job is {run.status}; it has no result.",
                code="job_has_no_result",
                job_status=run.status,
            )
        return Response(
            {
                "job": document(run)["url"],
                "status": run.status,
                "counts": run.counts,
                "warnings": run.warnings,
                "result": run.result,
            }
        )


@operation(
    post=Op(
        "signed_in:trade",
        summary="Cancel a job that waits or runs",
        operators="Operators cancel any job, others what they asked for. Else 403.",
    )
)
class CancelJob(ApiView):
    """POST /jobs/{job_id}/cancel: who asked for it, and operators; the second time is harmless."""

    @extend_schema(request=None, responses={200: dict})
    def post(self, request: Any, job_id: UUID) -> Response:
        """The run afterwards; a worker stops at its next step. 409 once it has ended."""
        run = job_for(self, job_id)
        if run.requested_by != self.actor.user_id and not may_operate(self.actor):
            raise NotAllowed("Only operators cancel what others asked for.")
        return once(request, lambda: Response(document(jobs.cancel(run, by=self.actor))))


@operation(post=Op("operator:trade", summary="Do again what failed of a job", limit="jobs"))
class RetryJob(ApiView):
    """POST /jobs/{job_id}/retry: its failed parts; all of it when none failed."""

    @extend_schema(request=None, responses={202: dict})
    def post(self, request: Any, job_id: UUID) -> Response:
        """202 with the run; 409 while it is open."""
        run = job_for(self, job_id)

        def effect() -> Response:
            if run.status in jobs.FAILED:
                return accepted(jobs.retry_failed(run, by=self.actor))
            return accepted(acts.retry(run=run, by=self.actor))

        return once(request, effect)
