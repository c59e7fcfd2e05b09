"""Before the open sources are asked for new splits and dividends; one that fails stops nobody."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
import time_machine

from etftrader.core import jobs
from etftrader.core.actor import system
from etftrader.testing import yahoo_server
from etftrader.testing.yahoo_server import Reply, YahooServer
from marketdata.models import CorporateAction, DailyBar, DataRefresh, Instrument, PriceSeries
from marketdata.selectors import calendar
from marketdata.services import action_sync, price_sync
from marketdata.tests import histories

pytestmark = pytest.mark.django_db
DAYS = calendar.between(date(2020, 6, 1), date(2020, 7, 31))
EVE, TODAY = DAYS[30], DAYS[31]
NAMES = ("AAA", "BBB", "CCC")
JOB = "marketdata.apply_actions"


@pytest.fixture
def morning() -> Iterator[None]:
    local = datetime(TODAY.year, TODAY.month, TODAY.day, 6, 30, tzinfo=calendar.NEW_YORK)
    with time_machine.travel(local.astimezone(UTC), tick=True):
        yield


@pytest.fixture
def yahoo(yahoo: YahooServer) -> YahooServer:
    """The names followed here, as the provider tells them."""
    for symbol in NAMES:
        tell(yahoo, symbol)
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")
    return yahoo


def tell(server: YahooServer, symbol: str, **events: Any) -> None:
    closes = {day: 100.0 + place % 3 for place, day in enumerate(DAYS[:31])}
    histories.retell(server, yahoo_server.chart(symbol, closes, **events), symbol)


def run() -> Any:
    wish = jobs.request(JOB, as_of=TODAY, scope="r1 all", step="actions", queue=False)
    return jobs.run_now(wish)


def test_what_became_known_late_is_recorded_applied_and_in_the_adjusted_closes(
    yahoo: YahooServer, morning: None
) -> None:
    price_sync.sync(session_date=EVE, datasets=["daily_bars"])
    assert not CorporateAction.objects.exists()
    tell(yahoo, "AAA", dividends={DAYS[20]: 1.5})

    done = run()

    assert done.status == "succeeded"
    assert {each["item"] for each in done.items} == {
        action_sync.KNOWN, f"AAA dividend {DAYS[20]}", *NAMES,
    }  # fmt: skip
    action = CorporateAction.objects.get()
    assert (action.amount, action.source, action.status) == (Decimal("1.5"), "yfinance", "applied")
    bars = DailyBar.objects.filter(instrument__symbol="AAA").order_by("session_date")
    before, after = bars.get(session_date=DAYS[19]), bars.get(session_date=DAYS[20])
    part = 1 - 1.5 / float(before.close)
    adjusted = float(before.adj_close or 0)
    assert adjusted == pytest.approx(float(before.close) * part, abs=1e-4)
    assert after.adj_close == after.close
    total = PriceSeries.objects.get(instrument__symbol="AAA").total_return
    assert total[19] == pytest.approx(adjusted)
    assert total[20] == float(after.close)

    again = run()
    assert again.status == "succeeded"
    assert again.counts["known"] == 1
    assert again.counts["applied"] == 0


def test_a_source_that_fails_for_one_name_leaves_the_others_and_the_step_whole(
    yahoo: YahooServer, morning: None
) -> None:
    yahoo.forget("/chart/BBB")
    yahoo.say("/chart/BBB", Reply(500, b"away", {}))
    tell(yahoo, "CCC", dividends={DAYS[25]: 0.5})

    done = run()

    assert done.status == "partial"
    [bad] = [each for each in done.items if each["status"] == "failed"]
    assert bad["item"] == "BBB"
    assert bad["reason"]["detail"]
    assert CorporateAction.objects.get().instrument.symbol == "CCC"
    assert DataRefresh.objects.filter(dataset="provider", source="yfinance").exists()

    # asked again: that name only
    before = {name: yahoo.count(f"/chart/{name}") for name in NAMES}
    tell(yahoo, "BBB", dividends={DAYS[26]: 0.25})
    jobs.retry_failed(done, by=system("test"))
    done = jobs.run_now(done)

    assert done.status == "succeeded"
    assert {name for name in NAMES if yahoo.count(f"/chart/{name}") > before[name]} == {"BBB"}
    assert CorporateAction.objects.filter(instrument__symbol="BBB", status="applied").exists()


def test_sources_that_are_all_away_do_not_fail_what_is_known(
    yahoo: YahooServer, morning: None
) -> None:
    aaa = Instrument.objects.get(symbol="AAA")
    CorporateAction.objects.create(
        instrument=aaa, kind="dividend", ex_date=TODAY, amount=1, source="manual"
    )
    yahoo.say("/chart/", Reply(500, b"away", {}))

    done = run()

    assert done.status == "partial"
    assert {each["item"] for each in done.items if each["status"] == "failed"} == set(NAMES)
    assert CorporateAction.objects.get().status == "applied"


def test_nobody_is_asked_after_the_close_or_in_a_replay(yahoo: YahooServer, settings: Any) -> None:
    tell(yahoo, "AAA", dividends={DAYS[20]: 1.5})
    with time_machine.travel(calendar.close_time(TODAY), tick=True):
        assert run().items == []
    settings.MARKETDATA_PROVIDER = "bundled"
    with time_machine.travel(calendar.open_time(TODAY), tick=True):
        assert run().items == []

    assert yahoo.count("/chart/") == 0
    assert not CorporateAction.objects.exists()
