"""Closures and half days said by staff: checked, in force everywhere at once, with their line."""

import uuid
from datetime import UTC, date, datetime, time

import pytest
from celery.signals import task_prerun
from django.contrib.auth import get_user_model
from django.test import Client
from django.urls import reverse

from etftrader.core.errors import BadInput
from etftrader.core.records import AuditEvent
from marketdata import tasks
from marketdata.models import ReplayClock, SessionOverride
from marketdata.selectors import calendar, sessions
from marketdata.services import session_overrides
from marketdata.services.session_overrides import Wish
from marketdata.tests.option_world import bars, clock_at, instrument

pytestmark = pytest.mark.django_db
STORM, HALF = date(2016, 7, 5), date(2016, 7, 6)


@pytest.fixture(autouse=True)
def clock():
    clock_at()
    sessions.moment()
    yield
    calendar.use(None, ())  # the process outlives the test's rows


@pytest.fixture
def admin():
    found = Client()
    found.force_login(get_user_model().objects.create_superuser("root@example.com", "x" * 12))
    return found


ADD = "admin:marketdata_sessionoverride_add"


def say(client, day, **fields):
    """Fill the form in; the answer."""
    given = {"date": str(day), "exchange": "XNYS", "reason": "A storm"} | fields
    return client.post(reverse(ADD), given)


def errors(answer):
    form = answer.context["adminform"].form
    return sorted(form.errors)


def test_a_closure_and_a_half_day_are_in_force_at_once(admin):
    assert calendar.is_session(STORM)

    assert say(admin, STORM, closed="on").status_code == 302
    assert say(admin, HALF, closes_at="12:15").status_code == 302

    sessions.moment()
    assert not calendar.is_session(STORM)
    assert calendar.next(date(2016, 7, 1)) == HALF
    assert calendar.previous(HALF) == date(2016, 7, 1)
    assert STORM not in calendar.sessions().tolist()
    assert calendar.is_early_close(HALF)
    assert calendar.close_time(HALF) == datetime(2016, 7, 6, 16, 15, tzinfo=UTC)
    assert calendar.minutes(HALF) == 165
    with pytest.raises(calendar.NotASession):
        calendar.open_time(STORM)
    lines = AuditEvent.objects.filter(action="admin.added", object_type="sessionoverride")
    assert lines.count() == 2


def test_a_half_day_may_become_a_full_one_and_a_deleted_one_is_forgotten(admin):
    friday = date(2016, 11, 25)  # the day after Thanksgiving ends at 13:00
    say(admin, friday, closes_at="16:00")
    say(admin, STORM, closed="on")
    sessions.moment()
    assert not calendar.is_early_close(friday)
    assert calendar.minutes(friday) == 390

    for row in SessionOverride.objects.all():
        done = admin.post(
            reverse("admin:marketdata_sessionoverride_delete", args=[row.pk]), {"post": "yes"}
        )
        assert done.status_code == 302

    sessions.moment()
    assert calendar.is_early_close(friday)
    assert calendar.is_session(STORM)


def test_a_process_that_reads_the_clock_costs_one_query_and_after_a_change_two(
    admin, django_assert_num_queries
):
    with django_assert_num_queries(1):
        sessions.moment()
    say(admin, STORM, closed="on")
    calendar.use(uuid.uuid4(), ())  # what another process has
    with django_assert_num_queries(2):
        sessions.moment()
    with django_assert_num_queries(1):
        sessions.moment()
    with django_assert_num_queries(0):
        assert not calendar.is_session(STORM)


REFUSED = [
    ({"day": date(2016, 7, 4), "closed": True}, "date"),  # a holiday
    ({"day": date(2016, 7, 9), "closed": True}, "date"),  # a Saturday
    ({"day": date(2003, 7, 7), "closed": True}, "date"),
    ({"day": date(2036, 1, 2), "closed": True}, "date"),
    ({"day": STORM, "closed": True, "closes_at": time(13)}, "closes_at"),
    ({"day": STORM, "closed": False}, "closes_at"),
    ({"day": STORM, "closed": False, "closes_at": time(9, 30)}, "closes_at"),
    ({"day": STORM, "closed": False, "closes_at": time(16, 1)}, "closes_at"),
    ({"day": STORM, "closed": False, "closes_at": time(13, 0, 30)}, "closes_at"),
    ({"day": STORM, "closed": True, "exchange": "XLON"}, "exchange"),
    ({"day": date(2016, 6, 22), "closed": True}, "correction"),
    ({"day": date(2016, 6, 21), "closed": False, "closes_at": time(13)}, "correction"),
]


@pytest.mark.parametrize(("given", "field"), REFUSED)
def test_what_no_exchange_does_is_refused(given, field):
    wish = Wish(**{"closes_at": None, **given})

    with pytest.raises(BadInput) as refusal:
        session_overrides.check(wish, moment=sessions.moment())

    assert refusal.value.figures["attr"] == field


def test_the_form_names_the_field(admin):
    assert errors(say(admin, "2016-07-04", closed="on")) == ["date"]
    assert errors(say(admin, STORM, closed="on", closes_at="13:00")) == ["closes_at"]
    assert errors(say(admin, "2016-06-21", closed="on")) == ["correction"]
    assert errors(say(admin, "no day", closed="on")) == ["date"]
    assert not SessionOverride.objects.exists()
    assert ReplayClock.objects.get().calendar_stamp is None


def test_a_past_session_is_corrected_only_where_nothing_contradicts_it(admin):
    past = date(2016, 6, 21)
    bars(instrument("AAA"), [(past, 100.0)])

    assert errors(say(admin, past, closed="on", correction="on")) == ["closed"]
    assert say(admin, past, closes_at="13:00", correction="on").status_code == 302

    sessions.moment()
    assert calendar.minutes(past) == 210
    row = SessionOverride.objects.get()
    change = reverse("admin:marketdata_sessionoverride_change", args=[row.pk])
    again = {"date": str(past), "exchange": "XNYS", "closes_at": "12:00", "reason": "Snow"}
    assert errors(admin.post(change, again)) == ["correction"]
    assert admin.post(change, again | {"correction": "on"}).status_code == 302
    gone = admin.post(
        reverse("admin:marketdata_sessionoverride_delete", args=[row.pk]), {"post": "yes"}
    )
    assert gone.status_code == 403
    assert SessionOverride.objects.get().closes_at == time(12)


def test_a_running_session_is_shortened_ahead_of_its_clock_and_a_played_one_is_not(settings):
    day = date(2016, 6, 23)
    ReplayClock.objects.update(
        playing=day, bar=120, as_of=datetime(2016, 6, 23, 15, 30, tzinfo=UTC)
    )
    moment = sessions.moment()
    with pytest.raises(BadInput, match="being played"):
        session_overrides.check(Wish(day, False, time(12)), moment=moment)

    settings.MARKETDATA_PROVIDER = "yfinance"
    session_overrides.check(Wish(day, False, time(12)), moment=moment)
    for wish, field in (
        (Wish(day, True, None), "closed"),
        (Wish(day, False, time(11, 30)), "closes_at"),
    ):
        with pytest.raises(BadInput) as refusal:
            session_overrides.check(wish, moment=moment)
        assert refusal.value.figures["attr"] == field


def test_a_reader_of_the_admin_says_nothing():
    user = get_user_model().objects.create_user("staff@example.com", "x" * 12, is_staff=True)
    client = Client()
    client.force_login(user)

    assert say(client, STORM, closed="on").status_code == 403
    assert not SessionOverride.objects.exists()


def test_the_api_tells_the_calendar_in_force(admin, settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    say(admin, STORM, closed="on")
    say(admin, HALF, closes_at="12:15")

    told = admin.get("/api/v1/calendar?start=2016-07-01&end=2016-07-06").json()
    asked = admin.get("/api/v1/calendar/is-trading-day?date=2016-07-05").json()

    assert [each["session_date"] for each in told["results"]] == ["2016-07-01", "2016-07-06"]
    assert told["results"][1]["early_close"] is True
    assert told["results"][1]["close"] == "2016-07-06T16:15:00.000Z"
    assert (asked["is_trading_day"], asked["next"]) == (False, "2016-07-06")
    assert (asked["open"], asked["note"]) == (None, "A storm")
    usual = admin.get("/api/v1/calendar/is-trading-day?date=2016-07-01").json()
    assert (usual["close"], usual["note"]) == ("2016-07-01T20:00:00.000Z", None)


def test_a_worker_takes_overrides_up_before_its_next_task(admin):
    say(admin, STORM, closed="on")
    calendar.use(uuid.uuid4(), ())  # what a worker knew when it started

    task_prerun.send(sender=tasks.sync_prices)

    assert not calendar.is_session(STORM)
