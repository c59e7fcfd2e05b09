"""Every page that looks back shows the close it was asked for, whatever happened since."""

import re
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.core import livestate, push
from etftrader.tests import as_of_stage
from etftrader.tests.as_of_stage import DAY, everything_happens
from etftrader.views import shell
from marketdata.constants import STRIP, VIX
from marketdata.models import Instrument
from portfolios.models import PositionSnapshot
from portfolios.services import watchlists
from trading.tests import world

pytestmark = pytest.mark.django_db
# each page that remembers the close, by the name of its address
PAGES = {
    "dashboard": "/",
    "overview": "{book}",
    "positions": "{book}positions/",
    "position": "{book}positions/{held}/",
    "risk": "{book}risk/",
    "risk_limits": "{book}risk/limits/",
    "greeks": "{book}greeks/",
    "orders": "{book}orders/?show=all",
    "trades": "{book}trades/",
    "performance": "{book}performance/",
    "portfolio_cash": "{book}cash/",
    "quote": "/quotes/AAA/",
    "quote_options": "/quotes/AAA/options/",
    "alerts": "/alerts/",
    "watchlists": "/watchlists/",
    "watchlist": "/watchlists/{watched}/",
}
ELSEWHERE = {
    "greeks_underlying",
    "portfolio_compare",
    "accounts",
    "account",
}  # tried where their books are made

MOST = 12  # queries beside the frame


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    made = as_of_stage.make(settings)
    mine = watchlists.create(user=made.owner, name="Mine", by=made.by)
    watchlists.add_many(watchlist_id=mine.pk, symbols=["AAA", "BBB"], session_date=DAY, by=made.by)
    made.watched = mine
    return made


def address(stage: SimpleNamespace, name: str) -> str:
    path = PAGES[name].format(
        book=f"/portfolios/{stage.book.pk}/", held=stage.held.pk, watched=stage.watched.pk
    )
    return f"{path}{'&' if '?' in path else '?'}as_of={DAY}"


def main(page: Any) -> str:
    """What stands in the middle of a page, without what is made anew for every answer."""
    text = page.content.decode()
    text = text[text.index("<main") : text.index("</main>")]
    text = re.sub(r'name="csrfmiddlewaretoken" value="[^"]*"', "", text)
    return re.sub(r'max="[0-9-]*"', "", text)  # how far ahead one may look


def test_every_page_that_remembers_is_tried() -> None:
    assert set(PAGES) | ELSEWHERE == shell._REMEMBER


def test_every_page_shows_the_close_it_was_asked_for(stage: SimpleNamespace) -> None:
    before = {name: main(stage.client.get(address(stage, name))) for name in PAGES}

    everything_happens(stage)

    changed = []
    for name in PAGES:
        answer = stage.client.get(address(stage, name))
        assert answer.status_code == 200, name
        text = answer.content.decode()
        assert "Past figures" in text, name
        assert "22 Jun 2016" in text, name
        assert "data-socket" not in text, name
        assert "data-drawn-market" not in text, name
        if main(answer) != before[name]:
            changed.append(name)
    assert changed == []


def test_figures_of_a_page_are_those_of_the_snapshot(stage: SimpleNamespace) -> None:
    everything_happens(stage)
    row = stage.book.snapshots.get(session_date=DAY)
    lines = PositionSnapshot.objects.filter(snapshot=row).select_related("instrument")

    page = stage.client.get(address(stage, "positions"))
    listed = {each["symbol"]: each for each in page.context["table"]["rows"]}
    watched = stage.client.get(address(stage, "watchlist")).context["table"]["rows"]
    stops = stage.client.get(address(stage, "alerts")).context["stops"]["rows"]

    for line in lines:
        assert listed[line.instrument.symbol]["exposure"] == line.exposure
    assert {each["symbol"]: each["price"] for each in watched} == world.PRICES
    assert {each["symbol"]: each["close"] for each in stops} == world.PRICES


def test_positions_of_a_past_close_are_grouped_by_the_tags_of_then(
    stage: SimpleNamespace,
) -> None:
    everything_happens(stage)

    page = stage.client.get(address(stage, "positions") + "&group=tag")

    labels = [each["symbol"] for each in page.context["table"]["rows"]]
    assert labels == ["No tag", "BBB", "core", "AAA"] or labels == ["core", "AAA", "No tag", "BBB"]


def test_nothing_can_be_done_on_a_past_page(stage: SimpleNamespace) -> None:
    for name in ("alerts", "watchlist", "watchlists"):
        text = main(stage.client.get(address(stage, name)))
        assert 'method="post"' not in text, name
    edit = stage.client.get(address(stage, "watchlist") + "&edit=1")
    assert not edit.context["editing"]


def asked(stage: SimpleNamespace, path: str) -> int:
    assert stage.client.get(path).status_code == 200
    with CaptureQueriesContext(connection) as queries:
        stage.client.get(path)
    return len(queries)


def frame(stage: SimpleNamespace) -> int:
    """What the glossary costs, with the strip above it read as that of a past close is."""
    stage.client.get("/glossary/")
    livestate.client().delete(push.channel_key("market"))
    with CaptureQueriesContext(connection) as queries:
        stage.client.get("/glossary/")
    return len(queries)


@pytest.mark.parametrize("later", [False, True])
def test_past_pages_need_few_queries(stage: SimpleNamespace, later: bool) -> None:
    for symbol in (*STRIP, VIX):  # what the strip above every page reads
        world.make_bar(world.make_instrument(symbol), DAY, Decimal(20))
    Instrument.objects.filter(symbol__in=("AAA", "BBB")).update(sector="Energy")
    if later:
        everything_happens(stage)

    around = frame(stage)
    costs = {name: asked(stage, address(stage, name)) - around for name in PAGES}

    assert {name: cost for name, cost in costs.items() if cost > MOST} == {}


def test_links_of_a_past_page_stay_in_its_time(stage: SimpleNamespace) -> None:
    quote = stage.client.get(address(stage, "quote")).content.decode()
    watched = stage.client.get(address(stage, "watchlist")).content.decode()

    assert f"range=1M&amp;style=line&amp;as_of={DAY}" in quote
    assert f"/quotes/AAA/?as_of={DAY}" in watched


@pytest.mark.parametrize(
    ("path", "day", "words"),
    [
        ("/", "banana", "a day that is none"),
        ("/", "2030-01-01", "1 Jan 2030 has not come yet."),
        ("/", "1990-01-02", "the calendar begins later"),
        ("/import/", "2016-06-15", "This page has no past"),
    ],
)
def test_a_page_that_shows_no_past_says_why(
    stage: SimpleNamespace, path: str, day: str, words: str
) -> None:
    shown = stage.client.get(path, {"as_of": day}).content.decode()

    assert "<b>Present figures</b>" in shown
    assert words in shown
    assert "<b>Present figures</b>" not in stage.client.get(path).content.decode()
