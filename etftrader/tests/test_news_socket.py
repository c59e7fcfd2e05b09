"""What was valued, brought in or written is told to who listens, through a real socket."""

import json
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from etftrader.core import push
from etftrader.core.actor import Actor
from etftrader.services import reports
from etftrader.services.reports import Wish
from etftrader.tests.test_t22_sockets import Server, server, subscribe, tell, token_of, until
from portfolios.models import Portfolio
from portfolios.services import csv_import, import_booking, snapshots
from portfolios.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
assert server  # the fixture of the sockets' own tests: one real web process
TUESDAY, WEDNESDAY = date(2016, 6, 21), date(2016, 6, 22)


@pytest.fixture
def book(settings: Any) -> Portfolio:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    factories.make_clock(WEDNESDAY)
    fund = factories.make_instrument("AAA")
    factories.make_closes(fund, {TUESDAY: 100, WEDNESDAY: 101})
    made = factories.make_portfolio(cash=100_000, session_date=TUESDAY)
    factories.fill(made, fund, 10, 100, session_date=TUESDAY)
    return made


@pytest.fixture
def ws(server: Server, book: Portfolio) -> Iterator[ClientConnection]:
    """An open socket of the owner, who hears the book's analyses and their own notices."""
    with server.open() as line:
        tell(line, type="auth", token=token_of(factories.make_user())[1])
        until(line, lambda m: m["type"] == "authenticated")
        assert subscribe(line, *channels(book))["rejected"] == []
        yield line


def channels(book: Portfolio) -> tuple[str, str]:
    return f"portfolio.{book.pk}.analytics", f"user.{factories.make_user().pk}.notices"


def heard(ws: ClientConnection, event: str) -> Any:
    return until(ws, lambda m: m["type"] == "update" and m["event"] == event)


def test_a_book_that_was_valued_is_told_once_with_its_newest_session(
    ws: ClientConnection, book: Portfolio
) -> None:
    snapshots.take_range(portfolio_ids=[book.pk], sessions=[TUESDAY, WEDNESDAY])

    told = heard(ws, "snapshot.created")
    assert told["channel"] == channels(book)[0]
    assert told["data"] == {
        "session_date": "2016-06-22",
        "url": f"/portfolios/{book.pk}/performance/",
    }
    seq = told["seq"]
    snapshots.take_range(portfolio_ids=[book.pk], sessions=[TUESDAY, WEDNESDAY])
    newest = push.newest(channels(book)[0])
    assert newest is not None
    assert newest["seq"] == seq  # the same again changes nothing, and nothing is said


def test_a_report_that_is_ready_is_told_to_who_asked(ws: ClientConnection, book: Portfolio) -> None:
    snapshots.take(portfolio_ids=[book.pk], session_date=WEDNESDAY)
    user = factories.make_user()
    wish = Wish("positions", "csv", WEDNESDAY)
    report = reports.ask(portfolio=book, wish=wish, user_id=user.pk, by=Actor.of_user(user))

    reports.build(report_id=report.pk)

    told = heard(ws, "report.ready")
    assert told["data"] == {"id": str(report.pk), "status": "ready", "url": "/reports/"}


def test_a_file_that_was_booked_is_told_to_who_brought_it(
    ws: ClientConnection, book: Portfolio
) -> None:
    user = factories.make_user()
    data = b"date,type,amount\n2016-06-22,deposit,100\n"
    file = csv_import.read(data=data, user=user, kind="cash", encoding="utf-8")
    batch = csv_import.check(
        portfolio_id=book.pk, user=user, file_name="a.csv", file=file, session_date=WEDNESDAY
    )

    import_booking.commit(batch_id=batch.pk, by=Actor.of_user(user))

    told = heard(ws, "import.finished")
    assert told["data"] == {
        "id": str(batch.pk),
        "status": "committed",
        "url": f"/import/{batch.pk}/",
    }


def test_anothers_notices_are_not_to_be_heard(server: Server, book: Portfolio) -> None:
    stranger = factories.make_user("stranger@example.com")
    with server.open() as line:
        tell(line, type="auth", token=token_of(stranger)[1])
        until(line, lambda m: m["type"] == "authenticated")
        told = subscribe(line, *channels(book))

    assert [each["code"] for each in told["rejected"]] == ["not_found", "not_found"]
    assert json.dumps(told["channels"]) == "[]"
