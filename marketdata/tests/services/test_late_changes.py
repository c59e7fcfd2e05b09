"""What a sync, or an import, changes of earlier sessions: in its answer, or announced without a run."""

import uuid
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from etftrader.core.records import OutboxEvent
from marketdata.events import prices_revised
from marketdata.models import CorporateAction, DailyBar, Instrument
from marketdata.selectors import calendar
from marketdata.services import late_changes, price_import, price_sync, universes
from marketdata.tests import histories, option_world

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 6, 30))
LACKING, EVE, EX, DAY = DAYS[3], DAYS[15], DAYS[16], DAYS[19]


@pytest.fixture
def folder(tmp_path: Path, settings: Any) -> Path:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    return tmp_path


def tell(folder: Path, symbol: str, days: list[date], name: str = "") -> None:
    """A file of closes as traded, of which four new ones are one old from EX on."""
    rows = [f"{day},{symbol},{100 if day >= EX else 400}" for day in days]
    path = folder / f"{name or symbol.lower()}.csv"
    path.write_text("\n".join(["date,symbol,close", *rows, ""]))


@pytest.fixture
def spy(folder: Path) -> Instrument:
    """Its split of EX is known since today, its prices are in; BBB lacks everything."""
    fund = Instrument.objects.create(symbol="SPY", name="SPY", kind="etf", price_basis="close")
    for day in DAYS:
        DailyBar.objects.create(
            instrument=fund, session_date=day, source="csv", price_basis="close",
            close=Decimal(100 if day >= EX else 400),
        )  # fmt: skip
    histories.split(fund, 4, EX, latest=DAY)
    tell(folder, "SPY", DAYS)
    universes.discover(until=DAY)
    return fund


def announced() -> dict[str, str]:
    rows = OutboxEvent.objects.filter(name=prices_revised.name)
    return {row.payload["symbol"]: row.payload["since"] for row in rows}


def status() -> str:
    return CorporateAction.objects.get().status


def test_an_action_that_a_sync_applies_is_in_what_it_changed(spy: Instrument) -> None:
    synced = price_sync.sync(session_date=DAY, run_id=uuid.uuid4())

    assert (status(), synced.changed["SPY"]) == ("applied", EX)
    # who has a run is followed by its result
    assert announced() == {}
    assert price_sync.sync(session_date=DAY, run_id=uuid.uuid4()).changed == {}


def test_an_action_that_an_import_of_other_prices_applies_is_in_what_it_changed(
    spy: Instrument, folder: Path
) -> None:
    tell(folder, "BBB", DAYS)

    told = price_import.import_files(names=["bbb.csv"], until=DAY)

    assert (status(), told["changed"]) == ("applied", {"SPY": EX, "BBB": DAYS[0]})


def test_a_sync_without_a_run_announces_what_is_late(spy: Instrument) -> None:
    """As at the close of a session: its prices are brought in before the clock moves."""
    price_sync.sync(session_date=DAY)
    price_sync.sync(session_date=DAY)

    assert announced() == {"SPY": EX.isoformat()}


def test_what_takes_effect_with_the_session_is_not_late(spy: Instrument) -> None:
    DailyBar.objects.filter(session_date__gte=EX).delete()
    option_world.clock_at(EVE)

    price_sync.sync(session_date=EX)

    assert status() == "applied"
    assert announced() == {}


def test_a_close_of_an_earlier_session_that_comes_with_a_later_one_is_late(
    spy: Instrument, folder: Path
) -> None:
    CorporateAction.objects.all().delete()
    tell(folder, "BBB", DAYS)
    universes.discover(until=DAY)
    price_sync.sync(session_date=DAYS[-2])
    OutboxEvent.objects.all().delete()
    DailyBar.objects.filter(instrument__symbol="BBB", session_date=LACKING).delete()

    price_sync.sync(session_date=DAYS[-1])

    assert announced() == {"BBB": LACKING.isoformat()}


def test_many_names_are_announced_together_and_a_first_load_is_not(folder: Path) -> None:
    names = [f"S{place:02}" for place in range(26)]
    for name in names:
        tell(folder, name, DAYS[:-1])
    price_sync.load_history(until=DAYS[-2])
    assert announced() == {}
    DailyBar.objects.filter(session_date=LACKING).delete()

    price_sync.sync(session_date=DAYS[-2])

    together = ",".join(names[:25])  # as they are written
    assert announced() == dict.fromkeys([together, "S25"], LACKING.isoformat())


def test_those_of_the_newest_session_become_the_star_first() -> None:
    today = {f"S{place}": DAY for place in range(late_changes.MOST_NAMED)}
    few = {"AAA": LACKING, "BBB": EX}

    assert late_changes.in_words(today)["S0"] == DAY.isoformat()
    told = late_changes.in_words(today | few)
    assert told == {"AAA": LACKING.isoformat(), "BBB": EX.isoformat(), "*": DAY.isoformat()}


def test_many_of_several_earlier_sessions_are_one_star_since_the_first() -> None:
    many = {f"S{place}": (LACKING, EX)[place % 2] for place in range(2 * late_changes.MOST_NAMED)}

    assert late_changes.in_words(many | {"AAA": DAY}) == {"*": LACKING.isoformat()}


def test_a_star_is_never_moved_to_a_later_session() -> None:
    many = {f"S{place}": DAY for place in range(2 * late_changes.MOST_NAMED)}

    told = late_changes.in_words(many | {"*": EX, "AAA": LACKING})

    assert told == {"*": EX.isoformat(), "AAA": LACKING.isoformat()}
