"""Twenty files of prices a person and day, by page and API together."""

import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from rest_framework.test import APIClient

from etftrader.core import livestate
from etftrader.services import price_files
from marketdata.models import DailyBar
from trading.tests import world

pytestmark = pytest.mark.django_db
PAGE, API = "/data/import/", "/api/v1/data/import"
IN_PLACE = {"HTTP_HX_REQUEST": "true", "HTTP_HX_TARGET": "outcome"}
MOST = 3


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    assert settings.RATE_LIMITS[price_files.FILES] == (20, 24 * 3600)
    roomy = dict.fromkeys(settings.RATE_LIMITS, (100_000, 1))
    settings.RATE_LIMITS = roomy | {price_files.FILES: (MOST, 24 * 3600)}
    world.make_market()
    return sender("boss@example.com")


def sender(address: str) -> SimpleNamespace:
    user = world.make_user(address)
    world.add_to_group(user, "Operator")
    page, api = Client(), APIClient()
    page.force_login(user)
    api.force_authenticate(user)
    return SimpleNamespace(page=page, api=api)


@pytest.fixture(autouse=True)
def _own_client() -> Iterator[None]:
    yield
    livestate.client.cache_clear()
    livestate.script.cache_clear()


def text(number: int) -> str:
    return f"date,symbol,close\n2016-06-21,AAA,{99 + number / 100}\n"


def by_page(who: Any, number: int, **more: Any) -> Any:
    file = SimpleUploadedFile("prices.csv", text(number).encode())
    where = {key: more.pop(key) for key in IN_PLACE if key in more}
    return who.page.post(PAGE, {"file": file, **more}, **where)


def by_api(who: Any, number: int, query: str = "", **more: Any) -> Any:
    return who.api.post(f"{API}{query}", text(number).encode(), content_type="text/csv", **more)


def closes() -> list[float]:
    rows = DailyBar.objects.filter(source="csv").values_list("close", flat=True)
    return [float(each) for each in rows]


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_page_and_api_count_together_and_say_when_to_come_back(stage: Any) -> None:
    sent = [by_page(stage, 1), by_api(stage, 2), by_page(stage, 3)]
    assert [each.status_code for each in sent] == [200] * MOST

    over = by_api(stage, 4)
    page = by_page(stage, 5)
    in_place = by_page(stage, 6, **IN_PLACE)

    assert (over.status_code, over.json()["code"]) == (429, "too_many_files")
    assert page.status_code == 429
    assert in_place.status_code == 422  # what the page puts where the verdict is awaited
    for each in (over, page, in_place):
        assert 86_000 < int(each["Retry-After"]) <= 86_400
    for each in (page, in_place):
        assert "3 files a day are taken, and you sent as many. Try again in 24 h." in words(each)
    assert "<html" not in in_place.content.decode()
    assert closes() == [99.03]
    # another person's day is another one
    assert by_api(sender("other@example.com"), 4).status_code == 200


def test_a_file_that_is_checked_and_then_stored_is_one(stage: Any) -> None:
    for number in range(MOST):
        assert by_page(stage, number, check="true").status_code == 200
        assert by_page(stage, number).status_code == 200
        assert by_api(stage, number, "?check=true").status_code == 200

    assert by_api(stage, MOST).status_code == 429
    # and what was taken may be sent again
    assert by_api(stage, 0).status_code == 200


def test_a_repeated_request_is_no_other_file_and_a_refused_file_is_one(stage: Any) -> None:
    key = {"HTTP_IDEMPOTENCY_KEY": "prices-of-june-1"}
    bad = b"date,symbol,close\n2016-06-21,AAA,plenty\n"
    for _ in range(MOST + 1):
        assert by_api(stage, 1, **key).status_code == 200
    for number in range(MOST - 1):
        body = bad + b"\n" * number
        assert stage.api.post(API, body, content_type="text/csv").status_code == 422

    assert by_api(stage, 2).status_code == 429


def test_the_limit_holds_while_the_live_store_is_away(stage: Any, settings: Any) -> None:
    settings.LIVE_URL = "redis://127.0.0.1:1/0"
    livestate.client.cache_clear()
    livestate.script.cache_clear()

    assert [by_api(stage, number).status_code for number in range(MOST + 1)] == [
        *[200] * MOST, 429,
    ]  # fmt: skip
