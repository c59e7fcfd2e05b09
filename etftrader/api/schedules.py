"""The timetable over the API: what runs when, switched, moved and run now."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader.core.api import versions
from etftrader.core.api.fields import StrictSerializer, moment
from etftrader.core.api.idempotent import once
from etftrader.core.api.jobs import accepted, address
from etftrader.core.api.registry import REQUIRED, TAGGED, Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.records import JobRun
from etftrader.services import timetable
from etftrader.services.timetable import Entry


class ScheduleChange(StrictSerializer):
    """What may be changed of an entry; the days it runs on stay."""

    enabled = serializers.BooleanField(required=False)
    time = serializers.CharField(required=False, max_length=5)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=300)


class Nothing(StrictSerializer):
    """A body without fields."""


@operation(get=Op("signed_in", summary="The timetable"))
class Schedules(ApiView):
    """GET /schedules: the day's steps in their order, then the timers."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """When each runs, whether it is switched on, and how its last run ended."""
        found = [document(each) for each in timetable.entries()]
        return Response({"count": len(found), "results": found})


@operation(
    get=Op("signed_in", summary="One entry of the timetable", versions=TAGGED),
    patch=Op("operator:trade", summary="Switch an entry on or off, or move it", versions=REQUIRED),
)
class OneSchedule(ApiView):
    """GET, PATCH /schedules/{schedule_id}."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any, schedule_id: int) -> Response:
        """The entry with its ETag."""
        found = timetable.entry(schedule_id)
        return versions.tagged(Response(document(found)), found)

    @extend_schema(request=ScheduleChange, responses={200: dict})
    def patch(self, request: Any, schedule_id: int) -> Response:
        """The entry afterwards; 428 without If-Match, 412 when it was changed meanwhile."""
        wish = self.checked(ScheduleChange)
        if not {"enabled", "time"} & set(wish):
            raise BadInput("Send enabled, time or both.", attr="enabled")
        version = versions.check(request, timetable.entry(schedule_id), required=True)
        found = timetable.change(
            entry_id=schedule_id,
            enabled=wish.get("enabled"),
            at=wish.get("time"),
            version=version,
            reason=wish.get("reason", ""),
            by=self.actor,
        )
        return versions.tagged(Response(document(found)), found)


@operation(post=Op("operator:trade", summary="Run an entry of the timetable now", limit="jobs"))
class RunSchedule(ApiView):
    """POST /schedules/{schedule_id}/run: for the latest session."""

    @extend_schema(request=Nothing, responses={202: dict})
    def post(self, request: Any, schedule_id: int) -> Response:
        """202 with the job; the same wish while open is the same job."""
        self.checked(Nothing)

        def effect() -> Response:
            return accepted(timetable.run_now(entry_id=schedule_id, by=self.actor))

        return once(request, effect)


def document(entry: Entry) -> dict[str, Any]:
    """An entry as programs see it."""
    return {
        "id": str(entry.id),
        "url": f"/api/v1/schedules/{entry.id}",
        "name": entry.name,
        "label": entry.label,
        "task": entry.task,
        "enabled": entry.enabled,
        "when": entry.when,
        "time": entry.time,
        "needs": list(entry.needs),
        "next_run_at": moment(entry.next_run_at) if entry.next_run_at else None,
        "last_run_at": moment(entry.last_run_at) if entry.last_run_at else None,
        "last_result": _result(entry.last_run) if entry.last_run else None,
        "runs": entry.count,
        "version": entry.version,
    }


def _result(run: JobRun) -> dict[str, Any]:
    """How its newest run stands, without what a run says of single portfolios."""
    return {
        "job": address(run),
        "status": run.status,
        "session_date": run.as_of,
        "finished_at": moment(run.finished_at) if run.finished_at else None,
        "error": (run.error or {}).get("code"),
    }
