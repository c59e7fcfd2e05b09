"""Corrections of option contracts through the API: what may change, and for whom."""

import pytest

from marketdata.tests.api.test_options_api import client_of
from marketdata.tests.option_world import clock_at, instrument

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
CALL = "SPY160819C00212000"


@pytest.fixture
def operator(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    return client_of("operator@example.com", "Operator")


@pytest.fixture
def listed(operator):
    """One contract without quotes."""
    instrument("SPY")
    clock_at()
    return operator.post(f"{V1}/options", {"symbol": CALL}, format="json").json()


def test_how_a_contract_is_settled_is_corrected_and_its_terms_stay(operator, listed):
    url = listed["url"]

    done = operator.patch(url, {"style": "european", "delta": 0.5}, format="json")

    told = done.json()
    assert (done.status_code, told["style"], told["version"]) == (200, "european", 2)
    assert [each["code"] for each in told["warnings"]] == ["computed_here"]
    assert told["delta"] is None
    same = {
        "underlying": listed["underlying"],
        "strike": listed["strike"],
        "expiry": listed["expiry"],
    }
    terms = {"style": "american", "settlement": "cash", "am_settled": True}
    put = operator.put(url, same | terms, format="json", HTTP_IF_MATCH='"v2"')
    read = operator.get(url)
    assert (put.status_code, put.json()["settlement"], put.json()["version"]) == (200, "cash", 3)
    assert (put["ETag"], put.json()) == (read["ETag"], read.json())
    for change, field in (
        ({"strike": "1"}, "strike"),
        ({"expiry": "2016-09-16"}, "expiry"),
        ({"option_type": "put"}, "option_type"),
        ({"style": "asian"}, "style"),
        ({"symbol": "SPY160916C00212000"}, "symbol"),
    ):
        answer = operator.patch(url, change, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, field), change
    missing = operator.put(url, {"style": "american"}, format="json")
    assert [(each["attr"], each["code"]) for each in missing.json()["errors"]] == [
        ("settlement", "required"),
        ("am_settled", "required"),
    ]
    late = operator.patch(url, {"style": "european"}, format="json", HTTP_IF_MATCH='"v1"')
    assert (late.status_code, late.json()["object"]) == (412, read.json())
    assert (late.json()["current"], late.json()["version"]) == (read["ETag"], 3)


def test_a_change_with_remarks_is_answered_under_a_tag_of_its_own(operator, listed):
    url = listed["url"]

    noted = operator.patch(url, {"style": "european", "delta": 0.5}, format="json")

    after = operator.get(url, HTTP_IF_NONE_MATCH=noted["ETag"])
    assert (after.status_code, after.json()["warnings"]) == (200, [])
    assert noted["ETag"] != after["ETag"]
    body = {"style": "american"}
    assert operator.patch(url, body, format="json", HTTP_IF_MATCH=noted["ETag"]).status_code == 200


def test_a_retired_contract_stays_readable(operator, listed):
    done = operator.delete(listed["url"], HTTP_IF_MATCH='"v1"')

    read = operator.get(listed["url"])
    assert (done.status_code, done.json()["active"], done["ETag"]) == (200, False, read["ETag"])
    assert operator.get(f"{V1}/options?active=true").json()["count"] == 0
    assert operator.get(f"{V1}/options?active=false&search=spy").json()["count"] == 1
    assert operator.get(listed["url"]).json()["active"] is False


def test_many_contracts_are_corrected_and_retired(operator, listed):
    items = [{"id": CALL, "version": 1, "style": "european"}, {"id": "no option"}]

    whole = operator.patch(f"{V1}/options/batch", items, format="json")
    assert (whole.status_code, whole.json()["errors"][0]["attr"]) == (400, "1")
    each = operator.patch(f"{V1}/options/batch?partial=true", items, format="json").json()
    assert [one["status"] for one in each["results"]] == [200, 404]
    gone = operator.delete(
        f"{V1}/options/batch", [{"id": listed["id"], "version": 2}], format="json"
    )
    assert (gone.status_code, gone.json()[0]["active"]) == (200, False)
