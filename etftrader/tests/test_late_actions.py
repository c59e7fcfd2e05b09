"""Dividends and splits known after their session was valued; prices after Greeks were computed."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from etftrader import day, outcomes, revision
from etftrader.core import clock, jobs
from etftrader.core.records import JobRun
from marketdata.models import CorporateAction, Instrument, OptionGreeks, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.selectors import calendar, sessions
from marketdata.services import contracts, price_gate
from marketdata.tests import option_world
from portfolios.models import LedgerEntry, Portfolio, PortfolioSnapshot
from portfolios.services import corporate_actions, snapshots, watchlists
from portfolios.tests import factories
from risk.models import RiskMetric

pytestmark = pytest.mark.django_db
MORNING = "marketdata.apply_actions"
FIRST, LAST = date(2016, 6, 13), factories.WEDNESDAY
DAYS = calendar.between(FIRST, LAST)
TODAY, EX = calendar.next(LAST), date(2016, 6, 17)


@pytest.fixture
def book() -> Portfolio:
    """A hundred shares, valued every session up to last night."""
    factories.make_clock(LAST)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, dict.fromkeys(DAYS, 100))
    portfolio = factories.make_portfolio(cash=100_000, session_date=FIRST, opened_on=FIRST)
    factories.fill(portfolio, fund, 100, 100, session_date=FIRST)
    snapshots.take_range(portfolio_ids=[portfolio.pk], sessions=DAYS)
    return portfolio


def announce(ex_date: date, kind: str = "dividend", **figure: Any) -> None:
    fund = Instrument.objects.get(symbol="AAA")
    figures = figure or {"amount": Decimal(2)}
    CorporateAction.objects.create(
        instrument=fund, kind=kind, ex_date=ex_date, source="manual", **figures
    )


def morning(session_date: date = TODAY) -> JobRun:
    """The step before the open, and what the roof makes of its end."""
    wish = jobs.request(MORNING, as_of=session_date, scope="r1 all", step="actions", queue=False)
    run = jobs.run_now(wish)
    assert run.status == "succeeded", run.error
    outcomes.heed(run_id=run.pk)
    return run


def waiting() -> list[JobRun]:
    return list(JobRun.objects.filter(job=revision.JOB, status="queued"))


def carry_out(asked: JobRun) -> None:
    done = jobs.run_now(asked)
    assert done.status in ("succeeded", "partial"), done.error
    for run in JobRun.objects.filter(job=revision.SNAPSHOTS, step="", status="queued"):
        assert jobs.run_now(run).status == "succeeded"


def nights(portfolio: Portfolio) -> dict[date, tuple[Any, ...]]:
    rows = PortfolioSnapshot.objects.filter(portfolio=portfolio)
    columns = ("nav", "income", "receivables", "cash", "revision")
    return {row.session_date: tuple(getattr(row, name) for name in columns) for row in rows}


def test_a_dividend_found_late_is_in_every_night_since_its_ex_date(book: Portfolio) -> None:
    before = nights(book)
    announce(EX, amount=Decimal(2), pay_date=LAST)

    run = morning()

    assert run.result["changed"] == {"AAA": EX.isoformat()}
    [asked] = waiting()
    assert asked.inputs["changed"] == {"AAA": EX.isoformat()}
    carry_out(asked)
    after = nights(book)
    for night in DAYS:
        nav, income, owed, cash, taken = before[night]
        if night < EX:
            assert after[night] == before[night]
            continue
        paid = night == LAST
        assert after[night] == (
            nav + 200,
            income + (200 if night == EX else 0),
            owed + (0 if paid else 200),
            cash + (200 if paid else 0),
            taken + 1,
        )

    # twice is once
    assert morning().result["changed"] == {}
    assert waiting() == []
    assert nights(book) == after
    assert LedgerEntry.objects.filter(kind="dividend", account="income").count() == 1


def test_what_takes_effect_today_asks_for_nothing(book: Portfolio) -> None:
    announce(TODAY)

    assert morning().result["changed"] == {}
    assert CorporateAction.objects.get().status == "applied"
    assert waiting() == []


def test_a_symbol_that_nobody_holds_revises_no_book(book: Portfolio) -> None:
    other = factories.make_instrument("BBB")
    CorporateAction.objects.create(
        instrument=other, kind="dividend", ex_date=EX, amount=1, source="manual"
    )
    before = nights(book)

    morning()
    [asked] = waiting()
    carry_out(asked)

    assert nights(book) == before


@pytest.mark.parametrize("provider", ["bundled", "yfinance"])
def test_what_a_step_applies_after_its_own_close_is_followed_too(
    book: Portfolio, settings: Any, provider: str
) -> None:
    """In a replay always; of a live market where the morning was missed, and mended at night."""
    settings.MARKETDATA_PROVIDER = provider
    announce(EX)

    run = morning(LAST)

    assert (sessions.latest(), run.result["changed"]) == (LAST, {"AAA": EX.isoformat()})
    [asked] = waiting()
    assert asked.inputs["changed"] == {"AAA": EX.isoformat()}


def test_a_revision_does_not_ask_for_itself_but_for_what_it_finds_beside(book: Portfolio) -> None:
    announce(EX)
    carry_out(revision.ask(changed={"AAA": EX}))
    [run] = JobRun.objects.filter(job=MORNING)
    assert run.result["changed"] == {"AAA": EX.isoformat()}

    outcomes.heed(run_id=run.pk)

    assert waiting() == []
    announce(EX, "split", ratio=Decimal(2))
    other = factories.make_instrument("BBB")
    CorporateAction.objects.create(
        instrument=other, kind="dividend", ex_date=EX, amount=1, source="manual"
    )
    factories.make_closes(other, dict.fromkeys(DAYS, 100))
    # the second one finds both, and was asked for one of them
    carry_out(revision.ask(changed={"BBB": calendar.next(EX)}))
    outcomes.heed(run_id=run.pk)
    [asked] = waiting()
    assert asked.inputs["changed"] == {"BBB": EX.isoformat()}


def test_prices_that_come_while_a_revision_works_ask_for_another(book: Portfolio) -> None:
    asked = revision.ask(changed={"AAA": EX})
    jobs.claim(asked.pk)
    now = clock.now()
    run = JobRun.objects.create(
        job="marketdata.sync_prices", scope="ask:1", as_of=LAST, status="succeeded",
        started_at=now, finished_at=now, result={"changed": {"AAA": LAST.isoformat()}},
    )  # fmt: skip

    outcomes.heed(run_id=run.pk)

    # it may have passed them already
    assert [each.inputs["changed"] for each in waiting()] == [{"AAA": LAST.isoformat()}]


def test_what_an_attempt_that_broke_off_left_from_before_asks_for_nothing(book: Portfolio) -> None:
    announce(EX)
    run = morning()
    JobRun.objects.filter(job=revision.JOB).delete()
    JobRun.objects.filter(pk=run.pk).update(status="failed", error={"code": "gone", "detail": "-"})

    outcomes.heed(run_id=run.pk)

    assert waiting() == []


@pytest.mark.parametrize(
    ("changed", "asked"),
    [({"AAA": EX, "BBB": LAST}, {"AAA": EX.isoformat()}), ({"AAA": LAST}, None)],
)
def test_the_step_of_prices_is_followed_for_earlier_sessions_only(
    book: Portfolio, changed: dict[str, date], asked: dict[str, str] | None
) -> None:
    fields = {"job": "marketdata.sync_prices", "as_of": LAST, "status": "succeeded"}
    told = {symbol: day.isoformat() for symbol, day in changed.items()}
    run = JobRun.objects.create(scope="r1 all", step="prices", result={"changed": told}, **fields)

    outcomes.heed(run_id=run.pk)

    assert [each.inputs["changed"] for each in waiting()] == ([asked] if asked else [])
    # on demand its own session was valued before
    JobRun.objects.filter(job=revision.JOB).delete()
    JobRun.objects.filter(pk=run.pk).update(step="", result={"changed": told})
    outcomes.heed(run_id=run.pk)
    assert [each.inputs["changed"] for each in waiting()] == [told]


def test_nights_that_the_evening_takes_again_are_measured_again(book: Portfolio) -> None:
    for row in PortfolioSnapshot.objects.filter(portfolio=book):
        metric = RiskMetric.objects.create(
            portfolio=book, session_date=row.session_date, equity=row.nav,
            as_of=calendar.close_time(row.session_date), computed_at=row.taken_at,
        )  # fmt: skip
        PortfolioSnapshot.objects.filter(pk=row.pk).update(risk_run=metric.pk)
    announce(EX, "split", ratio=Decimal(2), status="applied")
    corporate_actions.apply(action=CorporateAction.objects.get(), session_date=LAST)

    def evening() -> list[JobRun]:
        wish = jobs.request(
            revision.SNAPSHOTS, as_of=LAST, scope="r1 slice 1", portfolio_ids=[book.pk],
            step="snapshots", queue=False,
        )  # fmt: skip
        outcomes.heed(run_id=jobs.run_now(wish).pk)
        return list(JobRun.objects.filter(job="risk.compute", status="queued"))

    [asked] = evening()

    assert asked.inputs == {"start": EX.isoformat()}
    assert asked.as_of == calendar.previous(LAST)  # the evening's own step measures its session
    assert asked.portfolio_ids == [str(book.pk)]
    jobs.run_now(asked)
    assert evening() == []


# --- prices after the Greeks ---------------------------------------------------------------------


@pytest.fixture
def watched() -> Instrument:
    """A fund with a listed option on a watchlist, without any price when Greeks were computed."""
    session = option_world.DAY
    option_world.clock_at(session)
    option_world.spy()
    fund = option_world.instrument("FUND", assumed_dividend_yield=0.01)
    contracts.ensure(symbols=["FUND160819C00100000"], by=option_world.BY)
    user = factories.make_user()
    by = factories.actor(user)
    mine = watchlists.create(user=user, name="Mine", by=by)
    for symbol in ("FUND", "SPY"):
        watchlists.add(watchlist_id=mine.pk, symbol=symbol, by=by)
    runs = day.run(session_date=session, by=option_world.BY, steps=["prices", "greeks"])
    assert [each.step for each in runs] == ["prices", "greeks"]
    assert greeks().underlying_price is None
    return fund


def greeks() -> OptionGreeks:
    return OptionGreeks.objects.get(
        contract__underlying__symbol="FUND", session_date=option_world.DAY
    )


def closes() -> list[tuple[date, float]]:
    sessions = calendar.between(date(2016, 3, 1), option_world.DAY)
    return [(each, 100.0 + place % 3) for place, each in enumerate(sessions)]


def test_late_prices_of_what_is_only_watched_compute_its_greeks(watched: Instrument) -> None:
    told = closes()
    option_world.bars(watched, told)

    [asked] = [revision.ask(changed={"FUND": told[0][0]})]
    carry_out(asked)

    row = greeks()
    assert row.reason == ""
    assert row.underlying_price == told[-1][1]
    assert row.delta is not None


def test_an_accepted_close_computes_the_greeks_that_rested_on_an_old_one(
    watched: Instrument,
) -> None:
    told = closes()
    option_world.bars(watched, told[:-1])
    carry_out(revision.ask(changed={"FUND": told[0][0]}))
    assert "stale_price" in greeks().flags
    row = BarRow("FUND", option_world.DAY, None, None, None, 300.0, None, None, "csv", "close")
    price_gate.admit(instrument=watched, rows=[row], until=option_world.DAY)
    doubt = QuarantinedPrice.objects.get(instrument=watched)

    price_gate.accept(doubt_id=doubt.pk, by=option_world.BY)
    carry_out(revision.ask(changed={"FUND": doubt.session_date}))

    assert greeks().underlying_price == 300.0


def test_prices_no_greeks_wanted_compute_none(watched: Instrument) -> None:
    before = JobRun.objects.filter(job="marketdata.compute_greeks").count()
    other = factories.make_instrument("BBB")
    option_world.bars(other, closes())

    carry_out(revision.ask(changed={"BBB": closes()[0][0]}))

    assert JobRun.objects.filter(job="marketdata.compute_greeks").count() == before
    assert greeks().underlying_price is None
