"""Rows of reports and their schedules in the lists of T-19, T-20 and T-41."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from etftrader.core import clock
from etftrader.models import ReportFile, ReportRun, ReportSchedule
from portfolios.models import Portfolio, User
from trading.tests import world

V1 = "/api/v1"
R, S = f"{V1}/reports", f"{V1}/reports/schedules"
ONE, END = f"{R}/<uuid:report_id>", f"{S}/<uuid:report_schedule_id>"


def make(book: Portfolio, owner: User) -> dict[str, Any]:
    """A report with its file, and a schedule."""
    report = ReportRun.objects.create(
        portfolio=book,
        made_by=owner,
        kind="positions",
        file_format="csv",
        end=world.YESTERDAY,
        status="ready",
        size=4,
        checksum="0" * 64,
        expires_at=clock.now() + timedelta(days=1),
    )
    ReportFile.objects.create(report=report, data=b"a,b\n")
    schedule = ReportSchedule.objects.create(
        portfolio=book, made_by=owner, kind="positions", file_format="csv", cadence="weekly"
    )
    return {"report_id": report.pk, "report_schedule_id": schedule.pk}


def made(stage: SimpleNamespace) -> dict[str, Any]:
    return make(stage.book, stage.owner)


def asked(stage: SimpleNamespace) -> dict[str, Any]:
    return {"portfolio": str(stage.book.pk), "kind": "trades", "format": "csv"}


def often(stage: SimpleNamespace) -> dict[str, Any]:
    return asked(stage) | {"cadence": "monthly"}


# removed, not edited: a file is there or it is not
ENDED = {f"DELETE {ONE}", f"DELETE {END}"}
AUDITED: dict[str, Any] = {
    f"POST {R}": (asked, {}, None),
    f"POST {ONE}/rerun": ({}, {}, made),
    f"DELETE {ONE}": ({}, {}, made),
    f"POST {S}": (often, {}, None),
    f"DELETE {END}": ({}, {}, made),
}
# bodies in which only the id decides
BODIES: dict[str, Any] = {
    f"POST {R}": {"kind": "trades", "format": "csv"},
    f"POST {S}": {"kind": "trades", "format": "csv", "cadence": "monthly"},
}
