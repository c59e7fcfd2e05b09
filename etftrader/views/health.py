"""Health: is the process alive, can it serve, and (for staff) does everything around it work."""

from typing import Any

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse

from etftrader import housekeeping
from etftrader.core import clock, livestate
from etftrader.core.actor import Actor
from etftrader.core.errors import NotFound
from marketdata.selectors import sessions

_migrated: list[bool] = []  # asked once: a process does not outlive a migration


def live(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> JsonResponse:
    """The database answers and is migrated."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not _migrated:
            executor = MigrationExecutor(connection)
            if executor.migration_plan(executor.loader.graph.leaf_nodes()):
                return JsonResponse({"status": "not_migrated"}, status=503)
            _migrated.append(True)
    except DatabaseError:
        return JsonResponse({"status": "database_away"}, status=503)
    return JsonResponse({"status": "ok"})


def deep(request: HttpRequest) -> JsonResponse:
    """For staff: the live store, the worker, the outbox, the market clock."""
    if not request.user.is_authenticated or not Actor.of(request).is_staff:
        raise NotFound("There is no such page.")
    checks = facts()
    whole = all(check["ok"] for check in checks.values())
    return JsonResponse(
        {"status": "ok" if whole else "degraded", "checks": checks}, status=200 if whole else 503
    )


def facts() -> dict[str, dict[str, Any]]:
    """Each part with whether it works and a figure."""
    try:
        redis_ok = bool(livestate.client().ping())
    except livestate.LiveError:
        redis_ok = False
    beat = housekeeping.last_beat()
    age = (clock.now() - beat).total_seconds() if beat else None
    waiting, failed = housekeeping.waiting_events(), housekeeping.failed_jobs()
    return {
        "live_store": {"ok": redis_ok},
        "worker": {"ok": age is not None and age < 90, "heartbeat_age_s": age},
        "outbox": {"ok": waiting < 1000, "waiting": waiting},
        "jobs": {"ok": failed == 0, "failed": failed},
        "market_clock": {"ok": True, "as_of": sessions.now().isoformat()},
    }
