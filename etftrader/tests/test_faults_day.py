"""A day in which a book fails or a worker is killed: named, told and mended, the others done."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from celery import current_app
from django.db import connection
from django.utils import timezone

from etftrader import day, outcomes, receivers, slices, tasks
from etftrader.core import job_sweep, jobs, triggers
from etftrader.core.actor import Actor, system
from etftrader.core.errors import Conflict
from etftrader.core.records import AuditEvent, JobRun, OutboxEvent
from etftrader.demo import build
from etftrader.schedule import STEPS
from etftrader.services import acts
from etftrader.testing.rows import module_rows
from marketdata.models import Instrument, ReplayClock
from marketdata.selectors import sessions
from marketdata.services import replay
from portfolios.models import Portfolio, PortfolioSnapshot, Position
from portfolios.services import ledger
from risk.models import Alert, RiskMetric
from risk.selectors import alerts as alert_rows
from risk.selectors import var

pytestmark = pytest.mark.django_db

BY = system("test")
WEDNESDAY, THURSDAY, FRIDAY = (date(2016, 6, day) for day in (22, 23, 24))
TOO_MANY = Decimal("9000000000000")  # times any price: more than money can hold
PER_BOOK = ("snapshots", "risk", "limits", "books")


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker), pytest.MonkeyPatch.context() as patch:
        from django.conf import settings

        patch.setattr(settings, "DEMO_PASSWORD", "demo-password-for-tests")
        build.build(say=lambda words: None)
        yield


@pytest.fixture
def demo(staged):
    return Portfolio.objects.get(name="Growth")


@pytest.fixture
def unguarded():
    """The audit lines without their triggers: somebody got past them."""
    triggers.lift(connection, "etftrader_auditevent")
    yield
    triggers.guard(connection, "etftrader_auditevent")


def swollen(portfolio):
    """A book whose value cannot be kept; the answer puts it right."""
    position = Position.objects.filter(portfolio=portfolio, quantity__gt=0).first()
    Position.objects.filter(pk=position.pk).update(quantity=TOO_MANY)
    return lambda: Position.objects.filter(pk=position.pk).update(quantity=position.quantity)


def close_thursday():
    replay.close(by=BY)
    return day.run(session_date=THURSDAY, by=BY)


def swept():
    ReplayClock.objects.update(moved_at=timezone.now() - timedelta(minutes=1))
    return day.catch_up()


def runs_of(step):
    return [run for run in day.status(session_date=THURSDAY) if run.step == step]


def heard(run):
    run.refresh_from_db()
    tasks.heed_run(run_id=str(run.pk))


def told(portfolio, job):
    return Alert.objects.filter(portfolio=portfolio, key=f"run:{job}")


def test_a_failed_book_is_named_in_every_step_and_the_others_are_done(demo):
    put_right = swollen(demo)

    close_thursday()

    [taken], [measured], [checked] = runs_of("snapshots"), runs_of("risk"), runs_of("books")
    assert {run.status for run in (taken, measured, checked)} == {"partial"}
    [bad] = [each for each in measured.items if each["status"] == "failed"]
    assert bad["item"] == str(demo.pk)
    assert bad["reason"] == {"code": "needs_failed", "detail": "Waits for snapshots."}
    assert [each["item"] for each in taken.items if each["status"] == "failed"] == [str(demo.pk)]
    assert RiskMetric.objects.filter(session_date=THURSDAY).count() == 3

    put_right()
    swept()

    assert {run.status for run in day.status(session_date=THURSDAY)} == {"succeeded"}
    assert RiskMetric.objects.filter(session_date=THURSDAY).count() == 4
    assert swept() == []


def test_one_good_slice_does_not_pass_for_the_step(demo, monkeypatch):
    monkeypatch.setattr(slices, "POSITIONS", 1)
    put_right = swollen(demo)

    close_thursday()

    for step in PER_BOOK:
        assert sorted(run.status for run in runs_of(step)) == ["failed"] + ["succeeded"] * 3, step
    [waits] = [run for run in runs_of("risk") if run.status == "failed"]
    assert (waits.error["code"], waits.portfolio_ids) == ("needs_failed", [str(demo.pk)])
    put_right()

    mended = swept()

    assert [(run.step, run.status) for run in mended] == [(step, "succeeded") for step in PER_BOOK]
    assert PortfolioSnapshot.objects.filter(session_date=THURSDAY).count() == 4
    assert len(runs_of("risk")) == 4


def test_what_goes_on_failing_is_asked_for_five_times(demo, monkeypatch):
    monkeypatch.setattr(slices, "POSITIONS", 1)
    swollen(demo)
    close_thursday()

    asked = [len(swept()) for _ in range(6)]

    [bad] = [run for run in runs_of("snapshots") if run.status != "succeeded"]
    assert (bad.status, bad.attempt) == ("dead", jobs.MAX_ATTEMPTS)
    assert asked == [1, 1, 1, 1, 0, 0]


def test_a_day_that_stopped_between_two_steps_is_completed(demo):
    replay.close(by=BY)
    day.run(session_date=THURSDAY, by=BY, steps=["prices", "covariance"])

    day.complete(by=BY)

    assert [run.step for run in day.status(session_date=THURSDAY)] == [each.name for each in STEPS]


def test_a_failed_book_raises_one_alert_until_it_goes_well(demo):
    put_right = swollen(demo)
    close_thursday()
    for step in PER_BOOK:
        heard(runs_of(step)[0])
    heard(runs_of("snapshots")[0])

    # the steps that only wait say nothing of their own
    [alert] = Alert.objects.filter(key__startswith="run:")
    assert (alert.portfolio_id, alert.key) == (demo.pk, "run:portfolios.take_snapshots")
    assert alert.state == "open"
    put_right()
    swept()
    heard(runs_of("snapshots")[0])

    alert.refresh_from_db()
    assert alert.state == "resolved"


def test_a_step_that_fails_for_the_session_is_one_alert_for_staff(demo):
    close_thursday()
    [run] = runs_of("covariance")
    problem = {"code": "no_covariance", "detail": "No name has enough returns."}
    JobRun.objects.filter(pk=run.pk).update(status="failed", error=problem)

    heard(run)
    heard(run)

    [alert] = raised = Alert.objects.filter(key="run:risk.compute_covariance")
    assert (alert.portfolio, alert.state, alert.count) == (None, "open", 2)
    assert alert.title == "Covariance failed"
    owner = demo.memberships.get(role="owner").user
    assert not alert_rows.visible(Actor(owner.pk, owner.email)).filter(pk=alert.pk).exists()
    staff = Actor(owner.pk, "ops", is_staff=True, groups=frozenset({"Operator"}))
    assert alert_rows.unresolved(staff).filter(pk=alert.pk).exists()
    JobRun.objects.filter(pk=run.pk).update(status="succeeded", error=None)
    heard(run)
    assert set(raised.all().values_list("state", flat=True)) == {"resolved"}


def test_a_good_run_of_an_earlier_session_clears_nothing(demo):
    run = JobRun.objects.get(step="covariance", as_of=sessions.latest())
    close_thursday()
    [newer] = runs_of("covariance")
    JobRun.objects.filter(pk=newer.pk).update(status="dead", error={"code": "abandoned"})
    heard(newer)

    heard(run)

    raised = Alert.objects.filter(key="run:risk.compute_covariance")
    assert set(raised.values_list("state", "severity")) == {("open", "critical")}


def test_unsound_books_are_failed_items_and_their_owner_is_told(demo):
    close_thursday()
    Portfolio.objects.filter(pk=demo.pk).update(cash=demo.cash + 1)

    [run] = day.run(session_date=THURSDAY, by=BY, steps=["books"], again=True)
    heard(run)

    assert run.status == "partial"
    [bad] = [each for each in run.items if each["status"] == "failed"]
    assert (bad["item"], bad["reason"]["code"]) == (str(demo.pk), "ledger_mismatch")
    owner = demo.memberships.get(role="owner").user
    [alert] = alert_rows.unresolved(Actor(owner.pk, owner.email)).filter(kind="books")
    assert (alert.severity, alert.portfolio_id) == ("critical", demo.pk)
    assert "its entries add up to" in alert.detail
    # a finding is not asked for again and again
    assert swept() == []


def test_a_broken_audit_chain_is_a_failed_run_and_an_alert(demo, unguarded):
    line = AuditEvent.objects.filter(chain=str(demo.pk)).first()
    AuditEvent.objects.filter(pk=line.pk).update(reason="never said")

    tasks.verify_audit()
    run = jobs.run_now(JobRun.objects.get(job=outcomes.AUDIT))
    heard(run)

    assert run.status == "failed"
    assert [each["item"] for each in run.items] == [str(demo.pk)]
    assert told(demo, outcomes.AUDIT).get().title == "The audit chain is broken"
    AuditEvent.objects.filter(pk=line.pk).update(reason=line.reason)
    tasks.verify_audit()
    heard(jobs.run_now(run))
    assert told(demo, outcomes.AUDIT).get().state == "resolved"


def test_the_end_of_a_run_is_heard_even_of_one_declared_dead(demo):
    assert receivers.heed in jobs.job_finished.listeners
    assert tasks.heed_run.name == receivers.HEED
    assert receivers.HEED in current_app.tasks
    run = jobs.request("risk.compute", as_of=THURSDAY, portfolio_ids=[demo.pk], queue=False)
    JobRun.objects.filter(pk=run.pk).update(
        status="running", attempt=5, lease_until=timezone.now() - timedelta(seconds=1)
    )

    assert job_sweep.sweep()["dead"] == 1

    assert OutboxEvent.objects.filter(payload={"run_id": str(run.pk)}).exists()
    heard(run)
    assert told(demo, "risk.compute").get().severity == "critical"


def buy_later(portfolio, session_date):
    """A booking the snapshot of the session does not know yet."""
    ledger.book_fill(
        portfolio_id=portfolio.pk,
        instrument=Instrument.objects.get(symbol="SPY"),
        quantity=Decimal(10),
        price=Decimal("208.10"),
        fee=Decimal(0),
        source="test:late",
        session_date=session_date,
    )


def test_a_revised_snapshot_has_no_risk_until_it_is_measured_again(demo):
    session_date = sessions.latest()
    before = var.latest(portfolio_id=demo.pk, until=session_date)
    assert before.quality != "missing"
    buy_later(demo, session_date)
    run = jobs.request(outcomes.SNAPSHOTS, as_of=session_date, portfolio_ids=[demo.pk], queue=False)
    jobs.run_now(run)

    stale = var.latest(portfolio_id=demo.pk, until=session_date)
    assert (stale.quality, stale.reason, stale.coverage) == ("missing", var.REVISED, None)
    assert {each.var for each in var.results(stale).values()} == {None}
    assert {(each.component, each.reason) for each in var.parts(stale)} == {(None, var.REVISED)}
    record = var.of_metric(stale, var.limit_rows.in_force(portfolio_id=demo.pk))
    assert (record.risk["var"], record.risk["reason"]) == (None, var.REVISED)
    assert {"SPY"} <= {each["symbol"] for each in record.risk["components"]}

    heard(run)
    measured = jobs.run_now(JobRun.objects.get(job="risk.compute", status="queued"))
    heard(measured)

    assert (measured.status, measured.result["counts"]) == (
        "succeeded",
        {"runs": 1, "sessions": 1},
    )
    again = var.latest(portfolio_id=demo.pk, until=session_date)
    assert (again.pk, again.reason) == (before.pk, "")
    assert again.inputs_hash != before.inputs_hash
    limits = JobRun.objects.get(job="risk.check_limits", status="queued")
    assert limits.portfolio_ids == [str(demo.pk)]
    assert jobs.run_now(limits).status == "succeeded"


def test_the_batch_of_snapshots_is_followed_by_the_risk_of_what_changed(demo):
    session_date = sessions.latest()
    buy_later(demo, session_date)

    runs = day.run(session_date=session_date, by=BY, steps=["snapshots"], again=True)

    assert [run.step for run in runs] == ["snapshots", "risk", "limits"]
    assert {run.status for run in runs} == {"succeeded"}
    assert var.unmeasured(start=session_date, until=session_date) == []
    same = day.run(session_date=session_date, by=BY, steps=["snapshots"], again=True)
    assert [run.step for run in same] == ["snapshots"]


def test_an_old_close_revised_by_a_late_booking_gets_its_risk_back(demo):
    old = PortfolioSnapshot.objects.filter(portfolio=demo).order_by("session_date")[100]
    assert old.var_95_1d is not None
    PortfolioSnapshot.objects.filter(pk=old.pk).update(
        risk_run=None, var_95_1d=None, risk_reason="not_computed"
    )

    current_app.tasks["risk.revalue_portfolio"].run(portfolio_id=str(demo.pk))
    [run] = JobRun.objects.filter(job="risk.compute", status="queued")
    jobs.run_now(run)

    again = PortfolioSnapshot.objects.get(pk=old.pk)
    assert again.var_95_1d == pytest.approx(old.var_95_1d, rel=1e-9)
    assert again.risk_run == old.risk_run


def abandoned(run):
    """As a killed worker leaves its run once the lease has run out."""
    JobRun.objects.filter(pk=run.pk).update(
        status="running", lease_until=timezone.now() - timedelta(seconds=1)
    )
    return JobRun.objects.get(pk=run.pk)


def days_of(session_date):
    return {run.step: run.status for run in day.status(session_date=session_date)}


def test_one_wish_for_the_next_session_is_one_session_however_often_it_is_begun(demo):
    run = jobs.run_now(acts.update_data(by=BY))
    assert (run.status, sessions.latest()) == ("succeeded", THURSDAY)
    snapshots = list(PortfolioSnapshot.objects.order_by("pk").values())
    # killed after the clock moved and before the last step
    JobRun.objects.filter(as_of=THURSDAY, step="limits").update(status="failed")

    again = jobs.run_now(abandoned(run))

    assert (again.status, again.attempt) == ("succeeded", 2)
    assert sessions.latest() == THURSDAY
    assert days_of(THURSDAY) == {step.name: "succeeded" for step in STEPS}
    assert list(PortfolioSnapshot.objects.order_by("pk").values()) == snapshots
    with pytest.raises(Conflict):
        replay.close(by=BY, day=date(2016, 6, 27))  # not the next one
    assert sessions.latest() == THURSDAY
    # asked for before history started over
    wish = acts.update_data(by=BY)
    replay.start_over(by=BY)
    late = jobs.run_now(wish)
    assert (late.status, late.error["code"]) == ("failed", "clock_moved")
    assert sessions.latest() == WEDNESDAY


def test_a_kill_right_after_the_close_loses_no_day(demo):
    replay.close(by=BY)
    assert days_of(THURSDAY) == {}

    day.complete(by=BY)  # what the next session begins with

    assert days_of(THURSDAY) == {step.name: "succeeded" for step in STEPS}
    replay.close(by=BY)
    ReplayClock.objects.update(moved_at=timezone.now() - timedelta(minutes=1))

    day.catch_up()

    assert days_of(FRIDAY) == {step.name: "succeeded" for step in STEPS}
