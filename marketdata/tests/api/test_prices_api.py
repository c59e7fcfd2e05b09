"""Prices over the API: through the gate, corrections as revisions, withdrawals that stay so."""

from datetime import date
from decimal import Decimal

import pytest

from etftrader.core.records import AuditEvent
from marketdata.models import DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.services import price_gate
from marketdata.tests.api.people import V1, client, fields
from marketdata.tests.option_world import bars, clock_at, instrument

pytestmark = pytest.mark.django_db
URL = f"{V1}/prices"
DAYS = [date(2016, 6, 17), date(2016, 6, 20), date(2016, 6, 21), date(2016, 6, 22)]
BODY = {"instrument": "AAA", "session_date": "2016-06-22", "close": "103", "volume": 5}


@pytest.fixture
def operator(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at()
    aaa = instrument("AAA")
    bars(aaa, list(zip(DAYS, (100.0, 101.0, 102.0), strict=False)))
    return client("operator", "Operator")


@pytest.fixture
def reader(operator):
    return client("reader")


def key(day, source="bundled", symbol="AAA"):
    return f"{Instrument.objects.get(symbol=symbol).pk}:{day}:{source}"


def series():
    row = PriceSeries.objects.get()
    return row.close.tolist()


def fetched(close, day=DAYS[1], source="bundled"):
    """What a sync of this figure would believe."""
    row = BarRow("AAA", day, None, None, None, close, None, None, source, "close")
    return price_gate.admit(instrument=Instrument.objects.get(), rows=[row], until=DAYS[-1]).rows


def test_a_new_price_joins_the_table_and_the_series(operator, reader):
    made = operator.post(URL, BODY | {"change_pct": 9}, format="json")

    body = made.json()
    assert made.status_code == 201, made.content
    assert (body["close"], body["source"], body["version"]) == ("103.00", "manual", 1)
    assert body["change_pct"] == pytest.approx(100 / 102)
    assert [each["code"] for each in body["warnings"]] == ["computed_here"]
    assert body["timestamp"] == "2016-06-22T20:00:00.000Z"
    assert series() == [100.0, 101.0, 102.0, 103.0]
    read = reader.get(body["url"])
    assert read["ETag"] == '"v1"'
    assert read.json() == {name: body[name] for name in body if name != "warnings"}
    assert AuditEvent.objects.get(action="price.created").after["close"] == "103.00"


def test_the_seeds_moment_of_a_price_is_its_session_in_new_york(operator):
    body = {name: BODY[name] for name in ("instrument", "close")}

    made = operator.post(URL, body | {"timestamp": "2016-06-23T01:00:00Z"}, format="json")

    assert (made.status_code, made.json()["session_date"]) == (201, "2016-06-22")


BAD = [
    ({"instrument": "NOPE"}, "instrument"),
    ({"session_date": "2016-06-23"}, "session_date"),
    ({"session_date": "2016-06-18"}, "session_date"),
    ({"session_date": None}, "session_date"),
    ({"timestamp": "2016-06-21T20:00:00Z"}, "timestamp"),
    ({"close": "0"}, "close"),
    ({"close": "-1"}, "close"),
    ({"close": "NaN"}, "close"),
    ({"close": "1e400"}, "close"),
    ({"close": "1" + "0" * 30}, "close"),
    ({"close": 1e300}, "close"),
    ({"close": "10000001"}, "close"),
    ({"close": "103.12345"}, "close"),
    ({"close": None}, "close"),
    ({"high": "x"}, "high"),
    ({"volume": -1}, "volume"),
    ({"volume": 10**16}, "volume"),
    ({"volume": 1.5}, "volume"),
    ({"price": "103"}, "price"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_bad_body_names_its_field_and_stores_nothing(operator, changes, field):
    answer = operator.post(URL, BODY | changes, format="json")

    assert answer.status_code == 400, answer.content
    assert fields(answer) == [field]
    assert DailyBar.objects.count() == 3


def test_a_session_has_one_price(operator):
    answer = operator.post(URL, BODY | {"session_date": "2016-06-21"}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "price_exists")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"close": "10300"}, "magnitude"),
        ({"close": "51"}, "split_without_action"),
        ({"close": "1"}, "placeholder"),
        ({"high": "90", "low": "80"}, "inconsistent"),
    ],
)
def test_a_price_nobody_believes_waits_for_a_person(operator, changes, reason):
    answer = operator.post(URL, BODY | changes, format="json")

    told = answer.json()
    assert (answer.status_code, told["status"], told["reason"]) == (202, "held_back", reason)
    assert DailyBar.objects.count() == 3
    accepted = operator.post(f"{V1}/data/quarantine/{told['quarantine']}/accept", {}, format="json")
    assert accepted.status_code == 200
    assert series()[-1] == float(changes.get("close", "103"))


def test_a_correction_is_a_revision_and_the_former_figure_stays_out(operator):
    url = f"{URL}/{key(DAYS[1])}"

    done = operator.patch(url, {"close": "101.5"}, format="json", HTTP_IF_MATCH='"v1"')

    assert (done.status_code, done["ETag"], done.json()["revision"]) == (200, '"v2"', 1)
    assert series() == [100.0, 101.5, 102.0]
    line = AuditEvent.objects.get(action="price.corrected")
    assert (line.before["close"], line.after["close"]) == ("101.00", "101.50")
    kept = QuarantinedPrice.objects.get()
    assert (kept.state, kept.reason, kept.raw["close"]) == ("rejected", "corrected", "101.000000")
    assert fetched(101.0) == []
    late = operator.patch(url, {"close": "99"}, format="json", HTTP_IF_MATCH='"v1"')
    assert (late.status_code, late.json()["object"]["close"]) == (412, "101.50")


def test_a_correction_may_be_taken_back(operator):
    url = f"{URL}/{key(DAYS[1])}"
    operator.patch(url, {"close": "101.5"}, format="json")

    back = operator.patch(url, {"close": "101"}, format="json")

    assert (back.status_code, back.json()["revision"]) == (200, 2)
    assert [float(row.close) for row in fetched(101.0)] == [101.0]
    assert fetched(101.5) == []


def test_a_correction_nobody_believes_leaves_the_price_as_it_is(operator):
    url = f"{URL}/{key(DAYS[2])}"

    answer = operator.patch(url, {"close": "10200"}, format="json")

    assert (answer.status_code, answer.json()["reason"]) == (202, "magnitude")
    assert operator.get(url).json()["close"] == "102.00"


def test_putting_empties_what_is_left_out(operator):
    operator.post(URL, BODY | {"open": "102.5", "high": "104", "low": "102"}, format="json")
    url = f"{URL}/{key(DAYS[3], 'manual')}"

    body = operator.put(url, {"close": "103"}, format="json").json()

    assert (body["open"], body["volume"], body["close"]) == (None, None, "103.00")
    assert operator.put(url, {"open": "1"}, format="json").status_code == 400


def test_a_withdrawn_price_leaves_the_series_and_does_not_come_back(operator):
    url = f"{URL}/{key(DAYS[1])}"

    assert operator.delete(url, HTTP_IF_MATCH='"v7"').status_code == 412
    assert operator.delete(url).status_code == 204

    assert series() == [100.0, 102.0]
    assert operator.get(url).status_code == operator.delete(url).status_code == 404
    assert fetched(101.0) == []
    kept = QuarantinedPrice.objects.get()
    assert (kept.state, kept.reason) == ("rejected", "withdrawn")
    # a price of that session is another revision: an old entity tag is never a new price's
    again = operator.post(URL, BODY | {"session_date": str(DAYS[1]), "close": "101"}, format="json")
    assert (again.status_code, again.json()["version"]) == (201, 2)


def test_the_last_price_of_a_series_may_be_withdrawn(operator):
    for day in DAYS[:3]:
        operator.delete(f"{URL}/{key(day)}")

    assert not PriceSeries.objects.exists()
    assert operator.post(URL, BODY, format="json").status_code == 201
    assert series() == [103.0]


def test_readers_read_and_owners_value_their_own(operator, reader):
    Instrument.objects.create(
        symbol="MINE", name="My house", kind="private_fund", pricing="manual",
        price_basis="manual", owner_id=reader.user.pk,
    )  # fmt: skip
    assert reader.post(URL, BODY, format="json").status_code == 403
    url = f"{URL}/{key(DAYS[0])}"
    assert reader.patch(url, {"close": "1"}, format="json").status_code == 403
    assert reader.delete(url).status_code == 403
    mine = BODY | {"instrument": "MINE", "close": "250000"}
    made = reader.post(URL, mine, format="json")
    assert (made.status_code, made.json()["price_basis"]) == (201, "manual")
    halved = reader.patch(made.json()["url"], {"close": "90000"}, format="json")
    assert halved.status_code == 200
    assert operator.get(made.json()["url"]).status_code == 404
    assert operator.post(URL, mine, format="json").status_code == 400
    assert reader.delete(made.json()["url"]).status_code == 204
    assert not QuarantinedPrice.objects.exists()  # everybody reads the quarantine


@pytest.mark.parametrize(
    "price_id", ["x", "a:b:c", f"{'0' * 36}:2016-06-22:manual", "::", "%00", "1:2:3:4"]
)
def test_an_id_that_is_none_is_not_found(operator, price_id):
    assert operator.get(f"{URL}/{price_id}").status_code in (400, 404)


def test_the_list_is_ordered_and_cut_on_demand(operator):
    def closes(query):
        return [each["close"] for each in operator.get(f"{URL}?{query}").json()["results"]]

    assert closes("symbol=aaa") == ["102.00", "101.00", "100.00"]
    assert closes("ordering=close&limit=2") == ["100.00", "101.00"]
    assert closes("start=2016-06-20&end=2016-06-20") == ["101.00"]
    assert closes("source=manual") == []
    first = operator.get(f"{URL}?ordering=session_date&limit=1").json()["results"][0]
    assert first["change_pct"] is None
    assert operator.get(f"{V1}/market-data?symbol=AAA").json()["count"] == 3
    for query in ("order=close", "ordering=pk", "symbol=NOPE", "start=2016-06-22&end=2016-06-20"):
        assert operator.get(f"{URL}?{query}").status_code == 400, query


def test_a_batch_is_whole_or_nothing_and_a_held_price_refuses_it(operator):
    bbb = instrument("BBB")
    good = {"instrument": "BBB", "session_date": "2016-06-20", "close": "10"}
    held = good | {"session_date": "2016-06-21", "close": "1000"}

    whole = operator.post(f"{URL}/batch", [good, held], format="json")
    assert (whole.status_code, fields(whole)) == (400, ["1.close"])
    assert whole.json()["errors"][0]["code"] == "price_held_back"
    assert not DailyBar.objects.filter(instrument=bbb).exists()
    assert not QuarantinedPrice.objects.exists()
    each = operator.post(f"{URL}/batch?partial=true", [good, held, good], format="json").json()
    assert [one["status"] for one in each["results"]] == [201, 202, 409]
    assert PriceSeries.objects.get(instrument=bbb).close.tolist() == [10.0]
    assert QuarantinedPrice.objects.get().state == "held"


def test_many_are_corrected_and_withdrawn_under_their_versions(operator):
    first, second = key(DAYS[0]), key(DAYS[1])
    items = [{"id": first, "version": 1, "close": "100.5"}, {"id": second, "version": 3}]

    whole = operator.patch(f"{URL}/batch", items, format="json")
    assert (whole.status_code, fields(whole)) == (400, ["1"])
    assert series()[0] == 100.0
    items[1] = {"id": second, "version": 1, "close": "101.5"}
    done = operator.patch(f"{URL}/batch", items, format="json")
    assert [each["version"] for each in done.json()] == [2, 2]
    assert series() == [100.5, 101.5, 102.0]
    gone = operator.delete(f"{URL}/batch", [{"id": first, "version": 2}, second], format="json")
    assert [each["close"] for each in gone.json()] == ["100.50", "101.50"]
    assert series() == [102.0]


def test_an_options_bar_is_refused(operator):
    option = operator.post(f"{V1}/options", {"symbol": "AAA160819C00100000"}, format="json")

    answer = operator.post(URL, BODY | {"instrument": option.json()["symbol"]}, format="json")

    assert (answer.status_code, fields(answer)) == (400, ["instrument"])


def test_a_batch_packs_each_series_once(operator):
    before = PriceSeries.objects.get().revision
    items = [{"id": key(day), "close": f"{place + 101}"} for place, day in enumerate(DAYS[:3])]

    assert operator.patch(f"{URL}/batch", items, format="json").status_code == 200

    assert PriceSeries.objects.get().revision == before + 1
    assert DailyBar.objects.get(session_date=DAYS[0]).close == Decimal(101)
