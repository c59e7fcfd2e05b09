"""POST /data/update while the market is live: what is missing, by whom, how often."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from etftrader.core.actor import system
from etftrader.core.records import JobRun
from marketdata.models import Instrument, ReplayClock
from portfolios.models import Account, Membership, Portfolio, Position
from portfolios.services import accounts

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
DAY = date(2020, 6, 30)
CLOSE = datetime(2020, 6, 30, 20, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def standing(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    settings.MARKETDATA_PROVIDER = "yfinance,csv"
    ReplayClock.objects.create(start=DAY, session_date=DAY, as_of=CLOSE, moved_at=CLOSE)


def signed_in(email: str, *groups: str) -> tuple[APIClient, Any]:
    user = accounts.create_user(email=email, password="x" * 12, by=system("tests"))
    user.groups.add(*Group.objects.filter(name__in=groups))
    client = APIClient()
    client.force_authenticate(user)
    return client, user


@pytest.fixture
def operator() -> APIClient:
    return signed_in("operator@example.com", "Operator")[0]


def test_live_an_operator_asks_for_what_is_missing(operator: APIClient) -> None:
    wish = {"dataset": "daily_bars", "symbols": ["spy", "TLT"], "start": "2020-01-02",
            "end": "2020-06-29"}  # fmt: skip

    answer = operator.post(f"{V1}/data/update", wish, format="json")
    same = operator.post(f"{V1}/data/update", wish, format="json")

    assert answer.status_code == same.status_code == 202
    assert answer.json()["id"] == same.json()["id"]
    run = JobRun.objects.get()
    assert (run.job, run.as_of) == ("marketdata.sync_prices", DAY)
    assert run.inputs == {
        "datasets": ["daily_bars"],
        "symbols": ["SPY", "TLT"],
        "start": "2020-01-02",
        "end": "2020-06-29",
    }
    assert ReplayClock.objects.get().session_date == DAY


@pytest.mark.parametrize(
    ("wish", "attr"),
    [
        ({"dataset": "tea"}, "dataset"),
        ({"symbols": []}, "symbols"),
        ({"symbols": ["../x"]}, "symbol"),
        ({"symbols": ["A"] * 201}, "symbols"),
        ({"start": "2020-06-30", "end": "2020-06-29"}, "start"),
        ({"end": "2020-07-01"}, "end"),
        ({"start": "tomorrow"}, "start"),
        ({"days": 3}, "days"),
    ],
)
def test_a_wish_that_cannot_be_is_refused(
    operator: APIClient, wish: dict[str, Any], attr: str
) -> None:
    answer = operator.post(f"{V1}/data/update", wish, format="json")

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["attr"].startswith(attr)
    assert not JobRun.objects.exists()


def test_an_owner_updates_what_the_own_books_hold_every_five_minutes() -> None:
    client, user = signed_in("owner@example.com")
    book = Portfolio.objects.create(account=Account.objects.get(customer__user=user), name="Book")
    Membership.objects.create(portfolio=book, user=user, role="owner")
    aaa, bbb = (
        Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")
        for symbol in ("AAA", "BBB")
    )
    Position.objects.create(portfolio=book, instrument=aaa, quantity=1)
    # sold again
    Position.objects.create(portfolio=book, instrument=bbb, quantity=0)
    path = f"{V1}/data/update"

    for wish in ({}, {"symbols": ["BBB"]}, {"symbols": ["AAA", "BBB"]}):
        answer = client.post(path, wish, format="json")
        assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert client.post(path, {"symbols": ["AAA"]}, format="json").status_code == 202
    again = client.post(path, {"symbols": ["AAA"]}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "asked_recently")
    JobRun.objects.update(created_at=CLOSE, status="succeeded")
    assert client.post(path, {"symbols": ["AAA"]}, format="json").status_code == 202


def test_a_replay_goes_on_by_whole_sessions(operator: APIClient, settings: Any) -> None:
    settings.MARKETDATA_PROVIDER = "bundled"
    ReplayClock.objects.update(session_date=date(2016, 6, 22))

    answer = operator.post(f"{V1}/data/update", {"dataset": "yields"}, format="json")
    assert answer.status_code == 400
    [error] = answer.json()["errors"]
    assert (error["attr"], error["code"]) == ("dataset", "replay_advances_sessions")
    assert operator.post(f"{V1}/data/update", {}, format="json").status_code == 202
    assert JobRun.objects.get().job == "etftrader.advance"
