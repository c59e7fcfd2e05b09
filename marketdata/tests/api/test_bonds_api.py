"""REST of bonds: their terms and figures, new ones, changes under a version."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent
from marketdata.choices import Source
from marketdata.models import Bond, DailyBar, Instrument
from marketdata.tests.option_world import DAY, NEXT, clock_at

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
BODY = {
    "instrument": "ACME-26",
    "name": "Acme 4.5 % 2026",
    "face_value": "1000",
    "coupon_rate": 0.045,
    "frequency": 2,
    "issued": "2016-05-15",
    "maturity_years": 10,
    "ytm": 0.04,
}


@pytest.fixture
def operator(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at()
    user = get_user_model().objects.create_user(email="operator@example.com", password="x" * 12)
    user.groups.add(Group.objects.get_or_create(name="Operator")[0])
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def reader(operator):
    user = get_user_model().objects.create_user(email="reader@example.com", password="x" * 12)
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def bond(operator):
    answer = operator.post(f"{V1}/bonds", BODY, format="json")
    assert answer.status_code == 201, answer.content
    return answer.json()


def test_a_new_bond_answers_its_terms_and_figures(operator, bond, reader):
    assert bond["maturity"] == "2026-05-15"
    assert (bond["face_value"], bond["symbol"]) == ("1000.00", "ACME-26")
    assert (bond["ytm"], bond["ytm_source"], bond["price"]) == (0.04, "stated", None)
    assert bond["duration"] == pytest.approx(8.0, abs=0.2)
    assert bond["convexity"] > bond["duration"]
    assert bond["maturity_years"] == pytest.approx(3614 / 365)
    assert bond["reasons"] == {"price": "no_price"}
    answer = reader.get(bond["url"])
    assert answer["ETag"].startswith('"v1.')
    assert answer.json() == bond
    assert AuditEvent.objects.filter(action="bond.created").count() == 1


def test_a_bond_without_yield_and_price_says_so(operator):
    body = operator.post(f"{V1}/bonds", BODY | {"ytm": None}, format="json").json()

    assert (body["ytm"], body["duration"], body["convexity"]) == (None, None, None)
    assert body["reasons"]["duration"] == body["reasons"]["ytm"] == "no_price"


BAD = [
    ({"instrument": ""}, "instrument"),
    ({"instrument": "A B"}, "instrument"),
    ({"coupon_rate": "much"}, "coupon_rate"),
    ({"coupon_rate": 4.5}, "coupon_rate"),
    ({"coupon_rate": True}, "coupon_rate"),
    ({"face_value": "-1"}, "face_value"),
    ({"face_value": "100.001"}, "face_value"),
    ({"frequency": 3}, "frequency"),
    ({"frequency": 0}, "frequency"),
    ({"basis": "act/365"}, "basis"),
    ({"issued": "9999-12-31", "maturity_years": 1}, "issued"),
    ({"issued": "9999-12-31", "maturity_years": 0}, "issued"),
    ({"issued": "2036-01-01", "maturity_years": 1}, "issued"),
    ({"issued": "0001-01-01", "maturity_years": 1}, "issued"),
    ({"maturity": "2026-05-15"}, "maturity_years"),
    ({"maturity_years": 10.01}, "maturity_years"),
    ({"maturity_years": -1}, "maturity_years"),
    ({"maturity_years": 1e9}, "maturity_years"),
    ({"maturity_years": None, "maturity": "2016-01-01"}, "maturity_years"),
    ({"ytm": 4}, "ytm"),
    ({"currency": "usd"}, "currency"),
    ({"colour": "red"}, "colour"),
    ({"name": "x" * 121}, "name"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_bad_body_names_its_field_and_makes_nothing(operator, changes, field):
    answer = operator.post(f"{V1}/bonds", BODY | changes, format="json")

    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["attr"] == field
    assert not Bond.objects.exists()
    assert not Instrument.objects.exists()


def test_a_bond_without_a_maturity_is_none(operator):
    body = {name: value for name, value in BODY.items() if name != "maturity_years"}

    answer = operator.post(f"{V1}/bonds", body, format="json")

    assert answer.json()["errors"][0]["attr"] == "maturity"


def test_an_issue_beyond_the_calendar_is_refused_whatever_the_maturity(operator):
    body = {name: value for name, value in BODY.items() if name != "maturity_years"}
    body |= {"issued": "9990-01-01", "maturity": "9999-01-01", "frequency": 12}

    answer = operator.post(f"{V1}/bonds", body, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "issued")
    assert "2035-12-31" in answer.json()["errors"][0]["detail"]


def test_a_symbol_is_taken_once(operator, bond):
    answer = operator.post(f"{V1}/bonds", BODY, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "bond_exists")


def test_a_change_needs_the_version_that_was_read(operator, bond):
    url = bond["url"]

    first = operator.patch(url, {"ytm": 0.05}, format="json", HTTP_IF_MATCH='"v1"')
    late = operator.patch(url, {"ytm": 0.06}, format="json", HTTP_IF_MATCH='"v1"')

    assert (first.status_code, first.json()["ytm"]) == (200, 0.05)
    assert first["ETag"] == operator.get(url)["ETag"]
    assert first.json()["duration"] < bond["duration"]
    assert (late.status_code, late.json()["code"]) == (412, "version_mismatch")
    assert (late.json()["version"], late.json()["current"]) == (2, first["ETag"])
    assert late.json()["object"] == operator.get(url).json()
    assert operator.get(url).json()["ytm"] == 0.05


def test_a_change_that_is_none_is_refused(operator, bond, reader):
    for body, field in (
        ({"face_value": "100"}, "face_value"),
        ({"instrument": "OTHER"}, "instrument"),
        ({"frequency": 5}, "frequency"),
    ):
        answer = operator.patch(bond["url"], body, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, field)
    assert reader.patch(bond["url"], {"ytm": 0.1}, format="json").status_code == 403
    assert operator.get(bond["url"]).json() == bond


def test_computed_figures_are_read_and_answered_with_a_warning(operator):
    answer = operator.post(f"{V1}/bonds", BODY | {"duration": 1, "convexity": 2}, format="json")

    body = answer.json()
    assert [each["code"] for each in body["warnings"]] == ["computed_here"]
    assert body["duration"] == pytest.approx(8.0, abs=0.2)


def test_the_list_and_what_is_not_there(operator, bond, reader):
    operator.post(f"{V1}/bonds", BODY | {"instrument": "B", "maturity_years": 5}, format="json")

    body = reader.get(f"{V1}/bonds?ordering=-maturity&maturity__gte=2022-01-01").json()

    assert [each["symbol"] for each in body["results"]] == ["ACME-26"]
    assert reader.get(f"{V1}/bonds").json()["count"] == 2
    assert reader.get(f"{V1}/bonds?symbol=b").json()["results"][0]["symbol"] == "B"
    assert reader.get(f"{V1}/bonds?colour=red").json()["code"] == "unknown_parameter"
    missing = reader.get(f"{V1}/bonds/00000000-0000-0000-0000-000000000000")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")


def test_a_batch_names_the_bad_item(operator):
    items = [BODY, BODY | {"instrument": "B", "coupon_rate": 9}, BODY | {"instrument": "C"}]

    whole = operator.post(f"{V1}/bonds/batch", items, format="json")
    assert (whole.status_code, whole.json()["errors"][0]["attr"]) == (400, "1.coupon_rate")
    assert not Bond.objects.exists()
    part = operator.post(f"{V1}/bonds/batch?partial=true", items, format="json").json()
    assert part["summary"] == {"created": 2, "failed": 1}
    good = operator.post(f"{V1}/bonds/batch", [BODY | {"instrument": "D"}], format="json")
    assert (good.status_code, good.json()[0]["symbol"]) == (201, "D")


def test_putting_replaces_the_terms_and_keeps_what_positions_rest_on(operator, bond):
    url = bond["url"]
    whole = {"instrument": "acme-26", "coupon_rate": 0.05, "maturity": "2027-05-15"}

    done = operator.put(url, whole, format="json", HTTP_IF_MATCH='"v1"')

    told = done.json()
    assert (done.status_code, told["version"]) == (200, 2)
    assert (told["coupon_rate"], told["maturity"], told["stated_ytm"]) == (0.05, "2027-05-15", None)
    assert told["face_value"] == "1000.00"
    for change, field in (
        ({"instrument": "OTHER"}, "instrument"),
        ({"currency": "EUR"}, "currency"),
        ({"face_value": "100"}, "face_value"),
        ({"name": "bell\x07"}, "name"),
    ):
        answer = operator.put(url, whole | change, format="json")
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, field)
    del whole["maturity"]
    assert operator.put(url, whole, format="json").json()["errors"][0]["attr"] == "maturity"


def test_a_retired_bond_stays_readable(operator, bond, reader):
    assert reader.delete(bond["url"]).status_code == 403
    assert operator.delete(bond["url"], HTTP_IF_MATCH='"v7"').status_code == 412

    done = operator.delete(bond["url"], HTTP_IF_MATCH='"v1"')

    assert (done.status_code, done.json()["active"], done.json()["version"]) == (200, False, 2)
    assert done["ETag"] == reader.get(bond["url"])["ETag"]
    assert operator.delete(bond["url"]).json()["version"] == 2
    assert operator.get(f"{V1}/bonds?active=true").json()["count"] == 0
    assert operator.get(f"{V1}/bonds?active=false&search=acme").json()["count"] == 1
    assert operator.get(f"{V1}/instruments/ACME-26").json()["active"] is False
    assert AuditEvent.objects.filter(action="bond.retired").count() == 1


def test_many_bonds_are_changed_and_retired(operator, bond):
    other = operator.post(f"{V1}/bonds", BODY | {"instrument": "ACME-27"}, format="json").json()
    items = [{"id": bond["id"], "version": 1, "ytm": 0.05}, {"id": other["id"], "frequency": 3}]

    whole = operator.patch(f"{V1}/bonds/batch", items, format="json")
    assert (whole.status_code, whole.json()["errors"][0]["attr"]) == (400, "1.frequency")
    each = operator.patch(f"{V1}/bonds/batch?partial=true", items, format="json").json()
    assert [one["status"] for one in each["results"]] == [200, 400]
    gone = operator.delete(f"{V1}/bonds/batch", [bond["id"], other["id"]], format="json")
    assert [one["active"] for one in gone.json()] == [False, False]
    late = operator.delete(f"{V1}/bonds/batch", [{"id": other["id"], "version": 1}], format="json")
    assert late.json()["errors"][0]["code"] == "version_mismatch"


def price(of, close, day=DAY):
    DailyBar.objects.create(
        instrument=Bond.objects.get(pk=of["id"]).instrument,
        session_date=day,
        source=Source.MANUAL,
        close=Decimal(close),
        price_basis="manual",
    )


def test_a_document_says_what_a_buyer_pays_and_of_when_its_price_is(operator, bond):
    price(bond, "98.5", date(2016, 6, 20))

    told = operator.get(bond["url"]).json()

    assert (told["price"], told["price_date"], told["price_age_sessions"]) == (
        "98.50",
        "2016-06-20",
        2,
    )
    accrued = 2.25 * 38 / 184  # 15 May to 22 June, of 184 days
    assert told["accrued_interest"] == pytest.approx(accrued)
    assert told["clean_price"] == pytest.approx(98.5)
    assert told["dirty_price"] == pytest.approx(98.5 + accrued)
    [warning] = told["warnings"]
    assert warning["code"] == "price_not_of_session"
    assert "2016-06-20, 2 sessions before 2016-06-22" in warning["detail"]


def test_a_price_that_is_too_old_gives_no_yield(operator):
    old = operator.post(f"{V1}/bonds", BODY | {"ytm": None}, format="json").json()
    price(old, "98.5", date(2016, 6, 14))

    told = operator.get(old["url"]).json()

    for name in ("ytm", "dv01", "duration", "convexity", "clean_price", "dirty_price"):
        assert (told[name], told["reasons"][name]) == (None, "price_stale")
    assert (told["price"], told["price_date"]) == ("98.50", "2016-06-14")
    assert told["accrued_interest"] == pytest.approx(2.25 * 38 / 184)
    assert [each["code"] for each in told["warnings"]] == ["price_stale"]


def test_a_bond_that_is_not_issued_yet_has_no_figures(operator):
    body = BODY | {"issued": "2016-07-01"}

    told = operator.post(f"{V1}/bonds", body, format="json").json()

    for name in ("ytm", "accrued_interest", "dirty_price", "dv01"):
        assert (told[name], told["reasons"][name]) == (None, "not_issued")


def test_the_day_count_is_a_term(operator, bond):
    body = BODY | {"instrument": "CORP", "basis": "30/360"}
    corporate = operator.post(f"{V1}/bonds", body, format="json").json()

    assert (bond["basis"], corporate["basis"]) == ("act/act", "30/360")
    assert bond["accrued_interest"] == pytest.approx(2.25 * 38 / 184)
    assert corporate["accrued_interest"] == pytest.approx(2.25 * 37 / 180)
    changed = operator.patch(corporate["url"], {"basis": "act/act"}, format="json").json()
    assert changed["accrued_interest"] == pytest.approx(2.25 * 38 / 184)


def test_a_tag_is_of_what_is_served(operator, bond):
    url = bond["url"]
    first = operator.get(url)

    same = operator.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (same.status_code, same["ETag"], same.content) == (304, first["ETag"], b"")
    clock_at(NEXT)
    later = operator.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (later.status_code, later["ETag"] != first["ETag"]) == (200, True)
    price(bond, "98.5", NEXT)
    priced = operator.get(url, HTTP_IF_NONE_MATCH=later["ETag"])
    assert (priced.status_code, priced["ETag"] != later["ETag"]) == (200, True)
    # whatever the session, the terms are those that were read
    done = operator.patch(url, {"ytm": 0.05}, format="json", HTTP_IF_MATCH=first["ETag"])
    assert done.status_code == 200
    late = operator.patch(url, {"ytm": 0.06}, format="json", HTTP_IF_MATCH=priced["ETag"])
    assert late.status_code == 412
    weak = operator.delete(url, HTTP_IF_MATCH=f"W/{done['ETag']}")
    assert weak.status_code == 412
    assert operator.delete(url, HTTP_IF_MATCH=done["ETag"]).status_code == 200


def test_a_change_is_answered_under_the_tag_of_its_own_words(operator, bond):
    url = bond["url"]
    done = operator.patch(url, {"ytm": 0.05}, format="json")
    read = operator.get(url)
    assert (done["ETag"], done.json()) == (read["ETag"], read.json())

    noted = operator.patch(url, {"ytm": 0.06, "duration": 1.0}, format="json")

    assert [each["code"] for each in noted.json()["warnings"]] == ["computed_here"]
    after = operator.get(url, HTTP_IF_NONE_MATCH=noted["ETag"])
    assert (after.status_code, after.json()["warnings"]) == (200, [])
    # both name the version, by which changes go
    body = {"ytm": 0.07}
    assert operator.patch(url, body, format="json", HTTP_IF_MATCH=noted["ETag"]).status_code == 200
    late = operator.patch(url, body, format="json", HTTP_IF_MATCH=read["ETag"])
    now = operator.get(url)
    assert (late.status_code, late.json()["current"]) == (412, now["ETag"])
    assert (late.json()["version"], late.json()["object"]) == (now.json()["version"], now.json())


def test_a_bond_is_read_once_before_a_change_and_once_after(operator, bond):
    with CaptureQueriesContext(connection) as asked:
        assert operator.patch(bond["url"], {"ytm": 0.05}, format="json").status_code == 200

    priced = [each for each in asked.captured_queries if '"marketdata_dailybar"' in each["sql"]]
    assert len(priced) == 2


def test_figures_of_a_past_close(operator, bond):
    clock_at(NEXT)
    price(bond, "98.5", NEXT)
    past = f"{bond['url']}?as_of=2016-06-22"

    assert operator.get(past).json() == bond | {"as_of": "2016-06-22T20:00:00.000Z"}
    assert operator.get(f"{V1}/bonds?as_of=2016-06-22").json()["results"] == [bond]
    assert operator.get(bond["url"]).json()["session_date"] == "2016-06-23"
    assert operator.get(past)["ETag"] != operator.get(bond["url"])["ETag"]
    for wrong in (f"{bond['url']}?as_of=2016-06-24", f"{V1}/bonds?as_of=soon"):
        answer = operator.get(wrong)
        assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "as_of")


def test_putting_without_currency_or_name(operator):
    body = BODY | {"instrument": "BUND", "currency": "EUR"}
    url = operator.post(f"{V1}/bonds", body, format="json").json()["url"]
    whole = {"instrument": "BUND", "coupon_rate": 0.05, "maturity": "2027-05-15"}

    done = operator.put(url, whole, format="json").json()

    assert (done["currency"], done["basis"], done["issued"]) == ("EUR", "act/act", None)
    assert done["name"] == "5 % 2027-05-15"  # as a new one's, like all that is left out
    wrong = operator.put(url, whole | {"currency": "USD"}, format="json").json()
    assert wrong["errors"][0]["attr"] == "currency"
    years = operator.put(url, whole | {"maturity": None}, format="json")
    assert years.status_code == 400
    del whole["maturity"]
    counted = operator.put(url, whole | {"maturity_years": 5}, format="json").json()
    assert counted["maturity"] == "2021-06-22"  # from the session: it has no day of issue


def test_a_change_counts_years_from_an_issue_that_can_be(operator, bond):
    Bond.objects.update(issued=date(9999, 12, 31), maturity=date(9999, 12, 31))

    answer = operator.patch(bond["url"], {"maturity_years": 1}, format="json")

    assert (answer.status_code, answer.json()["errors"][0]["attr"]) == (400, "issued")
    assert operator.get(bond["url"]).json()["reasons"]["ytm"] == "not_issued"
