"""REST of the data's state: quality, sources, and the prices that wait for a person."""

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent
from marketdata.models import (
    CorporateAction,
    DailyBar,
    DataRefresh,
    Instrument,
    PriceSeries,
    QuarantinedPrice,
    ReplayClock,
)
from marketdata.selectors import calendar

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
DAY = date(2020, 6, 30)
CLOSE = datetime(2020, 6, 30, 20, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def standing(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    settings.MARKETDATA_PROVIDER = "yfinance,csv"
    ReplayClock.objects.create(start=DAY, session_date=DAY, as_of=CLOSE, moved_at=CLOSE)


def signed_in(email: str, *groups: str) -> APIClient:
    user = get_user_model().objects.create_user(email=email, password="x" * 12)
    user.groups.set([Group.objects.get(name=name) for name in groups])
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def reader() -> APIClient:
    return signed_in("reader@example.com")


@pytest.fixture
def operator() -> APIClient:
    return signed_in("operator@example.com", "Operator")


def fund(symbol: str, *closes: str, until: date = DAY) -> Instrument:
    made = Instrument.objects.create(symbol=symbol, name=symbol, kind="etf", price_basis="close")
    first = calendar.previous(calendar.next(until), len(closes)) if closes else until
    for day, close in zip(calendar.between(first, until), closes, strict=False):
        DailyBar.objects.create(
            instrument=made, session_date=day, source="csv", close=close, price_basis="close"
        )
    return made


def doubt(instrument: Instrument, **facts: Any) -> QuarantinedPrice:
    value = facts.pop("value", "50.0")
    given = {
        "session_date": DAY,
        "source": "csv",
        "price_basis": "close",
        "raw": {"close": value},
        "value": value,
        "compared_with": "100",
        "reason": "split_without_action",
    } | facts
    return QuarantinedPrice.objects.create(
        instrument=instrument, symbol=instrument.symbol, dataset="daily_bars", **given
    )


def asked(source: str, status: str, minutes: int, expected: int = 1, received: int = 0) -> None:
    at = CLOSE + timedelta(minutes=minutes)
    DataRefresh.objects.create(
        dataset="provider",
        source=source,
        session_date=DAY,
        status=status,
        expected=expected,
        received=received,
        error="" if received == expected else f"SPY: timed out at {minutes}",
        started_at=at,
        finished_at=at,
    )


def test_quality_says_which_series_to_distrust_and_why(reader: APIClient) -> None:
    fund("GOOD", *["10"] * 40)
    gappy = fund("GAPPY", *["10"] * 40)
    DailyBar.objects.filter(instrument=gappy, session_date__lt=DAY).filter(
        session_date__gt=date(2020, 6, 10)
    ).delete()
    fund("SHORT", *["10"] * 5)
    fund("OLD", *["10"] * 40, until=date(2020, 6, 25))
    fund("NONE")
    doubt(fund("HELD", *["10"] * 40))

    body = reader.get(f"{V1}/data/quality").json()

    assert (body["session_date"], body["live"]) == ("2020-06-30", True)
    assert body["series"]["total"] == 6
    assert body["series"]["good"] == 1
    assert {each["symbol"]: each["complaints"] for each in body["series"]["complaints"]} == {
        "GAPPY": ["low_coverage", "short_history"],
        "HELD": ["held_back"],
        "NONE": ["no_prices"],
        "OLD": ["old"],
        "SHORT": ["short_history"],
    }
    assert body["quarantine"] == {"held": 1, "by_reason": {"split_without_action": 1}}
    newest = body["sessions"][-1]
    assert (newest["session_date"], newest["there"], newest["total"]) == ("2020-06-30", 4, 6)
    assert newest["share"] == pytest.approx(4 / 6)
    assert len(body["sessions"]) == 60
    etfs = next(each for each in body["datasets"] if each["dataset"] == "etf_prices")
    assert etfs["complaints"] == ["low_coverage"]


def test_a_friday_close_is_not_old_on_monday_morning(reader: APIClient) -> None:
    fund("SPY", *["10"] * 40, until=date(2020, 6, 26))
    ReplayClock.objects.update(session_date=date(2020, 6, 26), as_of=CLOSE - timedelta(days=1))

    body = reader.get(f"{V1}/data/quality").json()

    assert body["series"]["good"] == 1


def test_a_source_is_degraded_after_three_failures_and_well_after_an_answer(
    reader: APIClient,
) -> None:
    def states() -> dict[str, dict[str, Any]]:
        body = reader.get(f"{V1}/data/providers").json()
        return {each["provider"]: each for each in body["results"]}

    assert {name: each["state"] for name, each in states().items()} == {
        "yfinance": "not_asked",
        "csv": "not_asked",
    }
    asked("yfinance", "succeeded", 1, 5, 5)
    asked("yfinance", "failed", 2)
    asked("yfinance", "failed", 3)
    found = states()["yfinance"]
    assert (found["state"], found["failures_in_a_row"], found["rank"]) == ("ok", 2, 1)
    assert found["words"] == "answered before; the newest question failed"

    asked("yfinance", "failed", 4)
    found = states()["yfinance"]
    assert (found["state"], found["failures_in_a_row"]) == ("degraded", 3)
    assert "failed 3 times in a row" in found["words"]
    assert found["last_error"] == "SPY: timed out at 4"
    assert found["last_answer_at"] == "2020-06-30T20:01:00.000Z"
    assert "questions a minute" in found["rate"]
    assert found["serves"][:2] == ["daily_bars", "yields"]

    asked("yfinance", "succeeded", 5, 5, 5)
    assert states()["yfinance"]["state"] == "ok"
    # three in a row within one question
    asked("yfinance", "degraded", 6, 9, 5)
    assert states()["yfinance"]["state"] == "degraded"


def test_doubts_are_listed_narrowed_and_paged(reader: APIClient) -> None:
    one, two = fund("AAA"), fund("BBB")
    doubt(one)
    doubt(two, session_date=date(2020, 6, 29), reason="jump", source="yfinance")
    doubt(two, session_date=date(2020, 6, 26), state="rejected")

    def found(query: str = "") -> list[tuple[str, str]]:
        body = reader.get(f"{V1}/data/quarantine{query}").json()
        return [(each["symbol"], each["session_date"]) for each in body["results"]]

    assert found() == [("AAA", "2020-06-30"), ("BBB", "2020-06-29"), ("BBB", "2020-06-26")]
    assert found("?state=held&symbol=bbb") == [("BBB", "2020-06-29")]
    assert found("?reason=jump") == found("?source=yfinance") == [("BBB", "2020-06-29")]
    assert found("?start=2020-06-29&end=2020-06-29") == [("BBB", "2020-06-29")]
    assert found("?limit=1&offset=1") == [("BBB", "2020-06-29")]
    assert found("?ordering=session_date")[0] == ("BBB", "2020-06-26")
    assert reader.get(f"{V1}/data/quarantine?state=odd").status_code == 400
    assert reader.get(f"{V1}/data/quarantine?colour=red").status_code == 400
    first = reader.get(f"{V1}/data/quarantine?limit=1").json()["results"][0]
    assert (first["value"], first["compared_with"], first["raw"]) == (
        "50.0",
        "100",
        {"close": "50.0"},
    )


def test_figures_of_a_doubt_come_with_what_makes_them_todays(
    operator: APIClient, django_assert_max_num_queries: Any
) -> None:
    aaa, bbb = fund("AAA"), fund("BBB")
    CorporateAction.objects.create(
        instrument=aaa, kind="split", ex_date=DAY, ratio=Decimal(4), source="csv", status="applied"
    )
    before = date(2020, 6, 26)
    raw = {"close": "200.0", "volume": None, "units": "2.0", "revision": 3}
    doubt(aaa, session_date=before, value="200.0", raw=raw)
    held = doubt(aaa, session_date=date(2020, 6, 25), value="400.0")
    doubt(bbb)

    with django_assert_max_num_queries(4):
        rows = operator.get(f"{V1}/data/quarantine").json()["results"]

    assert [(each["symbol"], each["shares"]) for each in rows] == [
        ("BBB", 1.0),
        ("AAA", 2.0),  # it had been divided by two already
        ("AAA", 4.0),
    ]
    # nothing of ours stands beside what the source gave
    assert rows[1]["raw"] == {"close": "200.0", "volume": None}
    one = operator.post(f"{V1}/data/quarantine/{held.pk}/reject").json()
    assert (one["shares"], one["raw"]) == (4.0, {"close": "400.0"})
    body = {"doubt_ids": [str(held.pk)], "verdict": "reject"}
    several = operator.post(f"{V1}/data/quarantine/decide", body, format="json").json()
    assert [each["shares"] for each in several["decided"]] == [4.0]


def test_an_operator_accepts_and_the_price_is_there(operator: APIClient, reader: APIClient) -> None:
    aaa = fund("AAA", "100", until=date(2020, 6, 29))
    held = doubt(aaa)
    path = f"{V1}/data/quarantine/{held.pk}/accept"
    assert reader.post(path).status_code == 403

    answer = operator.post(path, {"note": "a split"}, format="json")
    again = operator.post(path, {"note": "a split"}, format="json")

    assert answer.status_code == again.status_code == 200
    assert (answer.json()["state"], answer.json()["note"]) == ("accepted", "a split")
    assert DailyBar.objects.get(instrument=aaa, session_date=DAY).close == Decimal(50)
    assert PriceSeries.objects.get(instrument=aaa).close.tolist()[-1] == 50
    assert AuditEvent.objects.filter(action="price.accepted").count() == 1
    refused = operator.post(f"{V1}/data/quarantine/{held.pk}/reject")
    assert (refused.status_code, refused.json()["code"]) == (409, "already_decided")


def test_an_operator_rejects_and_nothing_is_stored(operator: APIClient) -> None:
    held = doubt(fund("AAA"))

    answer = operator.post(f"{V1}/data/quarantine/{held.pk}/reject")

    assert (answer.status_code, answer.json()["state"]) == (200, "rejected")
    assert not DailyBar.objects.exists()
    missing = operator.post(f"{V1}/data/quarantine/{uuid.uuid4()}/reject")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    unknown = operator.post(f"{V1}/data/quarantine/{held.pk}/reject", {"why": 1}, format="json")
    assert unknown.status_code == 400
