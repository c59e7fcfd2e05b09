"""Which instruments are kept up to date, and how a symbol joins them at run time."""

from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import BadInput
from etftrader.core.records import AuditEvent
from etftrader.testing.yahoo_server import YahooServer
from marketdata.models import Instrument, Universe, UniverseMember
from marketdata.selectors import coverage
from marketdata.services import price_sync, resolving, universes

pytestmark = pytest.mark.django_db
BY = system("tests")
MONDAY, TUESDAY, WEDNESDAY = date(2020, 6, 29), date(2020, 6, 30), date(2020, 7, 1)


@pytest.fixture
def funds() -> dict[str, Instrument]:
    return {
        symbol: Instrument.objects.create(
            symbol=symbol, name=symbol, kind="etf", price_basis="close"
        )
        for symbol in ("AAA", "BBB", "CCC")
    }


def due(day: date) -> list[str]:
    return [each.symbol for each in coverage.due(session_date=day)]


def keep(*members: Instrument, on: date) -> tuple[int, int]:
    ids = [each.pk for each in members]
    return universes.keep(name="Held", instrument_ids=ids, session_date=on, by=BY)


def test_without_a_live_universe_and_in_a_replay_everything_is_kept(
    funds: dict[str, Instrument], settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    assert due(MONDAY) == ["AAA", "BBB", "CCC"]

    keep(funds["AAA"], on=MONDAY)
    assert due(MONDAY) == ["AAA"]
    settings.MARKETDATA_PROVIDER = "bundled"
    assert due(MONDAY) == ["AAA", "BBB", "CCC"]


def test_members_come_and_go_by_session_and_each_change_leaves_one_line(
    funds: dict[str, Instrument], settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    a, b, c = funds.values()

    assert keep(a, b, on=MONDAY) == (2, 0)
    assert keep(a, b, on=MONDAY) == (0, 0)
    assert keep(b, c, on=WEDNESDAY) == (1, 1)

    # who left has its prices up to the day before; who joined is to have its past as well
    assert due(MONDAY) == due(TUESDAY) == ["AAA", "BBB", "CCC"]
    assert due(WEDNESDAY) == ["BBB", "CCC"]
    assert UniverseMember.objects.get(instrument=a).valid_to == TUESDAY
    assert AuditEvent.objects.filter(action="universe.changed").count() == 2

    # who came today and goes today was never there
    assert keep(b, on=WEDNESDAY) == (0, 1)
    assert not UniverseMember.objects.filter(instrument=c).exists()
    # and who comes back has a second time on the list
    assert keep(a, b, on=WEDNESDAY) == (1, 0)
    assert UniverseMember.objects.filter(instrument=a).count() == 2


def test_a_symbol_that_was_asked_for_leaves_nobody_out(
    funds: dict[str, Instrument], settings: Any
) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"

    universes.add(symbol="AAA", session_date=MONDAY, by=BY)

    assert due(MONDAY) == ["AAA", "BBB", "CCC"]


def test_several_lists_are_one_universe(funds: dict[str, Instrument], settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "yfinance"
    keep(funds["AAA"], on=MONDAY)
    universes.add(symbol="ccc", session_date=MONDAY, by=BY)
    strategy = Universe.objects.create(name="Strategy", kind="strategy")
    UniverseMember.objects.create(universe=strategy, instrument=funds["BBB"], valid_from=MONDAY)

    assert due(MONDAY) == ["AAA", "CCC"]


def test_a_symbol_the_source_describes_is_created_and_fetched_without_a_restart(
    yahoo: YahooServer, funds: dict[str, Instrument]
) -> None:
    keep(funds["AAA"], on=MONDAY)

    found = universes.add(symbol=" spy ", session_date=TUESDAY, by=BY)

    assert found.status == "created"
    spy = Instrument.objects.get(symbol="SPY")
    assert (spy.name, spy.kind, spy.segment, spy.price_basis) == (
        "SPY Trust",
        "etf",
        "Large Blend",
        "close",
    )
    assert due(TUESDAY) == ["AAA", "SPY"]
    synced = price_sync.sync(session_date=TUESDAY, datasets=["daily_bars"])
    assert {each.item: each.status for each in synced.outcomes} == {"AAA": "failed", "SPY": "ok"}
    assert spy.bars.count() == 125

    assert universes.add(symbol="SPY", session_date=TUESDAY, by=BY).status == "known"
    assert UniverseMember.objects.filter(instrument=spy).count() == 1
    assert AuditEvent.objects.filter(action="universe.joined").count() == 1


def test_a_symbol_nobody_knows_is_unresolved_with_three_near_ones(
    yahoo: YahooServer,
) -> None:
    for symbol in ("XLE", "XLF", "XLK", "XLU", "SPY"):
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")

    found = universes.add(symbol="XLQ", session_date=TUESDAY, by=BY)

    assert found.status == "unresolved"
    assert len(found.suggestions) == 3
    assert set(found.suggestions) < {"XLE", "XLF", "XLK", "XLU"}
    assert "yfinance" in found.reason
    assert not Instrument.objects.filter(symbol="XLQ").exists()
    assert not UniverseMember.objects.exists()


def test_of_somebodys_own_thing_no_more_is_said_than_of_what_nobody_has(
    yahoo: YahooServer,
) -> None:
    own = {"kind": "private_fund", "pricing": "manual", "price_basis": "manual"}
    for symbol in ("MINEX", "SPY"):
        Instrument.objects.create(symbol=symbol, name=symbol, owner_id=uuid4(), **own)

    mine, none = (universes.find(symbol=each, session_date=TUESDAY) for each in ("MINEX", "NONEX"))

    assert (mine.status, mine.reason) == (none.status, none.reason) != ("unresolved", "")
    # a source that knows the symbol does not rewrite what is theirs
    assert universes.find(symbol="SPY", session_date=TUESDAY).status == "unresolved"
    assert Instrument.objects.get(symbol="SPY").kind == "private_fund"


@pytest.mark.parametrize("text", ["", "../etc", "A B", "x" * 40])
def test_what_is_no_symbol_is_refused_before_anybody_is_asked(
    yahoo: YahooServer, text: str
) -> None:
    with pytest.raises(BadInput):
        universes.add(symbol=text, session_date=TUESDAY, by=BY)

    assert yahoo.asked == []


def test_a_symbol_only_files_name_takes_the_words_of_the_shipped_table(
    settings: Any, tmp_path: Path
) -> None:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    (tmp_path / "a.csv").write_text(
        "date,symbol,close\n2020-06-30,SPY,300\n2020-06-30,NEWCO,7\n2020-06-30,^XYZ,1200\n"
        "2020-06-30,VTV,100\n2020-06-30,GLD,167\n"
    )

    assert universes.discover(until=TUESDAY) == ["GLD", "NEWCO", "SPY", "VTV", "^XYZ"]
    assert universes.discover(until=TUESDAY) == []
    kinds = dict(Instrument.objects.values_list("symbol", "kind"))
    assert kinds == {
        "GLD": "etf",
        "NEWCO": "stock",
        "SPY": "etf",
        "VTV": "etf",
        "^XYZ": "index",
    }
    classes = dict(Instrument.objects.values_list("symbol", "asset_class"))
    assert (classes["NEWCO"], classes["VTV"]) == (universes.UNKNOWN, "equity")
    assert (classes["GLD"], Instrument.objects.get(symbol="VTV").name) == (
        "commodity",
        "Vanguard Value",
    )
    assert universes.assumed(kinds) == ["NEWCO"]
    spy = Instrument.objects.get(symbol="SPY")
    assert spy.name != "SPY"
    assert spy.price_basis == "close"
    assert universes.add(symbol="ZZZ", session_date=TUESDAY, by=BY).reason == "csv: no file has it"


def test_a_guess_is_told_where_a_symbol_is_looked_up(settings: Any, tmp_path: Path) -> None:
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    (tmp_path / "a.csv").write_text("date,symbol,close\n2020-06-30,NEWCO,7\n2020-06-30,VUG,200\n")

    told = {
        symbol: universes.find(symbol=symbol, session_date=TUESDAY) for symbol in ("NEWCO", "VUG")
    }
    assert {symbol: each.reason for symbol, each in told.items()} == {
        "NEWCO": universes.ASSUMED,
        "VUG": "",
    }
    Instrument.objects.all().delete()
    outcomes = {
        each.item: each.reason
        for each in resolving.bring_in(symbols=["NEWCO", "VUG"], session_date=TUESDAY)
    }
    assert universes.ASSUMED in outcomes["NEWCO"]
    assert universes.ASSUMED not in outcomes["VUG"]
