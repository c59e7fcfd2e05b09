"""A held name gets another symbol: its value, its risk and its history go on as they were."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etftrader import day
from etftrader.core.actor import Actor
from etftrader.services import actions
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    InstrumentAlias,
    PriceSeries,
)
from marketdata.selectors import calendar, instruments, sessions
from marketdata.services import corporate_actions, price_sync, replay, stream
from portfolios.models import (
    LedgerEntry,
    Portfolio,
    PortfolioSnapshot,
    Position,
    User,
    WatchlistItem,
)
from portfolios.services import watchlists
from portfolios.tests import factories
from risk.models import Alert
from risk.selectors import covariance

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 2, 3), date(2020, 7, 8))
START, EX, AFTER, LAST = (date(2020, *each) for each in ((6, 29), (6, 30), (7, 1), (7, 2)))
OPENED = date(2020, 6, 22)
CLOSES = {
    session: {"AAA": 400 + (place * 7) % 5, "BBB": 50 + (place * 3) % 7 / 10}
    for place, session in enumerate(DAYS)
}


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    settings.REPLAY_START_GIVEN, settings.REPLAY_START = True, START
    write(tmp_path, renamed_from=None)
    return tmp_path


def write(folder: Path, renamed_from: date | None) -> None:
    """The file as its source has it; from some session on it knows the new symbol only."""
    lines = ["date,symbol,close"]
    for session, closes in CLOSES.items():
        new = renamed_from is not None and session >= renamed_from
        lines += [f"{session},{'NEWA' if new else 'AAA'},{closes['AAA']}"]
        lines += [f"{session},BBB,{closes['BBB']}", f"{session},^VIX,18"]
    (folder / "prices.csv").write_text("\n".join([*lines, ""]))


@pytest.fixture
def book(folder: Path) -> Portfolio:
    """Twenty shares of AAA since a week ago, at the eve of its new symbol."""
    replay.ensure()
    price_sync.load_history(until=START)
    portfolio = factories.make_portfolio(cash=100_000, session_date=OPENED, opened_on=OPENED)
    aaa = Instrument.objects.get(symbol="AAA")
    factories.fill(portfolio, aaa, 20, 400, session_date=OPENED)
    day.run(session_date=START, by=operator())
    return portfolio


def operator() -> Actor:
    boss = factories.make_user("boss@example.com", is_superuser=True)
    return Actor.of_user(boss)


def nav(session: date) -> Decimal:
    return PortfolioSnapshot.objects.get(session_date=session).nav


def expected(session: date) -> Decimal:
    return Decimal(92_000) + 20 * Decimal(str(CLOSES[session]["AAA"]))


def rename(ex_date: date = EX) -> None:
    actions.enter(
        symbol="AAA",
        kind="symbol_change",
        ex_date=ex_date,
        new_symbol="NEWA",
        latest=sessions.latest(),
        by=operator(),
    )


def test_a_position_keeps_its_value_through_a_new_symbol(book: Portfolio, folder: Path) -> None:
    key = Instrument.objects.get(symbol="AAA").pk
    entries = list(LedgerEntry.objects.order_by("pk").values())
    bars = list(DailyBar.objects.filter(instrument=key).order_by("session_date").values())
    before = covariance.in_force(session_date=START)
    assert before is not None
    rename()

    runs = day.advance(by=operator(), until=EX)

    assert {each.step: each.status for each in runs}["actions"] == "succeeded"
    renamed = Instrument.objects.get(pk=key)
    assert renamed.symbol == "NEWA"
    assert instruments.by_symbols(["AAA", "NEWA"]) == {"AAA": renamed, "NEWA": renamed}
    assert nav(START) == expected(START)
    assert list(LedgerEntry.objects.order_by("pk").values()) == entries
    kept = DailyBar.objects.filter(instrument=key, session_date__lte=START)
    assert list(kept.order_by("session_date").values()) == bars
    assert Position.objects.get().instrument_id == key

    # the file goes on with the old symbol for a session, then knows the new one only
    assert nav(EX) == expected(EX)
    write(folder, renamed_from=AFTER)
    for session in (AFTER, LAST):
        day.advance(by=operator(), until=session)
        assert nav(session) == expected(session)
    assert Instrument.objects.filter(symbol__in=["AAA", "NEWA"]).count() == 1
    series = PriceSeries.objects.get(instrument=key)
    assert series.close.tolist() == [CLOSES[each]["AAA"] for each in DAYS if each <= LAST]
    risks = PortfolioSnapshot.objects.filter(session_date__gte=START).order_by("session_date")
    assert all(each.var_95_1d for each in risks)
    assert risks.count() == 4
    assert not Alert.objects.filter(state="open").exists()


def test_who_waits_for_the_new_symbol_on_a_list_finds_the_name_under_it(book: Portfolio) -> None:
    actor = operator()
    wished = watchlists.create(user=User.objects.get(pk=actor.user_id), name="Mine", by=actor)
    watchlists.add_many(watchlist_id=wished.pk, symbols=["NEWA"], session_date=START, by=actor)
    assert WatchlistItem.objects.get().instrument is None
    rename()

    day.advance(by=actor, until=EX)

    assert WatchlistItem.objects.get().instrument == Instrument.objects.get(symbol="NEWA")


def test_matrices_know_the_new_symbol_at_once(book: Portfolio) -> None:
    before = covariance.in_force(session_date=START)
    assert before is not None
    rename(ex_date=START)
    day.run(session_date=START, by=operator(), steps=["actions"], again=True)

    after = covariance.in_force(session_date=START)

    assert after is not None
    place = before.labels.index("AAA")
    assert after.labels[place] == "NEWA"
    assert after.values.tolist() == before.values.tolist()
    assert after.revision == before.revision + 1


def test_minutes_of_a_session_are_played_under_the_new_symbol(book: Portfolio) -> None:
    rename(ex_date=START)
    day.run(session_date=START, by=operator(), steps=["actions"], again=True)
    matrix = covariance.in_force(session_date=START)
    assert matrix is not None

    bars, ends = stream.simulated_session(
        session_date=EX, labels=matrix.labels, covariance=matrix.values, factors={}
    )

    assert ends.close["NEWA"] == CLOSES[EX]["AAA"]
    assert "AAA" not in ends.close
    assert "NEWA" in next(iter(bars.bars())).symbols


def test_a_new_symbol_can_be_changed_back(book: Portfolio) -> None:
    rename()
    day.advance(by=operator(), until=EX)
    actions.enter(
        symbol="NEWA", kind="symbol_change", ex_date=AFTER, new_symbol="AAA",
        latest=sessions.latest(), by=operator(),
    )  # fmt: skip

    day.advance(by=operator(), until=AFTER)

    assert list(InstrumentAlias.objects.values_list("alias", flat=True)) == ["NEWA"]
    assert Instrument.objects.filter(symbol="AAA").exists()
    assert nav(AFTER) == expected(AFTER)


def test_history_that_starts_over_has_its_old_symbol_and_gets_the_new_one_again(
    book: Portfolio,
) -> None:
    key = Instrument.objects.get(symbol="AAA").pk
    rename()
    for session in (EX, AFTER):
        day.advance(by=operator(), until=session)
    assert Instrument.objects.get(pk=key).symbol == "NEWA"

    replay.start_over(by=operator())

    assert Instrument.objects.get(pk=key).symbol == "AAA"
    assert CorporateAction.objects.get().status == "pending"
    matrix = covariance.in_force(session_date=START)
    assert matrix is not None
    assert "AAA" in matrix.labels
    assert "NEWA" not in matrix.labels
    replay.close(by=operator())
    assert corporate_actions.apply_due(session_date=EX)["counts"]["failed"] == 0
    assert Instrument.objects.get(pk=key).symbol == "NEWA"
