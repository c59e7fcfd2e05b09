"""The description says what the registry says, and the committed file is the description."""

import json

import pytest
from django.core.management import call_command

from etftrader.management.commands import write_openapi
from etftrader.testing import matrix


@pytest.fixture(scope="module")
def description() -> dict[str, dict[str, object]]:
    return json.loads(write_openapi.text())


def test_every_registered_operation_is_described_and_no_other(description: dict) -> None:
    described = {
        (method, path.lstrip("/"))
        for path, methods in description["paths"].items()
        for method in methods
    }
    declared = {
        (each.method, matrix._PARAMETER.sub(r"{\2}", each.route))
        for each in matrix.operations()
        if not each.route.endswith(("v1/docs", "v1/redoc"))
    }
    assert described == declared


def test_every_operation_says_who_may_call_it_and_how_it_refuses(description: dict) -> None:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            assert operation.get("x-access"), f"{method} {path}"
            assert operation.get("summary"), f"{method} {path}"
            refusals = [code for code in operation["responses"] if code.startswith("4")]
            assert {"400", "404", "429"} <= set(refusals)


def test_the_committed_description_is_the_present_one() -> None:
    call_command("write_openapi", "--check")


def test_every_parameter_is_described_in_a_sentence(description: dict) -> None:
    silent = [
        f"{method.upper()} {path}: {parameter['name']}"
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
        for parameter in operation.get("parameters", ())
        if not parameter.get("description", "").strip().endswith(".")
    ]
    assert silent == []
