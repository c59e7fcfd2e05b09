"""A held price that was a split: told from its own row, applied, and the price believed."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from etftrader import day, revision
from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.core.records import JobRun
from marketdata.calculations.bar_gate import likeliest_split
from marketdata.models import CorporateAction, DailyBar, Instrument, QuarantinedPrice
from marketdata.selectors import calendar
from marketdata.services import price_sync, replay
from portfolios.models import Portfolio, Position
from portfolios.tests import factories
from trading.tests import world

pytestmark = pytest.mark.django_db
BY = system("test")
DAYS = calendar.between(date(2018, 5, 1), date(2018, 6, 20))
START, EX, NEXT = date(2018, 6, 12), date(2018, 6, 13), date(2018, 6, 14)
OPENED = date(2018, 6, 5)


@pytest.fixture
def book(tmp_path: Path, settings: Any) -> Portfolio:
    """A hundred shares of SLY, whose closes halve at EX; the file tells of no split."""
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    settings.MARKETDATA_PROVIDER, settings.CSV_FOLDER = "csv", str(tmp_path)
    settings.REPLAY_START_GIVEN, settings.REPLAY_START = True, START
    lines = ["date,symbol,close"]
    for session in DAYS:
        lines.append(f"{session},SLY,{148.53 if session < EX else 73.75}")
        lines.append(f"{session},SPY,270")
    (tmp_path / "prices.csv").write_text("\n".join([*lines, ""]))
    replay.ensure()
    price_sync.load_history(until=START)
    fund = Instrument.objects.get(symbol="SLY")
    portfolio = factories.make_portfolio(cash=100_000, session_date=OPENED, opened_on=OPENED)
    factories.fill(portfolio, fund, 100, 148, session_date=OPENED)
    day.run(session_date=START, by=BY)
    for session in (EX, NEXT):
        day.advance(by=BY, until=session)
    return portfolio


@pytest.fixture
def operator(book: Portfolio) -> Client:
    boss = world.make_user("boss@example.com", is_staff=True)
    world.add_to_group(boss, "Operator")
    client = Client()
    client.force_login(boss)
    return client


def test_it_is_entered_from_the_held_row_and_the_row_is_believed(
    book: Portfolio, operator: Client
) -> None:
    held = QuarantinedPrice.objects.filter(symbol="SLY", state="held").order_by("session_date")
    assert [each.session_date for each in held] == [EX, NEXT]
    rows = operator.get("/data/quarantine/").context["table"]["rows"]
    later = held[1]
    [address] = [each["split"] for each in rows if each["id"] == later.pk]
    assert address in operator.get(f"/data/quarantine/{later.pk}/").content.decode()

    form = operator.get(address).context["form"]
    given = {name: field.value() for name, field in ((each.name, each) for each in form)}
    assert (given["symbol"], given["kind"], given["ex_date"]) == ("SLY", "split", EX)
    assert Decimal(given["ratio"]) == 2
    sent = {name: value for name, value in given.items() if value is not None}
    answer = operator.post(address, sent | {"ex_date": EX.isoformat()})

    assert (answer.status_code, answer["Location"]) == (303, "/data/quarantine/")
    assert CorporateAction.objects.get().ratio == 2
    [asked] = JobRun.objects.filter(job=revision.JOB, status="queued")
    jobs.run_now(asked)
    assert CorporateAction.objects.get().status == "applied"
    assert not held.all().exists()
    bars = DailyBar.objects.filter(instrument__symbol="SLY", session_date__gte=START)
    closes = dict(bars.values_list("session_date", "close"))
    assert closes == {START: Decimal("74.265"), EX: Decimal("73.75"), NEXT: Decimal("73.75")}
    assert Position.objects.get(portfolio=book).quantity == 200


def test_only_a_move_of_something_with_shares_is_offered_as_a_split(operator: Client) -> None:
    row = QuarantinedPrice.objects.filter(symbol="SLY", state="held").first()
    for change in ({"reason": "sources_differ"}, {"reason": row.reason, "dataset": "quotes"}):
        QuarantinedPrice.objects.filter(pk=row.pk).update(**change)
        page = operator.get(f"/data/quarantine/{row.pk}/")
        assert "It was a split" not in page.content.decode()
        form = operator.get(f"/data/actions/new/?doubt={row.pk}").context["form"]
        assert form.initial == {}
    assert operator.get("/data/actions/new/?doubt=nonsense").status_code == 200


@pytest.mark.parametrize(
    ("before", "close", "ratio"),
    [
        (148.53, 73.75, "2"),
        (100.0, 25.4, "4"),
        (2.0, 30.4, "0.066667"),
        (90.0, 60.5, "1.5"),
        (100.0, 1.0, None),
        (100.0, 55.0, None),
    ],
)
def test_the_ratio_is_the_usual_one_nearest_to_the_move(before, close, ratio) -> None:
    assert likeliest_split(before, close) == (None if ratio is None else Decimal(ratio))
