"""No page asks more than twelve queries beside its frame, however much the book has."""

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from etftrader.testing.matrix import undone
from etftrader.tests import rich_book
from risk.services import monitor

pytestmark = pytest.mark.django_db
MOST = 12  # beside the frame: what the glossary costs, which reads nothing of its own
BOOK = "/portfolios/{book}/"
PAGES = (
    "/",
    "/portfolios/",
    BOOK,
    BOOK + "positions/",
    BOOK + "positions/?group=tag",
    BOOK + "positions/?group=underlying",
    BOOK + "positions/{held}/",
    BOOK + "positions/{option}/",
    BOOK + "orders/?show=all",
    BOOK + "orders/?show=open",
    BOOK + "orders/{order}/",
    BOOK + "orders/{waiting}/",
    BOOK + "trades/",
    BOOK + "trade/",
    BOOK + "trade/?symbol=AAA",
    BOOK + "trade/?symbol=F10",
    BOOK + "basket/",
    BOOK + "baskets/{basket}/",
    BOOK + "costs/",
    BOOK + "risk/",
    BOOK + "risk/limits/",
    BOOK + "greeks/",
    BOOK + "greeks/?open=SPY",
    BOOK + "greeks/SPY/",
    BOOK + "performance/",
    BOOK + "cash/",
    BOOK + "transfer/",
    BOOK + "sharing/",
    BOOK + "settings/",
    "/portfolios/compare/?ids={book},{other}",
    "/accounts/",
    "/accounts/{account}/",
    "/settings/",
    "/import/",
    "/import/{file}/",
    "/reports/",
    "/tags/",
    "/watchlists/",
    "/watchlists/{list}/",
    "/alerts/",
    "/quotes/",
    "/quotes/AAA/",
    "/quotes/SPY/",
    "/quotes/SPY160819C00212000/",
    "/quotes/SPY/options/",
    "/data/",
    "/data/quarantine/",
    "/data/actions/",
    "/data/import/",
    "/schedules/",
    "/jobs/",
    "/jobs/{run}/",
)


def address(stage: SimpleNamespace, page: str) -> str:
    names = (
        "book",
        "other",
        "held",
        "option",
        "order",
        "waiting",
        "basket",
        "list",
        "run",
    )
    known = {name: getattr(stage, name).pk for name in names}
    return page.format(**known, account=stage.book.account_id, file=stage.file["import_id"])


def asked(stage: SimpleNamespace, path: str) -> int:
    answer = stage.client.get(path)
    assert answer.status_code == 200, (path, answer.status_code)
    with CaptureQueriesContext(connection) as queries:
        stage.client.get(path)
    return len(queries)


def costs(settings: Any, rounds: int) -> dict[str, int]:
    """Each page's queries beside the frame, in a book of so many rounds."""
    monitor.forget()
    with undone():
        stage = rich_book.make(settings, rounds)
        frame = asked(stage, "/glossary/")
        return {page: asked(stage, address(stage, page)) - frame for page in PAGES}


def test_pages_of_a_rich_book_need_few_queries_and_no_more_for_more_rows(settings: Any) -> None:
    few, many = costs(settings, 1), costs(settings, 2)

    assert {page: cost for page, cost in few.items() if cost > MOST} == {}
    assert {page: cost for page, cost in many.items() if cost > few[page]} == {}
