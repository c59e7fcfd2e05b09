"""Valuations over the API: estimates with their day and method, never a price."""

import pytest

from etftrader.core.records import AuditEvent
from marketdata.models import Instrument, Valuation
from marketdata.tests.api.people import V1, client, fields
from marketdata.tests.option_world import clock_at, instrument

pytestmark = pytest.mark.django_db
URL = f"{V1}/valuations"
BODY = {
    "instrument": "AAA",
    "as_of_date": "2016-06-22",
    "method": "DCF",
    "ev": "1500000000",
    "equity_value": "1200000000.5",
    "target_price": "123.4567",
    "multiples": {"ev_ebitda": 8.5},
    "discount_rate": 0.08,
    "growth_rate": 0.02,
}


@pytest.fixture
def operator(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at()
    instrument("AAA")
    instrument("BBB")
    return client("operator", "Operator")


@pytest.fixture
def reader(operator):
    return client("reader")


@pytest.fixture
def kept(operator):
    answer = operator.post(URL, BODY, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_valuation_is_answered_as_it_was_kept(kept, reader):
    assert (kept["symbol"], kept["method"], kept["target_price"]) == ("AAA", "dcf", "123.4567")
    assert (kept["ev"], kept["equity_value"]) == ("1500000000.00", "1200000000.50")
    assert kept["multiples"] == {"ev_ebitda": 8.5}
    answer = reader.get(kept["url"])
    assert (answer.json(), answer["ETag"]) == (kept, '"v1"')
    assert reader.get(kept["url"], HTTP_IF_NONE_MATCH='"v1"').status_code == 304


BAD = [
    ({"instrument": "NOPE"}, "instrument"),
    ({"as_of_date": "2016-06-23"}, "as_of_date"),
    ({"as_of_date": "yesterday"}, "as_of_date"),
    ({"method": "a/b"}, "method"),
    ({"method": "bell\x07"}, "method"),
    ({"target_price": "1.23456"}, "target_price"),
    ({"target_price": "-1"}, "target_price"),
    ({"ev": "1e400"}, "ev"),
    ({"ev": "1" + "0" * 30}, "ev"),
    ({"ev": "NaN"}, "ev"),
    ({"discount_rate": 8}, "discount_rate"),
    ({"discount_rate": True}, "discount_rate"),
    ({"growth_rate": -1}, "growth_rate"),
    ({"multiples": [1]}, "multiples"),
    ({"multiples": {"pe": "8"}}, "multiples"),
    ({"multiples": {"pe": True}}, "multiples"),
    ({"multiples": {"<b>": 1}}, "multiples"),
    ({"multiples": {f"m{n}": n for n in range(21)}}, "multiples"),
    ({"ev": None, "equity_value": None, "target_price": None, "multiples": {}}, "target_price"),
    ({"opinion": "good"}, "opinion"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_bad_body_names_its_field_and_keeps_nothing(operator, changes, field):
    answer = operator.post(URL, BODY | changes, format="json")

    assert answer.status_code == 400, answer.content
    assert fields(answer) == [field]
    assert not Valuation.objects.exists()


def test_a_day_and_a_method_have_one(operator, kept):
    answer = operator.post(URL, BODY, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "valuation_exists")


def test_figures_change_and_the_key_stays(operator, reader, kept):
    url = kept["url"]
    done = operator.patch(url, {"target_price": None}, format="json", HTTP_IF_MATCH='"v1"')
    assert (done.status_code, done.json()["target_price"], done["ETag"]) == (200, None, '"v2"')
    late = operator.patch(url, {"ev": "1"}, format="json", HTTP_IF_MATCH='"v1"')
    assert (late.status_code, late.json()["object"]["version"]) == (412, 2)
    for change in ({"method": "multiples"}, {"as_of_date": "2016-06-21"}):
        answer = operator.patch(url, change, format="json")
        assert (answer.status_code, fields(answer)) == (400, list(change))
    whole = {"instrument": "AAA", "as_of_date": "2016-06-22", "method": "dcf", "ev": "7"}
    put = operator.put(url, whole, format="json").json()
    assert (put["ev"], put["equity_value"], put["multiples"]) == ("7.00", None, {})
    other = operator.put(url, whole | {"instrument": "BBB"}, format="json")
    assert (other.status_code, fields(other)) == (400, ["instrument"])
    assert reader.patch(url, {"ev": "1"}, format="json").status_code == 403


def test_what_is_taken_back_is_gone_and_audited(operator, kept):
    assert operator.delete(kept["url"], HTTP_IF_MATCH='"v9"').status_code == 412
    assert operator.delete(kept["url"]).status_code == 204
    assert operator.get(kept["url"]).status_code == 404
    line = AuditEvent.objects.get(action="valuation.deleted")
    assert line.before["target_price"] == "123.4567"


def test_of_a_private_thing_only_its_owner_sees_and_keeps_them(operator, reader):
    Instrument.objects.create(
        symbol="MINE", name="My house", kind="private_fund", pricing="manual",
        price_basis="manual", owner_id=reader.user.pk,
    )  # fmt: skip
    body = BODY | {"instrument": "MINE"}
    assert operator.post(URL, body, format="json").status_code == 400
    mine = reader.post(URL, body, format="json")
    assert mine.status_code == 201
    assert operator.get(mine.json()["url"]).status_code == 404
    assert operator.get(URL).json()["count"] == 0
    assert reader.get(f"{URL}?symbol=MINE").json()["count"] == 1


def test_the_list_is_by_instrument_day_and_method_and_never_after_the_clock(operator, kept):
    operator.post(URL, BODY | {"instrument": "BBB", "as_of_date": "2016-06-20"}, format="json")
    ahead = Instrument.objects.get(symbol="AAA")
    Valuation.objects.create(
        instrument=ahead, as_of_date="2016-07-01", method="dcf", target_price=1
    )

    def days(query):
        return [each["as_of_date"] for each in operator.get(f"{URL}?{query}").json()["results"]]

    assert days("") == ["2016-06-22", "2016-06-20"]
    assert days("ordering=as_of_date") == ["2016-06-20", "2016-06-22"]
    assert days("symbol=bbb") == days("as_of_date__lte=2016-06-21") == ["2016-06-20"]
    assert days(f"instrument={kept['instrument']}&method=dcf") == ["2016-06-22"]
    assert days("search=aa") == ["2016-06-22"]
    assert operator.get(f"{URL}?sort=x").status_code == 400


def test_batches_make_change_and_take_back(operator, kept):
    items = [BODY | {"instrument": "BBB"}, BODY]
    whole = operator.post(f"{URL}/batch", items, format="json")
    assert (whole.status_code, fields(whole)) == (400, ["1"])
    assert Valuation.objects.count() == 1
    each = operator.post(f"{URL}/batch?partial=true", items, format="json").json()
    assert [one["status"] for one in each["results"]] == [201, 409]
    other = each["results"][0]["object"]["id"]
    changed = operator.patch(
        f"{URL}/batch", [{"id": other, "version": 1, "ev": "9"}], format="json"
    )
    assert changed.json()[0]["ev"] == "9.00"
    gone = operator.delete(f"{URL}/batch", [other, "no-id"], format="json")
    assert (gone.status_code, fields(gone)) == (400, ["1"])
    gone = operator.delete(f"{URL}/batch", [{"id": other, "version": 2}], format="json")
    assert (gone.status_code, Valuation.objects.count()) == (200, 1)
