"""T-20: every operation × every kind of actor; a foreign id equals a missing one."""

import uuid
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from etftrader.core.api.registry import CLASSES
from etftrader.core.records import JobRun
from etftrader.testing import matrix
from marketdata.models import Instrument
from portfolios.constants import ROLES
from portfolios.models import User
from risk.models import Alert
from trading.models import Order

pytestmark = pytest.mark.django_db
INSIDE = {"owner", "owner_group_viewer", "editor_trading", "editor", "viewer", "read_token"}
STAFF = {"staff", "superuser"}
READERS = INSIDE | STAFF
# who may, by the table of the permissions; written out here, not read from the product
MAY: dict[str, set[str]] = {
    "view": READERS,
    "view_audit": {"owner", "owner_group_viewer", "read_token"} | STAFF,
    "note": {"owner", "editor_trading", "editor"},
    "trade": {"owner", "editor_trading"},
    "calculate": {"owner"},
    "manage": {"owner"},
    "share": {"owner"},
    "halt": {"owner"},
}
CLOSED = {"registration_closed"}


@pytest.fixture
def cast(settings: Any) -> matrix.Cast:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    return matrix.cast()


def _complaint(operation: matrix.Operation, actor: str, answer: Any) -> str:
    """What is wrong with this answer; empty when nothing is."""
    status = answer.status_code
    said = f"{operation} by {actor}: {status} {answer.content[:160]!r}"
    if status >= 500 and status != 503:
        return said
    kind, word = operation.op.kind, operation.op.word
    if kind == "public":
        return said if status == 403 and answer.json()["code"] not in CLOSED else ""
    if actor in matrix.UNKNOWN:
        return "" if status == 401 else said
    if kind == "portfolio":
        return "" if _fits(operation, actor, status) else said
    allowed = actor != "read_token" or word in ("", "read")
    if kind in ("staff", "operator"):
        allowed = actor in ({"staff", "superuser"} if kind == "staff" else {"superuser"})
    return "" if (status == 403) != allowed and status != 401 else said


def _fits(operation: matrix.Operation, actor: str, status: int) -> bool:
    names = [name for _, name in operation.parameters]
    if "portfolio_id" not in names:
        # addressed by another id, here a made-up one: nobody finds it
        return status in (400, 404) if names else status not in (401, 500)
    if actor in matrix.OUTSIDE:
        return status == 404
    if actor not in MAY[operation.op.word]:
        return status == 403
    return status not in (401, 403) and (status != 404 or len(names) > 1)


def test_every_address_declares_exactly_the_methods_it_has() -> None:
    assert not matrix.undeclared()


def test_every_declaration_names_a_known_class_and_action() -> None:
    found = list(matrix.operations())
    assert len(found) >= 15
    for each in found:
        assert each.op.kind in CLASSES
        if each.op.kind == "portfolio":
            assert each.op.word in {str(action) for action in ROLES}, str(each)


def test_everybody_gets_what_the_table_says_and_nothing_else(cast: matrix.Cast) -> None:
    known = {"portfolio_id": cast.portfolio.pk}
    complaints = [
        complaint
        for operation in matrix.operations()
        for actor in matrix.ACTORS
        if (
            complaint := _complaint(
                operation,
                actor,
                cast.ask(actor, operation.method, operation.path(known)),
            )
        )
    ]
    assert not complaints, "\n".join(complaints)


def test_a_foreign_portfolio_answers_exactly_like_a_missing_one(cast: matrix.Cast) -> None:
    checked = 0
    for operation in matrix.operations():
        if operation.op.kind != "portfolio" or "portfolio_id" not in operation.route:
            continue
        others = {name: uuid.uuid4() for kind, name in operation.parameters if kind == "uuid"}
        foreign = operation.path(others | {"portfolio_id": cast.portfolio.pk})
        missing = operation.path(others | {"portfolio_id": uuid.uuid4()})
        for actor in matrix.OUTSIDE:
            answers = [
                matrix.answer_of(partial(cast.ask, actor, operation.method, path))
                for path in (foreign, missing, foreign)
            ]
            # the first call may warm what a process keeps; the last two are compared
            assert answers[2] == answers[1], f"{operation} by {actor}"
            assert answers[0][0] == 404
            checked += 1
    assert checked


def _objects(cast: matrix.Cast) -> dict[str, uuid.UUID]:
    """One order, alert and job of the matrix's portfolio and its owner."""
    moment = datetime(2016, 6, 22, 20, tzinfo=UTC)
    fund = Instrument.objects.create(symbol="AAA", name="A", kind="etf", price_basis="close")
    order = Order.objects.create(
        portfolio=cast.portfolio,
        instrument=fund,
        client_order_id="matrix",
        side="buy",
        quantity=1,
        state="rejected",
        placed_as_of=moment,
        session_date=moment.date(),
    )
    alert = Alert.objects.create(
        portfolio=cast.portfolio,
        kind="limit",
        key="matrix",
        severity="warning",
        title="Matrix",
        session_date=moment.date(),
        first_seen=moment,
        last_seen=moment,
        number=1,
    )
    owner = User.objects.get(email="owner@example.com")
    job = JobRun.objects.create(
        job="etftrader.run_day",
        scope="matrix",
        as_of=moment.date(),
        status="succeeded",
        requested_by=owner.pk,
    )
    return {"order_id": order.pk, "alert_id": alert.pk, "job_id": job.pk}


def test_orders_alerts_and_jobs_are_found_by_their_own_people_only(cast: matrix.Cast) -> None:
    known = _objects(cast)
    checked = set()
    for operation in matrix.operations():
        names = [name for _, name in operation.parameters]
        if operation.method != "get" or len(names) != 1 or names[0] not in known:
            continue
        # a job belongs to the one who asked for it, not to a portfolio
        may = READERS if names[0] != "job_id" else {"owner", "read_token"} | STAFF
        missing = operation.path({names[0]: uuid.uuid4()})
        for actor in set(matrix.ACTORS) - matrix.UNKNOWN:
            answer = cast.ask(actor, "get", operation.path(known))
            assert answer.status_code == (200 if actor in may else 404), f"{operation} by {actor}"
            if actor not in may:
                nobody = cast.ask(actor, "get", missing)
                assert nobody.json()["detail"] == answer.json()["detail"]
        checked.add(names[0])
    assert checked == set(known)


def test_every_read_works_in_both_forms_of_its_address(cast: matrix.Cast) -> None:
    for operation in matrix.operations():
        if operation.method != "get":
            continue
        known = {name: uuid.UUID(int=7) for kind, name in operation.parameters if kind == "uuid"}
        path = operation.path(known | {"portfolio_id": cast.portfolio.pk})
        plain, slash = (cast.ask("owner", "get", form) for form in (path, f"{path}/"))
        assert plain.status_code == slash.status_code, str(operation)
        assert plain.status_code not in (301, 302, 307, 308)
