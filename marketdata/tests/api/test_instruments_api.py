"""Instruments over the API: made, changed, retired, alone and in batches."""

import threading

import pytest
from django.db import connection

from etftrader.core.records import AuditEvent
from marketdata import events
from marketdata.models import Instrument, InstrumentAlias
from marketdata.tests.api.people import V1, client, fields
from marketdata.tests.option_world import clock_at, instrument

pytestmark = pytest.mark.django_db
BODY = {"symbol": "newfund", "name": "A new fund", "kind": "etf", "sector": "Energy"}
URL = f"{V1}/instruments"


@pytest.fixture
def operator(settings):
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    clock_at()
    return client("operator", "Operator")


@pytest.fixture
def reader(operator):
    return client("reader")


@pytest.fixture
def held():
    """Symbols somebody holds."""
    symbols = set()

    def why(instrument_id):
        known = Instrument.objects.get(pk=instrument_id).symbol
        return "2 portfolios hold it" if known in symbols else ""

    events.holder(why)
    yield symbols
    events.in_use.remove(why)


def test_a_new_instrument_is_answered_whole_and_audited_once(operator, reader):
    made = operator.post(URL, BODY, format="json")

    body = made.json()
    assert made.status_code == 201, made.content
    assert (body["symbol"], body["sector"], body["version"]) == ("NEWFUND", "Energy", 1)
    assert (body["pricing"], body["price_basis"], body["private"]) == ("auto", "close", False)
    read = reader.get(f"{URL}/newfund")
    assert (read.json(), read["ETag"]) == (body, '"v1"')
    assert reader.get(f"{URL}/{body['id']}").json() == body
    assert AuditEvent.objects.filter(action="instrument.created").count() == 1


BAD = [
    ({"symbol": ""}, "symbol"),
    ({"symbol": "A B"}, "symbol"),
    ({"symbol": "SPY160819C00212000"}, "symbol"),
    ({"symbol": "A\x00B"}, None),
    ({"name": " "}, "name"),
    ({"name": "bell\x07"}, "name"),
    ({"name": "line\nbreak"}, "name"),
    ({"name": "x" * 121}, "name"),
    ({"kind": "option"}, "kind"),
    ({"kind": "bond"}, "kind"),
    ({"kind": "planet"}, "kind"),
    ({"currency": "usd"}, "currency"),
    ({"multiplier": "0"}, "multiplier"),
    ({"multiplier": "1e400"}, "multiplier"),
    ({"multiplier": 10**17}, "multiplier"),
    ({"multiplier": "NaN"}, "multiplier"),
    ({"assumed_volume": -1}, "assumed_volume"),
    ({"assumed_half_spread_bp": "Infinity"}, "assumed_half_spread_bp"),
    ({"assumed_dividend_yield": 7}, "assumed_dividend_yield"),
    ({"owner_id": "x"}, "owner_id"),
]


@pytest.mark.parametrize(("changes", "field"), BAD)
def test_a_bad_body_names_its_field_and_makes_nothing(operator, changes, field):
    answer = operator.post(URL, BODY | changes, format="json")

    assert answer.status_code == 400, answer.content
    assert field is None or fields(answer) == [field]
    assert not Instrument.objects.exists()


def test_figures_no_number_can_be_are_no_json(operator):
    for word in ("NaN", "1e400", "1" + "0" * 30):
        sent = f'{{"symbol": "X", "name": "X", "assumed_dividend_yield": {word}}}'
        answer = operator.post(URL, sent, content_type="application/json")
        assert answer.status_code == 400, (word, answer.content)


@pytest.mark.parametrize("symbol", ["SPY", "spy", "SPDR"])
def test_a_symbol_or_another_spelling_is_taken_once(operator, symbol):
    InstrumentAlias.objects.create(instrument=instrument("SPY"), alias="SPDR")

    answer = operator.post(URL, BODY | {"symbol": symbol}, format="json")

    assert (answer.status_code, answer.json()["code"]) == (409, "symbol_taken")


def test_a_symbol_that_is_borne_unseen_is_refused_in_the_same_words(operator, reader):
    instrument("SPY")
    instrument("MINE", kind="private_fund", pricing="manual", owner_id=reader.user.pk)
    assert operator.get(f"{URL}/MINE").status_code == 404

    def said(symbol):
        answer = operator.post(URL, BODY | {"symbol": symbol}, format="json").json()
        told = {name: each for name, each in answer.items() if name != "request_id"}
        return str(told).replace(symbol, "X")

    assert said("MINE") == said("SPY")
    assert "X is not free. Choose another symbol." in said("MINE")


def test_public_things_are_the_operators_and_private_ones_their_owners(operator, reader):
    assert reader.post(URL, BODY, format="json").status_code == 403
    made = reader.post(
        URL, {"symbol": "MINE", "name": "My house", "kind": "private_fund"}, format="json"
    )

    assert (made.status_code, made.json()["private"]) == (201, True)
    assert made.json()["pricing"] == "manual"
    assert operator.get(f"{URL}/MINE").status_code == 404
    assert operator.patch(f"{URL}/MINE", {"name": "Ours"}, format="json").status_code == 404
    changed = reader.patch(f"{URL}/MINE", {"name": "My flat"}, format="json")
    assert (changed.status_code, changed.json()["name"]) == (200, "My flat")
    assert "MINE" not in operator.get(URL).content.decode()
    operator.post(URL, BODY, format="json")
    refused = reader.delete(f"{URL}/NEWFUND")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_what_bookings_rest_on_does_not_change(operator):
    operator.post(URL, BODY, format="json")
    for change in (
        {"symbol": "OTHER"},
        {"kind": "stock"},
        {"currency": "EUR"},
        {"multiplier": "2"},
    ):
        answer = operator.patch(f"{URL}/NEWFUND", change, format="json")
        assert (answer.status_code, fields(answer)) == (400, list(change))
    assert Instrument.objects.get().version == 1


def test_putting_empties_what_is_left_out(operator):
    operator.post(URL, BODY | {"country": "Norway"}, format="json")

    body = {"symbol": "newfund", "name": "Renamed", "kind": "etf"}
    answer = operator.put(f"{URL}/NEWFUND", body, format="json", HTTP_IF_MATCH='"v1"')

    told = answer.json()
    assert (answer.status_code, answer["ETag"]) == (200, '"v2"')
    assert (told["name"], told["country"], told["sector"]) == ("Renamed", "", "")


def test_a_change_that_is_none_raises_no_version(operator):
    operator.post(URL, BODY, format="json")

    answer = operator.patch(f"{URL}/NEWFUND", {"sector": "Energy"}, format="json")

    assert (answer.status_code, answer["ETag"]) == (200, '"v1"')


def test_what_is_held_is_not_retired(operator, held):
    operator.post(URL, BODY, format="json")
    held.add("NEWFUND")

    for answer in (
        operator.delete(f"{URL}/NEWFUND"),
        operator.patch(f"{URL}/NEWFUND", {"active": False}, format="json"),
    ):
        told = answer.json()
        assert (answer.status_code, told["code"]) == (409, "instrument_in_use")
        assert told["reasons"] == ["2 portfolios hold it"]
    row = Instrument.objects.get()
    assert (row.active, row.version) == (True, 1)
    held.clear()
    first, again = operator.delete(f"{URL}/NEWFUND"), operator.delete(f"{URL}/NEWFUND")
    assert (first.json()["active"], again.json()) == (False, first.json())
    assert AuditEvent.objects.filter(action="instrument.retired").count() == 1


def test_a_page_is_filtered_searched_ordered_and_never_widened(operator):
    for symbol, sector in (("AAA", "Energy"), ("AAB", "Health"), ("CCC", "Energy")):
        instrument(symbol, sector=sector)

    def symbols(query):
        return [each["symbol"] for each in operator.get(f"{URL}?{query}").json()["results"]]

    assert symbols("sector=Energy") == ["AAA", "CCC"]
    assert symbols("search=aa&ordering=-symbol") == ["AAB", "AAA"]
    assert symbols("symbol__in=AAA,CCC&limit=1&offset=1") == ["CCC"]
    assert symbols("symbol=ccc") == ["CCC"]
    for query in ("colour=red", "ordering=owner_id", "limit=0", "limit=1001"):
        assert operator.get(f"{URL}?{query}").status_code == 400, query


def test_a_batch_is_whole_or_nothing_and_names_the_bad_item(operator):
    items = [BODY, {"symbol": "TWO", "name": "Two"}, {"symbol": "NEWFUND", "name": "Again"}]

    answer = operator.post(f"{URL}/batch", items, format="json")

    assert (answer.status_code, fields(answer)) == (400, ["2.symbol"])
    assert answer.json()["errors"][0]["code"] == "symbol_taken"
    assert not Instrument.objects.exists()
    kept = operator.post(f"{URL}/batch?partial=true", items, format="json")
    assert kept.status_code == 207
    assert [each["status"] for each in kept.json()["results"]] == [201, 201, 409]
    assert kept.json()["summary"] == {"created": 2, "failed": 1}
    assert Instrument.objects.count() == 2


def test_many_are_changed_by_id_or_symbol_under_their_versions(operator):
    made = operator.post(f"{URL}/batch", [BODY, {"symbol": "TWO", "name": "Two"}], format="json")
    first, second = made.json()
    items = [
        {"id": first["id"], "version": 1, "name": "One"},
        {"id": "TWO", "version": 7, "name": "Too late"},
    ]

    whole = operator.patch(f"{URL}/batch", items, format="json")
    assert (whole.status_code, fields(whole)) == (400, ["1"])
    assert whole.json()["errors"][0]["code"] == "version_mismatch"
    assert Instrument.objects.get(symbol="NEWFUND").name == "A new fund"
    each = operator.patch(f"{URL}/batch?partial=true", items, format="json").json()
    assert [one["status"] for one in each["results"]] == [200, 412]
    assert each["results"][0]["object"]["name"] == "One"
    twice = operator.patch(f"{URL}/batch", [items[0], items[0]], format="json")
    assert (twice.status_code, fields(twice)) == (400, ["1.id"])
    assert second["version"] == 1


def test_many_are_retired_and_one_that_is_held_keeps_them_all(operator, held):
    operator.post(f"{URL}/batch", [BODY, {"symbol": "TWO", "name": "Two"}], format="json")
    held.add("TWO")

    whole = operator.delete(f"{URL}/batch", ["NEWFUND", "TWO"], format="json")

    assert (whole.status_code, fields(whole)) == (400, ["1"])
    assert Instrument.objects.filter(active=True).count() == 2
    each = operator.delete(f"{URL}/batch?partial=true", ["NEWFUND", "TWO"], format="json").json()
    assert [one["status"] for one in each["results"]] == [200, 409]
    assert each["summary"] == {"deleted": 1, "failed": 1}


@pytest.mark.parametrize("items", [{}, [], [1], [None], [[]], [{}], [{"id": "x" * 101}]])
def test_a_batch_that_is_none_is_a_bad_request(operator, items):
    for send in (operator.post, operator.patch, operator.delete):
        assert send(f"{URL}/batch", items, format="json").status_code == 400, items


def test_partial_is_true_or_false(operator):
    answer = operator.post(f"{URL}/batch?partial=1", [BODY], format="json")

    assert (answer.status_code, fields(answer)) == (400, ["partial"])
    assert not Instrument.objects.exists()


def test_a_batch_has_at_most_500_items(operator):
    items = [{"symbol": f"S{number}", "name": "x"} for number in range(501)]

    assert operator.post(f"{URL}/batch", items, format="json").status_code == 413


def test_a_reader_changes_nothing_of_many(operator, reader):
    operator.post(URL, BODY, format="json")
    for answer in (
        reader.post(f"{URL}/batch", [BODY], format="json"),
        reader.patch(f"{URL}/batch", [{"id": "NEWFUND", "name": "x"}], format="json"),
        reader.delete(f"{URL}/batch", ["NEWFUND"], format="json"),
    ):
        assert answer.status_code in (400, 403), answer.content
        assert "Operators" in answer.json()["detail"]
    assert Instrument.objects.get().version == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_changes_with_one_version_exactly_one_counts(operator):
    """Without a lock in the test: both really run at once."""
    operator.post(URL, BODY, format="json")
    start, answers = threading.Barrier(2), []

    def change(word):
        mine = client(word, "Operator")
        start.wait()
        try:
            answers.append(
                mine.patch(f"{URL}/NEWFUND", {"name": word}, format="json", HTTP_IF_MATCH='"v1"')
            )
        finally:
            connection.close()

    threads = [threading.Thread(target=change, args=[word]) for word in ("left", "right")]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert sorted(each.status_code for each in answers) == [200, 412]
    [won] = [each.json()["name"] for each in answers if each.status_code == 200]
    row = Instrument.objects.get()
    assert (row.name, row.version) == (won, 2)
    assert AuditEvent.objects.filter(action="instrument.changed").count() == 1
