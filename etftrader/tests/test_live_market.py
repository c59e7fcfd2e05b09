"""The live market: its sessions are followed by the wall clock, shown, closed and mended."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import pytest
import time_machine
from django_celery_beat.models import PeriodicTask

from etftrader import day, outcomes, revision, tasks
from etftrader.conductor import UNIVERSE, Conductor
from etftrader.core import clock, jobs
from etftrader.core.records import AuditEvent, JobRun
from etftrader.schedule import STEP, STEPS
from etftrader.services import acts, beginning
from etftrader.testing.yahoo_server import YahooServer
from marketdata import live
from marketdata import tasks as market_tasks
from marketdata.calculations import tick_batch
from marketdata.calculations.tick_batch import Tick
from marketdata.models import DailyBar, Instrument, UniverseMember
from marketdata.selectors import calendar, sessions
from marketdata.services import replay, ticks
from portfolios.models import Portfolio, PortfolioSnapshot, User, Watchlist, WatchlistItem
from portfolios.tests import factories
from risk import live as risk_live

pytestmark = pytest.mark.django_db
THURSDAY, FRIDAY, MONDAY, TUESDAY = (date(2020, 6, each) for each in (25, 26, 29, 30))
STOP = Event()


def at(session: date, hour: int, minute: int = 0, second: int = 0) -> datetime:
    local = datetime(
        session.year, session.month, session.day, hour, minute, second, tzinfo=calendar.NEW_YORK
    )
    return local.astimezone(UTC)


@pytest.fixture
def wall() -> Iterator[Any]:
    with time_machine.travel(at(FRIDAY, 8), tick=True) as traveller:
        yield traveller


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    fill(tmp_path)
    return tmp_path


def fill(folder: Path, until: date = TUESDAY, **corrected: float) -> None:
    lines = ["date,symbol,close"]
    for place, session in enumerate(calendar.between(date(2020, 1, 2), until)):
        for symbol, base in (("AAA", 100.0), ("BBB", 50.0)):
            close = corrected.get(f"{symbol}_{session:%m%d}", base + (place * 7) % 5)
            lines.append(f"{session},{symbol},{close}")
    (folder / "prices.csv").write_text("\n".join([*lines, ""]))


def book(symbol: str, price: Any) -> Portfolio:
    instrument = Instrument.objects.filter(symbol=symbol).first()
    instrument = instrument or factories.make_instrument(symbol)
    portfolio = factories.make_portfolio(cash=100_000, session_date=THURSDAY)
    Portfolio.objects.filter(pk=portfolio.pk).update(opened_on=THURSDAY)
    factories.fill(portfolio, instrument, 100, price, session_date=THURSDAY)
    return portfolio


def heard(symbol: str, price: float, when: datetime) -> None:
    """A trade as the feed takes it in."""
    told = tick_batch.batch([Tick(symbol=symbol, at=when, price=price, source="yfinance")])
    ticks.ingest(told, now=clock.now(), board=live.PriceBoard())


def states(session: date) -> dict[str, str]:
    """How the steps ended; that the stand-in of Yahoo has no yields is no failure here."""
    found = {}
    for run in day.status(session_date=session):
        bad = [each["item"] for each in run.items if each["status"] == "failed"]
        found[run.step] = "succeeded" if bad == ["yields"] else run.status
    return found


def members() -> set[str]:
    rows = UniverseMember.objects.filter(universe__name=UNIVERSE, valid_to__isnull=True)
    return set(rows.values_list("instrument__symbol", flat=True))


def closed() -> list[str]:
    lines = AuditEvent.objects.filter(action="clock.advanced").order_by("seq")
    return [each.after["session_date"] for each in lines]


def test_a_live_session_is_shown_by_its_quotes_and_closed_by_its_prices(
    yahoo: YahooServer, wall: Any
) -> None:
    portfolio = book("SPY", 300)
    followed = Watchlist.objects.create(user=factories.make_user(), name="Mine")
    tlt = factories.make_instrument("TLT")
    WatchlistItem.objects.create(watchlist=followed, symbol="TLT", instrument=tlt)
    conductor = Conductor()

    conductor.turn(stop=STOP)

    # the clock stands where the exchange last closed, and that session has its day
    assert sessions.moment().as_of == at(THURSDAY, 16)
    assert members() == {"SPY", "TLT"}
    assert set(states(THURSDAY).values()) == {"succeeded"}
    asked = yahoo.count("/chart/")
    conductor.turn(stop=STOP)
    assert yahoo.count("/chart/") == asked  # once a minute

    wall.move_to(at(FRIDAY, 10, 0, 20))
    heard("SPY", 301.5, at(FRIDAY, 9, 59, 58))
    heard("TLT", 165.0, at(FRIDAY, 10, 0, 5))
    conductor.turn(stop=STOP)

    moment = sessions.moment()
    assert (moment.playing, moment.bar, moment.simulated) == (FRIDAY, 30, False)
    state = live.load()
    assert state is not None
    assert (state.source, state.bar) == ("yfinance", 30)
    assert dict(zip(state.symbols, state.prices, strict=True))["SPY"] == 301.5
    record = risk_live.load(portfolio.pk)
    assert record is not None
    assert Decimal(record.value["nav"]) == Decimal("70000") + 100 * Decimal("301.5")
    assert record.risk["simulated"] is False

    # another process goes on where this one stood
    wall.move_to(at(FRIDAY, 10, 1, 10))
    heard("SPY", 302.0, at(FRIDAY, 10, 1, 2))
    Conductor().turn(stop=STOP)
    assert sessions.moment().bar == 31
    assert live.load().bar == 31

    wall.move_to(at(FRIDAY, 16, 0, 30))
    conductor.turn(stop=STOP)

    assert sessions.moment().as_of == at(FRIDAY, 16)
    assert states(FRIDAY) == {step.name: "succeeded" for step in STEPS}
    close = DailyBar.objects.get(instrument__symbol="SPY", session_date=FRIDAY).close
    snapshot = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=FRIDAY)
    assert snapshot.nav == Decimal(70_000) + 100 * close
    assert abs(snapshot.identity_gap) < Decimal("0.01")
    assert live.load() is None

    # the weekend and a session nobody was there for: in order, each with its day
    wall.move_to(at(TUESDAY, 17))
    conductor.turn(stop=STOP)
    assert closed() == [str(each) for each in (FRIDAY, MONDAY, TUESDAY)]
    assert set(states(MONDAY).values()) == set(states(TUESDAY).values()) == {"succeeded"}


def test_no_minute_closes_a_session_whose_prices_have_not_come(folder: Path, wall: Any) -> None:
    for symbol in ("AAA", "BBB"):
        factories.make_instrument(symbol)
    conductor = Conductor()
    conductor.turn(stop=STOP)
    fill(folder, until=THURSDAY)
    wall.move_to(at(FRIDAY, 16, 1))

    with pytest.raises(replay.PricesMissing):
        conductor.turn(stop=STOP)

    assert sessions.latest() == THURSDAY
    assert states(FRIDAY) == {}
    fill(folder, until=FRIDAY)
    wall.move_to(at(FRIDAY, 16, 2))
    conductor.turn(stop=STOP)
    assert sessions.latest() == FRIDAY


def test_late_and_corrected_prices_are_fetched_in_the_evening_and_what_hangs_on_them_is_redone(
    folder: Path, wall: Any
) -> None:
    portfolio = book("AAA", 100)
    conductor = Conductor()
    conductor.turn(stop=STOP)
    wall.move_to(at(MONDAY, 16, 1))
    conductor.turn(stop=STOP)
    assert sessions.latest() == MONDAY
    before = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=FRIDAY).nav
    fill(folder, AAA_0626=104.5)
    wall.move_to(at(MONDAY, 18, 30))

    tasks.verify_prices()
    tasks.verify_prices()

    [run] = JobRun.objects.filter(job=tasks.SYNC, step="")
    assert run.inputs == {"again": 5, "datasets": ["daily_bars", "vix"]}
    done = jobs.run_now(run)
    assert [each["item"] for each in done.items if each["status"] == "failed"] == []
    bar = DailyBar.objects.get(instrument__symbol="AAA", session_date=FRIDAY)
    assert (bar.close, bar.revision) == (Decimal("104.5"), 1)
    outcomes.heed(run_id=done.pk)
    revised = jobs.run_now(JobRun.objects.get(job=revision.JOB))
    assert revised.status == "succeeded"
    [taking] = JobRun.objects.filter(job=outcomes.SNAPSHOTS, step="")
    assert taking.portfolio_ids == [str(portfolio.pk)]
    jobs.run_now(taking)
    after = PortfolioSnapshot.objects.get(portfolio=portfolio, session_date=FRIDAY)
    assert after.nav != before
    assert after.nav == Decimal(90_000) + 100 * Decimal("104.5")
    # nothing new the next time, and nothing to revise
    again = jobs.run_now(jobs.request(tasks.SYNC, as_of=MONDAY, inputs={"again": 5}, queue=False))
    assert again.result["changed"] == {}


def test_a_file_that_was_corrected_is_noticed_and_what_hangs_on_it_is_redone(
    folder: Path, wall: Any
) -> None:
    book("AAA", 100)
    Conductor().turn(stop=STOP)
    market_tasks.watch_files()
    first = jobs.run_now(JobRun.objects.get(job="marketdata.import_files"))
    assert (first.status, "AAA" in first.result["changed"]) == ("succeeded", False)
    market_tasks.watch_files()  # nothing is new
    assert JobRun.objects.filter(job="marketdata.import_files").count() == 1

    fill(folder, AAA_0618=99.5)
    market_tasks.watch_files()
    run = jobs.run_now(JobRun.objects.get(job="marketdata.import_files", status="queued"))
    outcomes.heed(run_id=run.pk)

    assert run.result["changed"] == {"AAA": "2020-06-18"}
    wish = JobRun.objects.get(job=revision.JOB)
    assert wish.inputs["changed"] == run.result["changed"]


def test_timers_of_live_data_find_nothing_to_do_in_a_replay_and_on_closed_days(
    settings: Any, wall: Any
) -> None:
    factories.make_clock(THURSDAY)
    tasks.verify_prices()
    tasks.backfill()
    tasks.sync_funds()
    assert not JobRun.objects.exists()

    settings.MARKETDATA_PROVIDER = "yfinance"
    wall.move_to(at(date(2020, 6, 28), 18, 30))  # a Sunday
    tasks.verify_prices()
    assert not JobRun.objects.exists()
    tasks.backfill()
    assert JobRun.objects.get().inputs == {}
    tasks.sync_funds()
    assert JobRun.objects.filter(job="marketdata.sync_fundamentals").count() == 1


def test_the_steps_that_open_a_live_day_are_of_that_day_and_run_again_at_its_close(
    folder: Path, wall: Any, settings: Any
) -> None:
    book("AAA", 100)
    Conductor().turn(stop=STOP)
    wall.move_to(at(FRIDAY, 6, 30))
    assert day.session_of("actions") == day.session_of("bookings") == FRIDAY
    assert day.session_of("prices") == THURSDAY
    [early] = day.run_step(name="actions", session_date=FRIDAY, by=beginning.BY)
    early = jobs.run_now(early)
    assert (early.status, early.as_of) == ("succeeded", FRIDAY)
    # the database's clock is the real one: this is when it ended
    JobRun.objects.filter(pk=early.pk).update(finished_at=at(FRIDAY, 6, 31))
    assert day.run_step(name="actions", session_date=FRIDAY, by=beginning.BY)[0].attempt == 1

    wall.move_to(at(FRIDAY, 16, 1))
    Conductor().turn(stop=STOP)

    early.refresh_from_db()
    assert early.finished_at > at(FRIDAY, 16)
    assert set(states(FRIDAY).values()) == {"succeeded"}
    wall.move_to(at(date(2020, 6, 28), 6, 30))  # a Sunday has no day of its own
    assert day.session_of("actions") == FRIDAY
    settings.MARKETDATA_PROVIDER = "bundled"
    assert day.session_of("actions") == sessions.latest()


def test_a_product_without_books_begins_empty_and_closes_its_sessions(
    yahoo: YahooServer, wall: Any, settings: Any
) -> None:
    settings.DEMO_PASSWORD = "made-by-the-launcher"
    said: list[str] = []

    for _ in range(2):
        moment = beginning.begin(say=said.append)

    assert (moment.session_date, moment.live) == (THURSDAY, True)
    assert said == ["made the administrator admin@example.com"]
    told = beginning.login(name="launcher")
    assert told["users"] == [{"username": "admin@example.com", "password": "made-by-the-launcher"}]
    assert told["token"]
    user = User.objects.get()
    assert (user.is_superuser, user.is_staff) == (True, True)
    conductor = Conductor()
    conductor.turn(stop=STOP)
    wall.move_to(at(FRIDAY, 16, 1))
    conductor.turn(stop=STOP)
    assert sessions.latest() == FRIDAY
    per_session = {step.name for step in STEPS if step.per == "session"}
    assert states(FRIDAY) == dict.fromkeys(per_session, "succeeded")
    # a password of one's own is nobody's to tell
    user.set_password("my-own-Secret-1")
    user.save()
    assert beginning.login(name="launcher")["users"] == [
        {"username": "admin@example.com", "password": None}
    ]


def awkward_days() -> list[date]:
    """Weekends on which clocks change, with their neighbours, and every closed or short day."""
    found: set[date] = set()
    for year in range(2025, 2032):
        first = date(year, 1, 1)
        whole = [first + timedelta(days=each) for each in range(365)]
        offsets = [at(each, 12) for each in whole]
        for place in range(1, len(whole)):
            if offsets[place].hour != offsets[place - 1].hour:
                found.update(whole[place - 2 : place + 2])
        found.update(
            each
            for each in whole
            if each.weekday() < 5
            and (not calendar.is_session(each) or calendar.minutes(each) < 390)
        )
    return sorted(found)


def test_t11_the_day_is_begun_and_checked_once_a_session_and_never_on_closed_days(
    settings: Any, wall: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "csv"
    clock_row = factories.make_clock(THURSDAY)
    days = awkward_days()
    assert len(days) > 100
    for each in days:
        for hour, minute in ((6, 30), (18, 30)):
            wall.move_to(at(each, hour, minute))
            type(clock_row).objects.update(session_date=sessions.last_closed(clock.now()))
            latest = sessions.latest()
            opening = day.session_of("bookings")
            if hour == 6:
                assert opening == (each if calendar.is_session(each) else latest)
            else:
                tasks.verify_prices()
                tasks.verify_prices()
        checked = JobRun.objects.filter(job=tasks.SYNC, as_of=each)
        assert checked.count() == calendar.is_session(each), each


def test_the_timetable_is_in_new_york_and_keeps_out_of_the_hours_in_which_clocks_change() -> None:
    acts.setup_schedules()
    for row in PeriodicTask.objects.filter(crontab__isnull=False).select_related("crontab"):
        assert str(row.crontab.timezone) == "America/New_York"
        assert int(row.crontab.hour) >= 4, row.name
    assert acts.setup_schedules() == 0
    sunday = PeriodicTask.objects.get(name="backfill").crontab
    assert (sunday.day_of_week, sunday.hour) == ("0", "8")
    assert PeriodicTask.objects.get(name="files").interval.every == 60
    assert PeriodicTask.objects.get(name="day: bookings").crontab.day_of_week == "1-5"


def test_the_timetable_names_its_steps_in_order() -> None:
    order = [step.name for step in STEPS]
    for earlier, later in (
        ("actions", "bookings"),
        ("bookings", "fills"),
        ("prices", "greeks"),
        ("rates", "covariance"),
        ("rates", "greeks"),
        ("expiry", "snapshots"),
        ("greeks", "fills"),
        ("fills", "snapshots"),
    ):
        assert order.index(earlier) < order.index(later)
    assert STEP["snapshots"].wants == STEP["fills"].wants == ("greeks",)
