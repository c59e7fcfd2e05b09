"""REST of options: the chain, contracts with Greeks, new ones; hostile input does nothing."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

from etftrader.core.records import AuditEvent
from etftrader.testing.rows import module_rows
from marketdata.models import OptionContract, OptionGreeks, OptionQuote
from marketdata.selectors import calendar
from marketdata.services import greeks, option_quotes
from marketdata.tests.option_world import DAY, NEXT, clock_at, instrument, spy

pytestmark = pytest.mark.django_db
V1 = "/api/v1"
CALL = "SPY160819C00212000"


def client_of(email, *groups):
    user = get_user_model().objects.create_user(email=email, password="x" * 12)
    for name in groups:
        user.groups.add(Group.objects.get_or_create(name=name)[0])
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def reader(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    return client_of("reader@example.com")


@pytest.fixture
def operator(reader):
    return client_of("operator@example.com", "Operator")


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    """SPY at the demonstration's start, with quotes and Greeks."""
    with module_rows(django_db_blocker):
        of = spy()
        clock_at()
        option_quotes.simulate(session_date=DAY)
        greeks.compute(session_date=DAY, watched=[of.pk])
        yield of


@pytest.fixture
def market(staged):
    staged.refresh_from_db()
    return staged


def test_the_chain_of_an_underlying(reader, market):
    answer = reader.get(f"{V1}/market/options/spy?expiry=2016-08-19")

    body = answer.json()
    assert (answer.status_code, body["underlying"], body["expiry"]) == (200, "SPY", "2016-08-19")
    assert body["expiries"][0]["expiry"] == "2016-07-15"
    [line] = [each for each in body["results"] if each["strike"] == "212.00"]
    call = line["call"]
    assert (call["symbol"], call["source"], call["quality"]) == (CALL, "SIM", "fallback")
    assert float(call["bid"]) < float(call["mid"]) < float(call["ask"])
    assert float(call["mid"]) == pytest.approx(4.79, abs=0.006)
    assert call["vol_source"] == "smile_2022_vix_scaled"
    assert 0 < call["delta"] < 1
    assert -1 < line["put"]["delta"] < 0
    assert call["age_seconds"] == 0
    assert call["reasons"] == {}


def test_greeks_beside_newer_quotes_say_of_which_close_they_are(reader, market):
    def call():
        body = reader.get(f"{V1}/market/options/spy?expiry=2016-08-19").json()
        return next(each for each in body["results"] if each["strike"] == "212.00")["call"]

    then = call()
    assert (then["greeks_session_date"], then["greeks_late"]) == ("2016-06-22", False)
    assert then["greeks_as_of"] == then["as_of"]
    OptionQuote.objects.update(session_date=NEXT, as_of=calendar.close_time(NEXT))
    clock_at(NEXT)

    late = call()

    assert (late["session_date"], late["greeks_session_date"]) == ("2016-06-23", "2016-06-22")
    assert late["greeks_as_of"] == then["greeks_as_of"] < late["as_of"]
    assert (late["delta"], late["greeks_late"]) == (then["delta"], True)


def test_an_underlying_without_options_says_so(reader, market):
    instrument("TLT")

    body = reader.get(f"{V1}/market/options/TLT").json()

    assert (body["reason"], body["expiry"], body["results"]) == ("no_options", None, [])


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("market/options/NOPE", 404, "not_found"),
        ("market/options/SPY?expiry=2016-08-20", 400, "validation_error"),
        ("market/options/SPY?expiry=tomorrow", 400, "validation_error"),
        ("market/options/SPY?strike=212", 400, "unknown_parameter"),
        ("options/NOPE", 404, "not_found"),
        ("options/QQQ160819C00212000", 404, "not_found"),
        ("options/00000000-0000-0000-0000-000000000000", 404, "not_found"),
        ("options/%E2%82%AC" + "9" * 33, 404, "not_found"),
        ("options?colour=red", 400, "unknown_parameter"),
        ("options?ordering=pk", 400, "unknown_parameter"),
        ("options?expiry=soon", 400, "validation_error"),
        ("options?limit=100000", 400, "validation_error"),
    ],
)
def test_what_is_not_there_or_not_understood(reader, market, path, status, code):
    answer = reader.get(f"{V1}/{path}")

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer["Content-Type"] == "application/problem+json"


def test_one_contract_in_every_form(reader, market):
    row = OptionContract.objects.get(instrument__symbol=CALL)

    for form in (CALL, CALL.lower(), "SPY%20%20%20160819C00212000", str(row.pk)):
        body = reader.get(f"{V1}/options/{form}").json()
        assert (body["id"], body["symbol"]) == (str(row.pk), CALL)

    assert (body["strike"], body["expiry"], body["option_type"]) == ("212.00", "2016-08-19", "call")
    assert (body["multiplier"], body["style"], body["underlying"]) == ("100.00", "american", "SPY")
    for name in (
        "risk_free_rate",
        "volatility",
        "bs_price",
        "delta",
        "gamma",
        "theta",
        "vega",
        "rho",
        "implied_volatility",
    ):
        assert isinstance(body[name], float), name
    assert body["flags"] == ["fallback:assumed_yield", "simulated"]
    assert (body["reasons"], body["session_date"]) == ({}, "2016-06-22")


def test_the_list_is_filtered_ordered_and_cut(reader, market):
    path = f"{V1}/options?underlying=spy&expiry=2016-08-19&option_type=put&limit=3"
    body = reader.get(f"{path}&ordering=-strike").json()

    strikes = [float(each["strike"]) for each in body["results"]]
    assert len(strikes) == 3 < body["count"]
    assert strikes == sorted(strikes, reverse=True)
    assert {each["option_type"] for each in body["results"]} == {"put"}
    assert all(isinstance(each["delta"], float) for each in body["results"])
    assert reader.get(f"{V1}/options?underlying=TLT").json()["count"] == 0


def test_the_list_takes_the_same_queries_for_any_page(
    reader, market, django_assert_max_num_queries
):
    with django_assert_max_num_queries(8):
        assert len(reader.get(f"{V1}/options?limit=200").json()["results"]) == 200


def test_greeks_of_a_later_session_are_not_shown(reader, market):
    row = OptionContract.objects.get(instrument__symbol=CALL)
    before = reader.get(f"{V1}/options/{CALL}").json()
    row.greeks.create(session_date=NEXT, delta=0.99, model="bsm")

    assert reader.get(f"{V1}/options/{CALL}").json() == before


def test_a_contract_is_created_once(operator, market):
    wanted = {"symbol": "spy161021p00190000"}

    first = operator.post(f"{V1}/options", wanted, format="json")
    again = operator.post(f"{V1}/options", wanted, format="json")

    body = first.json()
    assert (first.status_code, again.status_code) == (201, 200)
    assert first["Location"] == body["url"] == f"{V1}/options/SPY161021P00190000"
    assert body["id"] == again.json()["id"]
    assert (body["delta"], body["reasons"]["delta"]) == (None, "not_computed")
    assert AuditEvent.objects.filter(action="contract.created").count() == 1


def test_the_fields_of_a_contract_are_accepted_instead_of_its_symbol(operator, market):
    body = {
        "underlying": "spy",
        "strike": "190",
        "expiry": "2016-10-21",
        "option_type": "put",
        "delta": -0.2,
        "bs_price": "3.10",
        "volatility": None,
    }

    made = operator.post(f"{V1}/options", body, format="json").json()

    assert made["symbol"] == "SPY161021P00190000"
    assert [each["code"] for each in made["warnings"]] == ["computed_here"]
    assert "bs_price, delta" in made["warnings"][0]["detail"]
    assert made["delta"] is None


BAD = [
    ({}, "symbol"),
    ({"symbol": "SPY"}, "symbol"),
    ({"symbol": "QQQ160819C00212000"}, "symbol"),
    ({"symbol": "SPY160819C00212000", "strike": "213"}, "symbol"),
    ({"symbol": "SPY160819C00212000", "instrument": "SPY160819C00213000"}, "symbol"),
    ({"symbol": ["SPY160819C00212000"]}, "symbol"),
    ({"symbol": "SPY160819C00212000", "colour": "red"}, "colour"),
    ({"symbol": "<script>alert(1)</script>"}, "symbol"),
    ({"underlying": "SPY", "strike": "190", "expiry": "2016-10-21"}, "option_type"),
    (
        {"underlying": "SPY", "strike": "0", "expiry": "2016-10-21", "option_type": "put"},
        "strike",
    ),
    (
        {"underlying": "SPY", "strike": "1.00001", "expiry": "2016-10-21", "option_type": "put"},
        "strike",
    ),
    (
        {"underlying": "SPY", "strike": "NaN", "expiry": "2016-10-21", "option_type": "put"},
        "strike",
    ),
    (
        {"underlying": "SPY", "strike": "190", "expiry": "1999-10-21", "option_type": "put"},
        "expiry",
    ),
    (
        {"underlying": "S'; --", "strike": "190", "expiry": "2016-10-21", "option_type": "put"},
        "underlying",
    ),
]


@pytest.mark.parametrize(("body", "field"), BAD)
def test_a_bad_body_names_its_field_and_makes_nothing(operator, market, body, field):
    before = OptionContract.objects.count()

    answer = operator.post(f"{V1}/options", body, format="json")

    assert answer.status_code == 400, answer.content
    assert answer.json()["errors"][0]["attr"].partition(".")[0] == field
    assert OptionContract.objects.count() == before


def test_readers_create_nothing(reader, market):
    for path in ("options", "options/batch"):
        answer = reader.post(f"{V1}/{path}", {"symbol": CALL}, format="json")
        assert answer.status_code == 403


def test_a_batch_is_all_or_nothing_unless_it_is_partial(operator, market):
    items = [
        {"symbol": "SPY161021P00190000"},
        {"symbol": "QQQ160819C00212000"},
        {"symbol": "SPY161021P00195000"},
    ]
    before = OptionContract.objects.count()

    whole = operator.post(f"{V1}/options/batch", items, format="json")
    assert (whole.status_code, whole.json()["errors"][0]["attr"]) == (400, "1.symbol")
    assert OptionContract.objects.count() == before

    part = operator.post(f"{V1}/options/batch?partial=true", items, format="json")
    assert (part.status_code, part.json()["summary"]) == (207, {"created": 2, "failed": 1})
    assert [each["status"] for each in part.json()["results"]] == [201, 400, 201]
    assert OptionContract.objects.count() == before + 2

    many = operator.post(f"{V1}/options/batch", [{"symbol": CALL}] * 501, format="json")
    assert many.status_code == 413


def test_a_repeated_key_answers_alike(operator, market):
    send = {"HTTP_IDEMPOTENCY_KEY": "option-key-1"}
    body = {"symbol": "SPY161021P00190000"}

    first = operator.post(f"{V1}/options", body, format="json", **send)
    again = operator.post(f"{V1}/options", body, format="json", **send)

    assert (first.status_code, again.status_code) == (201, 201)
    assert again["Idempotent-Replayed"] == "true"
    assert first.json() == again.json()


def test_a_tag_of_a_contract_is_of_the_figures_too(operator, market):
    url = f"{V1}/options/{CALL}"
    first = operator.get(url)

    same = operator.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (same.status_code, same["ETag"], same.content) == (304, first["ETag"], b"")
    OptionGreeks.objects.update(delta=0.25)  # the row of the contract stays as it is
    again = operator.get(url, HTTP_IF_NONE_MATCH=first["ETag"])
    assert (again.status_code, again.json()["delta"]) == (200, 0.25)
    assert again.json()["version"] == first.json()["version"]
    done = operator.patch(url, {"style": "european"}, format="json", HTTP_IF_MATCH=first["ETag"])
    assert (done.status_code, done["ETag"]) == (200, operator.get(url)["ETag"])
    late = operator.delete(url, HTTP_IF_MATCH=again["ETag"])
    assert (late.status_code, late.json()["current"]) == (412, done["ETag"])
    assert late.json()["version"] == done.json()["version"]


def test_greeks_as_of_a_past_close(reader, market):
    then = reader.get(f"{V1}/options/{CALL}").json()
    clock_at(NEXT)
    OptionGreeks.objects.filter(contract__instrument__symbol=CALL).update(session_date=NEXT)

    assert reader.get(f"{V1}/options/{CALL}").json()["session_date"] == "2016-06-23"
    past = reader.get(f"{V1}/options/{CALL}?as_of=2016-06-22").json()
    assert (past["delta"], past["reasons"]["delta"]) == (None, "not_computed")
    rows = reader.get(f"{V1}/options?search={CALL}&as_of=2016-06-22").json()["results"]
    assert [each["session_date"] for each in rows] == [None]
    assert then["session_date"] == "2016-06-22"
    [wrong] = reader.get(f"{V1}/options?as_of=2016-06-24").json()["errors"]
    assert (wrong["attr"], wrong["code"]) == ("as_of", "as_of_in_future")
