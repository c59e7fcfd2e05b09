"""Files by hand and files in the watched folder: verdicts by line, corrections, once."""

import gzip
import io
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from etftrader.core import jobs
from etftrader.core.records import JobRun
from marketdata.models import (
    CorporateAction,
    DailyBar,
    Instrument,
    PriceSeries,
    ReplayClock,
    TreasuryYield,
    UniverseMember,
)
from marketdata.selectors import calendar
from marketdata.services import price_import
from marketdata.tasks import watch_files

pytestmark = pytest.mark.django_db
DAY = date(2020, 6, 30)
GOOD = "date,symbol,close\n2020-06-29,SPY,300\n2020-06-30,SPY,301\n"


@pytest.fixture(autouse=True)
def standing(settings: Any, tmp_path: Path) -> None:
    """The live clock stands on the session's close, and the files are in a folder."""
    settings.MARKETDATA_PROVIDER = "csv"
    settings.CSV_FOLDER = str(tmp_path)
    ReplayClock.objects.create(
        start=DAY,
        session_date=DAY,
        as_of=calendar.close_time(DAY),
        moved_at=calendar.close_time(DAY),
    )


def command(name: str, *words: str) -> str:
    out = io.StringIO()
    call_command(name, *words, stdout=out)
    return out.getvalue()


def test_every_bad_line_is_named_and_the_good_ones_are_in(tmp_path: Path) -> None:
    path = tmp_path / "prices.csv"
    path.write_text(
        "date,symbol,close\n"
        "2020-06-29,SPY,300\n"
        "2020-06-29,SPY,300\n"
        "2020-06-28,SPY,300\n"
        "30.06.2020,SPY,301\n"
        "2020-06-30,SPY,plenty\n"
        "2020-07-01,SPY,302\n"
        "2020-06-30,SPY,301\n"
        "1999-01-04,SPY,120\n"
    )

    said = command("import_prices", str(path))

    assert [line.split(": ")[:2] for line in said.splitlines()[:6]] == [
        ["line 3, date", "duplicate"],
        ["line 4, date", "not_a_session"],
        ["line 5, date", "bad_date"],
        ["line 6, close", "bad_number"],
        ["line 7, date", "future_date"],
        ["line 9, date", "before_calendar"],
    ]
    assert "new symbols: SPY" in said
    assert "2 lines of bars up to 2020-06-30, 2 rows written" in said
    assert DailyBar.objects.count() == 2

    again = command("import_prices", str(path))
    assert "0 rows written" in again


def test_symbols_that_are_left_out_are_named_with_their_first_line(tmp_path: Path) -> None:
    owner = get_user_model().objects.create_user(email="o@example.com", password="x" * 12)
    mine = Instrument.objects.create(
        symbol="MINE", name="Mine", kind="private_fund", pricing="manual", price_basis="manual",
        owner_id=owner.pk,
    )  # fmt: skip
    (tmp_path / "a.csv").write_text(GOOD + "2020-06-29,MINE,5\n2020-06-30,MINE,6\n")

    said = command("import_prices", str(tmp_path / "a.csv"))

    assert said.splitlines()[0] == (
        "line 4, symbol: symbol_reserved: MINE is not known, and no file can add it; 2 lines have "
        "it. Use another symbol, or leave its rows out."
    )
    assert "2 lines of bars up to 2020-06-30, 2 rows written" in said
    assert "2 lines not usable" in said
    assert not DailyBar.objects.filter(instrument=mine).exists()
    # and in the outcome of the folder's job
    watch_files()
    run = jobs.run_now(JobRun.objects.get(job=price_import.JOB))
    assert run.items[0]["reason"] == "2 lines, 0 changed, 2 not usable, left out: MINE"
    assert run.counts["bad_lines"] == 2


def test_a_file_without_the_column_is_given_its_symbol(tmp_path: Path) -> None:
    path = tmp_path / "vix_daily.csv"
    path.write_text("date,close\n2020-06-30,30.43\n")

    command("import_prices", str(path), "--symbol", "^vix")

    bar = DailyBar.objects.get()
    assert (bar.instrument.symbol, bar.close) == ("^VIX", Decimal("30.43"))
    assert (bar.instrument.kind, bar.instrument.price_basis) == ("index", "index_level")

    with pytest.raises(CommandError, match="column symbol"):
        command("import_prices", str(path))


def test_yields_are_told_by_their_header(tmp_path: Path) -> None:
    path = tmp_path / "y.csv.gz"
    path.write_bytes(gzip.compress(b"date,DGS10\n2020-06-30,0.66\n"))

    assert "1 lines of yields" in command("import_prices", str(path))
    assert TreasuryYield.objects.get().percent == 0.66

    with pytest.raises(CommandError, match="close"):
        command("import_prices", str(path), "--kind", "bars")


@pytest.mark.parametrize("content", [b"", b"date,symbol\n", b"\x1f\x8bbroken", b"\xff\xfe\x00d"])
def test_a_file_that_cannot_be_read_changes_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.csv"
    path.write_bytes(content)

    with pytest.raises(CommandError, match="was not imported"):
        command("import_prices", str(path))

    assert not DailyBar.objects.exists()
    assert not Instrument.objects.exists()


def test_a_file_cut_off_in_the_middle_is_not_taken_by_half(tmp_path: Path) -> None:
    path = tmp_path / "cut.csv.gz"
    whole = gzip.compress(GOOD.encode() + b"".join(b"2020-06-29,S%d,5\n" % n for n in range(9999)))
    path.write_bytes(whole[: len(whole) // 2])

    with pytest.raises(CommandError, match="damaged or cut off"):
        command("import_prices", str(path))

    assert not DailyBar.objects.exists()


def test_the_folder_is_watched_and_only_what_changed_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text("date,symbol,close\n2020-06-30,QQQ,250\n")

    watch_files()

    run = JobRun.objects.get()
    assert run.inputs == {"files": ["a.csv", "b.csv"]}
    assert price_import.watch(session_date=DAY) is None  # an import waits
    assert jobs.run_now(run).status == "succeeded"
    run.refresh_from_db()
    assert [each["item"] for each in run.items] == ["a.csv", "b.csv"]
    assert DailyBar.objects.count() == 3

    assert price_import.watch(session_date=DAY) is None
    (tmp_path / "b.csv").touch()
    assert price_import.watch(session_date=DAY) is None

    (tmp_path / "a.csv").write_text(GOOD.replace("301", "301.5"))
    second = price_import.watch(session_date=DAY)
    assert second is not None
    assert second.inputs == {"files": ["a.csv"]}
    jobs.run_now(second)
    bar = DailyBar.objects.get(instrument__symbol="SPY", session_date=DAY)
    assert (bar.close, bar.revision) == (Decimal("301.5"), 1)
    assert PriceSeries.objects.get(instrument=bar.instrument).close.tolist() == [300.0, 301.5]
    assert price_import.watch(session_date=DAY) is None


def test_an_action_in_a_file_is_followed_though_no_close_changed(tmp_path: Path) -> None:
    head, more = "date,symbol,close,dividend\n", "2020-06-29,QQQ,250,\n2020-06-30,QQQ,251,\n"
    plain = head + "2020-06-29,SPY,300,\n2020-06-30,SPY,301,\n" + more
    (tmp_path / "a.csv").write_text(plain)
    run = price_import.watch(session_date=DAY)
    assert run is not None
    jobs.run_now(run)

    (tmp_path / "a.csv").write_text(plain.replace("SPY,301,", "SPY,301,1.5"))
    run = price_import.watch(session_date=DAY)
    assert run is not None
    run = jobs.run_now(run)

    assert run.counts["written"] == 0
    assert CorporateAction.objects.get().status == "applied"
    assert run.result["changed"] == {"SPY": "2020-06-30"}


def test_a_refused_file_is_named_and_read_again_when_it_changes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nonsense\n")
    (tmp_path / "b.csv").write_text(GOOD)
    run = price_import.watch(session_date=DAY)
    assert run is not None

    run = jobs.run_now(run)

    assert run.status == "partial"
    assert run.items[0]["status"] == "failed"
    assert "header" in run.items[0]["reason"]
    assert price_import.watch(session_date=DAY) is None

    (tmp_path / "a.csv").write_text(GOOD.replace("SPY", "QQQ"))
    again = price_import.watch(session_date=DAY)
    assert again is not None
    assert again.inputs == {"files": ["a.csv"]}


def test_no_folder_is_watched_where_none_is_set(settings: Any) -> None:
    settings.CSV_FOLDER = ""
    assert price_import.watch(session_date=DAY) is None
    settings.CSV_FOLDER = "/nonexistent-folder"
    assert price_import.watch(session_date=DAY) is None
    settings.MARKETDATA_PROVIDER = "bundled"
    assert price_import.watch(session_date=DAY) is None


def test_the_backfill_fetches_before_the_first_bar_and_names_what_it_cannot_find(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.csv").write_text("date,symbol,close\n2020-06-26,SPY,299\n" + GOOD[18:])
    (tmp_path / "y.csv").write_text("date,DGS10\n2020-06-30,0.66\n")
    price_import.import_file(path=tmp_path / "a.csv", until=DAY)
    DailyBar.objects.filter(session_date=date(2020, 6, 26)).delete()

    said = command("backfill_prices", "--from", "2020-06-26")
    assert "SPY: ok" in said
    assert DailyBar.objects.filter(session_date=date(2020, 6, 26)).exists()

    assert not UniverseMember.objects.exists()
    with pytest.raises(SystemExit):
        command("backfill_prices", "SPZ", "SPY", "--until", "2020-06-29")
    with pytest.raises(CommandError, match="not known yet"):
        command("backfill_prices", "--until", "2020-07-01")
    with pytest.raises(CommandError, match="lies after"):
        command("backfill_prices", "--from", "2020-06-30", "--until", "2020-06-29")
