"""The description says what the registry says, and the committed file is the description."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

from etftrader.api import raw_data
from etftrader.core.api import registry, samples, shapes
from etftrader.core.api.registry import Op, tags_of
from etftrader.management.commands import write_openapi
from etftrader.testing import matrix
from etftrader.uploads import MAX_FILE_BYTES
from marketdata.services import price_upload

JSON = "application/json"
# the description itself: any document of its kind
FREE = {"GET /api/v1/schema 200"}
# a change or a removal, one item of many: the answer of POST shows what they look like
NO_EXAMPLE = re.compile(r"GET /api/v1/schema 200|(PATCH|DELETE) .*/batch 207")
NEEDED = {
    "/api/v1/quotes": {"symbols"},
    "/api/v1/quotes/history": {"symbol"},
    "/api/v1/market/current-prices": {"symbols"},
    "/api/v1/data/prices/quotes": {"symbols"},
    "/api/v1/search": {"q"},
    "/api/v1/positions/grouped": {"group_by"},
    "/api/v1/portfolios/{portfolio_id}/positions/grouped": {"group_by"},
}
VERSION_REQUIRED = {
    "PATCH /api/v1/portfolios/{portfolio_id}",
    "PATCH /api/v1/portfolios/{portfolio_id}/risk/limits/{limit_id}",
    "DELETE /api/v1/portfolios/{portfolio_id}/risk/limits/{limit_id}",
    "PUT /api/v1/portfolios/{portfolio_id}/benchmarks",
    "PUT /api/v1/portfolios/{portfolio_id}/costs",
    "PUT /api/v1/portfolios/{portfolio_id}/stop-loss",
    "PATCH /api/v1/schedules/{schedule_id}",
}
TOLD_WITHOUT_KEY = {
    "/api/v1/auth/change-password",
    "/api/v1/auth/login",
    "/api/v1/auth/logout",
    "/api/v1/auth/refresh",
    "/api/v1/auth/register",
    "/api/v1/ws-tickets",
}
TOO_LITTLE_DATA = {
    "/api/v1/rates",
    "/api/v1/covariance",
    "/api/v1/portfolio",
    "/api/v1/portfolios/{portfolio_id}/greeks",
    "/api/v1/portfolios/{portfolio_id}/risk",
    "/api/v1/portfolios/{portfolio_id}/summary",
}
TYPES = {
    ("GET", "/api/v1/quotes", "symbols"): {
        "type": "array",
        "items": {"type": "string"},
        "maxItems": 200,
    },
    ("GET", "/api/v1/bonds", "maturity__gte"): {"type": "string", "format": "date"},
    ("GET", "/api/v1/bonds", "as_of"): {
        "type": "string",
        "anyOf": [{"format": "date"}, {"format": "date-time"}],
    },
    ("GET", "/api/v1/bonds", "active"): {"type": "boolean"},
    ("GET", "/api/v1/bonds", "frequency"): {"type": "number"},
    ("GET", "/api/v1/bonds", "updated_at__gt"): {"type": "string", "format": "date-time"},
    ("GET", "/api/v1/instruments", "symbol__in"): {"type": "array", "items": {"type": "string"}},
    ("GET", "/api/v1/orders", "ordering"): {
        "type": "array",
        "items": {
            "type": "string",
            "enum": ["created_at", "-created_at", "session_date", "-session_date"],
        },
    },
    ("GET", "/api/v1/orders", "portfolio"): {"type": "string", "format": "uuid"},
    ("GET", "/api/v1/orders", "side"): {"type": "string", "enum": ["buy", "sell"]},
    ("GET", "/api/v1/market/bars/{symbol}", "range"): {
        "type": "string",
        "enum": ["5m", "1D", "1M", "3M", "YTD", "1Y", "Max"],
        "default": "1Y",
    },
    ("GET", "/api/v1/market/bars/{symbol}", "interval"): {
        "type": "integer",
        "enum": [1, 5],
        "default": 1,
    },
    ("POST", "/api/v1/data/import", "check"): {"type": "boolean", "default": False},
}
Description = dict[str, Any]


@pytest.fixture(scope="module")
def description() -> Description:
    return json.loads(write_openapi.text())


def operations(description: Description) -> Iterator[tuple[str, str, Description]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def answers(description: Description) -> Iterator[tuple[str, Description]]:
    """What is answered with a document of ours, and the media type object."""
    for method, path, operation in operations(description):
        for status, answer in operation["responses"].items():
            if status[0] == "2" and JSON in answer.get("content", {}):
                yield f"{method} {path} {status}", answer["content"][JSON]


def found(description: Description, schema: Description) -> Description:
    """The component a schema refers to, or itself."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return description["components"]["schemas"][name] if name else schema


def named(operation: Description, place: str) -> dict[str, Description]:
    return {each["name"]: each for each in operation.get("parameters", ()) if each["in"] == place}


def test_every_registered_operation_is_described_and_no_other(description: Description) -> None:
    described = {(method.lower(), path.lstrip("/")) for method, path, _ in operations(description)}
    declared = {
        (each.method, matrix._PARAMETER.sub(r"{\2}", each.route))
        for each in matrix.operations()
        if not each.route.endswith(("v1/docs", "v1/redoc"))
    }
    assert described == declared


def test_it_is_openapi_and_the_same_every_time(description: Description) -> None:
    validate_schema(description)
    assert json.loads(write_openapi.text()) == description


def test_every_operation_says_who_may_call_it_and_how_it_refuses(description: Description) -> None:
    refusals = description["components"]["responses"]
    for method, path, operation in operations(description):
        assert operation.get("x-access"), f"{method} {path}"
        assert operation.get("summary"), f"{method} {path}"
        assert {"400", "404", "429", "503"} <= set(operation["responses"]), f"{method} {path}"
        for status, answer in operation["responses"].items():
            if status[0] in "45":
                assert answer["$ref"].rpartition("/")[2] in refusals
    for name in ("TooManyRequests", "Unavailable"):
        assert "Retry-After" in refusals[name]["headers"]


def test_the_committed_description_is_the_present_one() -> None:
    call_command("write_openapi", "--check")


def test_every_parameter_is_described_in_a_sentence(description: Description) -> None:
    silent = [
        f"{method} {path}: {parameter['name']}"
        for method, path, operation in operations(description)
        for parameter in operation.get("parameters", ())
        if not parameter.get("description", "").strip().endswith(".")
    ]
    assert silent == []


def test_every_list_is_described_as_a_page_of_rows(description: Description) -> None:
    lists = 0
    for each in matrix.operations():
        if not each.op.lists:
            continue
        path = "/" + matrix._PARAMETER.sub(r"{\2}", each.route)
        answer = description["paths"][path]["get"]["responses"]["200"]
        page = found(description, answer["content"][JSON]["schema"])["properties"]
        wanted = {"next", "previous", "results"}
        wanted |= set() if shapes.is_cursor(each.view) else {"count"}
        assert set(page) == wanted, path
        assert page["results"]["type"] == "array", path
        assert found(description, page["results"]["items"]).get("properties"), path
        lists += 1
    assert lists >= 35


def test_a_batch_answers_rows_in_order_or_a_result_each(description: Description) -> None:
    batches = [each for each in answers(description) if "/batch " in each[0]]
    for name, told in batches:
        schema = told["schema"]
        if name.endswith("207"):
            assert set(schema["properties"]) == {"results", "summary"}, name
        elif "/admin/" not in name:
            assert schema["type"] == "array", name
            assert found(description, schema["items"])["properties"], name
    assert len(batches) >= 42


def test_every_document_has_fields_and_an_example(description: Description) -> None:
    examples = description["components"]["examples"]
    for name, told in answers(description):
        schema = found(description, told["schema"])
        shaped = {"properties", "items"} & set(schema) or schema.get("additionalProperties")
        assert bool(shaped) != (name in FREE), name
        if not NO_EXAMPLE.fullmatch(name):
            assert told["examples"]["example"]["$ref"].rpartition("/")[2] in examples, name


def test_every_json_body_has_an_example_and_words(description: Description) -> None:
    for method, path, operation in operations(description):
        body = operation.get("requestBody", {}).get("content", {}).get(JSON)
        if body:
            assert body["examples"], f"{method} {path}"
    silent = [
        f"{name}.{field}"
        for name, schema in description["components"]["schemas"].items()
        if name.endswith("Request")
        for field, each in schema.get("properties", {}).items()
        if not each.get("description")
    ]
    assert silent == []


def test_examples_are_what_their_schemas_say(description: Description) -> None:
    components, wrong = description["components"], []
    for method, path, operation in operations(description):
        told = [*operation["responses"].values(), operation.get("requestBody", {})]
        for media in [each for one in told for each in one.get("content", {}).values()]:
            validator = Draft202012Validator({**media["schema"], "components": components})
            for each in media.get("examples", {}).values():
                value = components["examples"][each["$ref"].rpartition("/")[2]]["value"]
                problems = [each.message[:100] for each in validator.iter_errors(value)]
                wrong += [f"{method} {path}: {each}" for each in problems]
    assert wrong == []


def test_no_example_is_of_nothing(description: Description) -> None:
    used = set()
    for method, path, operation in operations(description):
        here = path.removeprefix("/api/v1/")
        noun = re.sub(r"/(batch|\{[^/]+\})$", "", here)
        used |= {noun, f"{method.lower()} {here}"}
        used |= {f"{method.lower()} {here} {status}" for status in operation["responses"]}
    assert set(shapes.KNOWN.answers) - used == set()
    assert set(shapes.KNOWN.bodies) - set(description["components"]["schemas"]) == set()


def test_a_delete_has_a_body_where_it_reads_one(description: Description) -> None:
    paths = description["paths"]
    limit = paths["/api/v1/portfolios/{portfolio_id}/risk/limits/{limit_id}"]["delete"]
    body = found(description, limit["requestBody"]["content"][JSON]["schema"])
    assert (set(body["properties"]), body["required"]) == ({"reason"}, ["reason"])
    with_bodies = {
        path
        for method, path, operation in operations(description)
        if method == "DELETE" and "requestBody" in operation and not path.endswith("/batch")
    }
    assert with_bodies == {
        "/api/v1/portfolios/{portfolio_id}/risk/limits/{limit_id}",
        "/api/v1/cash-transactions/{transaction_id}",
        "/api/v1/positions/{position_id}",
        "/api/v1/portfolios/{portfolio_id}/members/{member_id}",
    }


def test_what_is_replaced_whole_says_what_it_needs(description: Description) -> None:
    schemas = description["components"]["schemas"]
    assert {"style", "settlement", "am_settled"} <= set(schemas["WholeOptionRequest"]["required"])
    body = description["paths"]["/api/v1/options/{symbol}"]["put"]["requestBody"]["content"][JSON]
    assert body["schema"]["$ref"].endswith("/WholeOptionRequest")


def test_what_must_be_sent_is_said_to_be(description: Description) -> None:
    needed: dict[str, set[str]] = {}
    for _, path, operation in operations(description):
        for name, each in named(operation, "query").items():
            if each.get("required"):
                needed.setdefault(path, set()).add(name)
    assert needed == NEEDED


@pytest.mark.django_db
def test_what_is_not_said_to_be_needed_is_not(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    cast = matrix.cast()
    for each in matrix.operations():
        if each.method == "get" and not each.parameters and each.op.kind != "public":
            status = cast.ask("superuser", "get", f"/{each.route}").status_code
            assert (status == 400) == bool(each.op.needs), f"{each}: {status}"


def test_parameters_have_the_types_of_what_reads_them(description: Description) -> None:
    for (method, path, name), schema in TYPES.items():
        operation = description["paths"][path][method.lower()]
        assert named(operation, "query")[name]["schema"] == schema, (path, name)
    sections = named(
        description["paths"]["/api/v1/data/portfolio/{portfolio_id}/complete"]["get"], "query"
    )["sections"]
    assert sections["explode"] is False
    assert sections["schema"]["items"]["enum"] == list(raw_data.SECTIONS)


def test_headers_of_requests_are_described(description: Description) -> None:
    for method, path, operation in operations(description):
        headers = named(operation, "header")
        keyed = method == "POST" and path not in TOLD_WITHOUT_KEY
        assert ("Idempotency-Key" in headers) == keyed, f"{method} {path}"
        if method == "POST" and not keyed:
            assert "No Idempotency-Key: " in operation["description"], path
        required = headers.get("If-Match", {}).get("required", False)
        assert required == (f"{method} {path}" in VERSION_REQUIRED), f"{method} {path}"
        assert ("428" in operation["responses"]) == required
        assert ("412" in operation["responses"]) == ("If-Match" in headers)
        assert ("304" in operation["responses"]) == ("If-None-Match" in headers)


def test_headers_of_answers_are_described(description: Description) -> None:
    paths = description["paths"]
    for method, path, operation in operations(description):
        told = [each for code, each in operation["responses"].items() if code[0] == "2"]
        assert all("X-RateLimit-Remaining" in each["headers"] for each in told), f"{method} {path}"
    assert "ETag" in paths["/api/v1/bonds/{bond_id}"]["get"]["responses"]["200"]["headers"]
    assert "Location" in paths["/api/v1/bonds"]["post"]["responses"]["201"]["headers"]
    job = paths["/api/v1/data/update"]["post"]["responses"]["202"]["headers"]
    assert {"Location", "Retry-After", "Idempotent-Replayed"} <= set(job)
    assert "Location" not in paths["/api/v1/ws-tickets"]["post"]["responses"]["201"]["headers"]


@pytest.mark.django_db
def test_whoever_asks_gets_a_description_that_is_whole(settings: Any) -> None:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    cast = matrix.cast()
    sizes = set()
    for actor in ("read_token", "owner", "staff_reader", "superuser"):
        told = cast.ask(actor, "get", "/api/v1/schema").content.decode()
        components = json.loads(told)["components"]
        for kind, name in re.findall(r'"#/components/(\w+)/([^"]+)"', told):
            assert name in components[kind], f"{actor}: {kind} {name}"
        sizes.add(len(told))
    assert len(sizes) > 1


def test_reading_says_where_there_may_be_too_little_data(description: Description) -> None:
    for path in TOO_LITTLE_DATA:
        assert "422" in description["paths"][path]["get"]["responses"], path
    assert "422" not in description["paths"]["/api/v1/instruments"]["get"]["responses"]


def test_a_file_of_prices_is_a_file_with_its_limits(description: Description) -> None:
    operation = description["paths"]["/api/v1/data/import"]["post"]
    bodies = operation["requestBody"]["content"]
    for kind in ("text/csv", "application/gzip"):
        assert bodies[kind]["schema"] == {"type": "string", "format": "binary"}
    assert set(found(description, bodies[JSON]["schema"])["properties"]) == {"content", "file_name"}
    for number, words in (
        (MAX_FILE_BYTES // 1_000_000, "MB"),
        (price_upload.MOST_UNPACKED // 1_000_000, "MB unpacked"),
        (price_upload.MOST_ROWS, "rows"),
        (price_upload.MOST_SYMBOLS, "symbols"),
        (settings.RATE_LIMITS["files"][0], "files"),
    ):
        assert f"{number:,} {words}" in " ".join(operation["description"].split())
    assert "too_many_files" in operation["description"]


def test_what_is_left_to_operators_says_so(description: Description) -> None:
    for method, path, operation in operations(description):
        shared = re.match(
            r"/api/v1/(instruments|prices|market-data|valuations|bonds|options)", path
        )
        if method != "GET" and shared:
            assert "Operators" in operation["description"], f"{method} {path}"
            assert "403" in operation["description"], f"{method} {path}"


def test_samples_of_every_operation_run(description: Description) -> None:
    before = samples.HOW.partition("```python\n")[2].partition("```")[0]
    for method, path, operation in operations(description):
        curl, python = operation["x-codeSamples"]
        assert (curl["lang"], python["lang"]) == ("Shell", "Python")
        assert "{" not in re.sub(r"-d '.*'", "", curl["source"], flags=re.DOTALL), path
        compile(f"{before}\n{python['source']}", f"{method} {path}", "exec")
        if operation.get("security"):
            assert "$ETFTRADER_TOKEN" in curl["source"], path
            assert "KNOWN" in python["source"], path


def test_declarations_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match="not declared consistently"):
        registry.operation(get=Op("signed_in", query={"symbol": "The symbol."}, needs=("symbols",)))
    with pytest.raises(ValueError, match="not declared consistently"):
        registry.operation(get=Op("signed_in", versions="sometimes"))


def test_rows_that_can_be_patched_have_versions_where_nothing_else_is_said() -> None:
    rows = type("Rows", (), {"operations": {name: Op("signed_in") for name in ("get", "patch")}})
    assert tags_of(rows, "GET", "/api/v1/rows/{row_id}") == "unchanged"
    assert tags_of(rows, "PATCH", "/api/v1/rows/{row_id}") == "checked"
    assert tags_of(rows, "GET", "/api/v1/rows") == ""
