"""Documents the description shows by example are those that views really write."""

import json
import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from etftrader.core.api import shapes
from etftrader.core.api.shapes import ByKey, Either, Maybe, Of
from etftrader.management.commands import write_openapi
from etftrader.testing import matrix
from etftrader.tests import test_t20_access
from marketdata.models import TreasuryYield
from trading.tests import world

pytestmark = pytest.mark.django_db
cast = test_t20_access.cast
scene = test_t20_access.scene
QUERY = {"symbols": "AAA,BBB", "symbol": "AAA", "q": "a", "group_by": "underlying"}
LEAST = 65  # addresses whose documents are compared
AMONG = {"bonds/{bond_id}", "options/{symbol}", "rates", "quotes", "data/quality", "positions"}
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*")


@pytest.fixture
def market(scene: Any) -> dict[str, Any]:
    """The ids of the scene, and of a bond and a contract beside it; a curve is there too."""
    TreasuryYield.objects.create(
        session_date=world.YESTERDAY, tenor="10Y", percent=1.7, source="bundled"
    )
    bond = {"instrument": "UST-2026-05", "coupon_rate": 0.01625, "maturity": "2026-05-15"}
    made = scene.cast.ask_kept("superuser", "post", "/api/v1/bonds", bond)
    contract = {"symbol": "AAA160819C00100000"}
    listed = scene.cast.ask_kept("superuser", "post", "/api/v1/options", contract)
    assert (made.status_code, listed.status_code) == (201, 201), (made.content, listed.content)
    return scene.ids | {"bond_id": made.json()["id"], **contract}


def differences(known: Any, told: Any, place: str) -> list[str]:
    """Where an answer has other members than its example; what is empty says nothing."""
    if isinstance(known, Maybe):
        known = known.value
    if isinstance(known, Of):
        known = shapes.KNOWN.example(known)
    if isinstance(known, Either):
        return min((differences(each, told, place) for each in known.values), key=len)
    if isinstance(known, ByKey):
        template = next(iter(known.values()), None)
        members = told.values() if isinstance(told, dict) else ()
        return [each for one in members for each in differences(template, one, f"{place}.*")]
    if isinstance(known, dict) and known and isinstance(told, dict):
        odd = (set(known) ^ set(told)) - getattr(known, "loose", frozenset())
        found = [f"{place}.{name}" for name in sorted(odd)]
        for name in set(known) & set(told):
            found += differences(known[name], told[name], f"{place}.{name}")
        return found
    if isinstance(known, list) and known and isinstance(told, list):
        return [each for one in told[:5] for each in differences(known[0], one, f"{place}[]")]
    return []


def moments(told: Any, place: str) -> list[str]:
    """Moments of an answer that are not UTC."""
    if isinstance(told, dict):
        return [each for name in told for each in moments(told[name], f"{place}.{name}")]
    if isinstance(told, list):
        return [each for one in told for each in moments(one, f"{place}[]")]
    moment = isinstance(told, str) and MOMENT.fullmatch(told) and "/" not in told
    return [f"{place}: {told}"] if moment and not told.endswith("Z") else []


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    return json.loads(write_openapi.text())["components"]


def against_schema(components: dict[str, Any], shape: shapes.Shape, one: Any) -> list[str]:
    """Where an answer is not what its component says: kinds, nulls, members that are missing."""
    schema = shapes.schema_of(shape.example) | {"components": components}
    found = Draft202012Validator(schema).iter_errors(one)
    return [f"{shape.name}{each.json_path[1:]}: {each.message[:120]}" for each in found]


def test_every_document_that_is_read_is_as_its_example_says(
    scene: Any, market: dict[str, Any], components: dict[str, Any]
) -> None:
    wrong: list[str] = []
    compared: set[str] = set()
    for each in matrix.operations():
        address = "/" + matrix._PARAMETER.sub(r"{\2}", each.route)
        shape = shapes.of_answer(each.method, address, "200")
        if each.method != "get" or shape is None:
            continue
        for ids in (scene.ids, market, market | {"symbol": "AAA", "underlying": "AAA"}):
            asked = "&".join(f"{name}={QUERY[name]}" for name in each.op.needs)
            path = each.path(ids) + (f"?{asked}" if asked else "")
            for actor in ("owner", "superuser"):
                answer = scene.cast.ask(actor, "get", path)
                if answer.status_code != 200:
                    continue
                told = answer.json()["results"] if each.op.lists else [answer.json()]
                for one in told[:3]:
                    wrong += differences(shape.example, one, address)
                    wrong += against_schema(components, shape, one)
                    wrong += moments(one, address)
                    compared.add(address.removeprefix("/api/v1/"))
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert compared >= AMONG
    assert len(compared) >= LEAST


def test_a_document_with_another_member_is_noticed() -> None:
    known = {"a": 1, "rows": [{"b": 1}], "by": ByKey(SPY={"c": 1})}
    assert differences(known, {"a": 2, "rows": [{"b": 2}], "by": {"TLT": {"c": 2}}}, "") == []
    loose = shapes.Parts(a=1, b=2)
    loose.loose = frozenset({"b"})
    assert differences(loose, {"a": 1}, "") == []
    assert differences(Either((loose, {"c": 1})), {"c": 2}, "") == []
    assert moments({"at": "2026-11-23T06:30:00.000-05:00", "on": "2026-11-23"}, "")
    told = {"a": 2, "z": 3, "rows": [{"x": 2}], "by": {"TLT": {}}}
    assert set(differences(known, told, "")) == {".z", ".rows[].b", ".rows[].x", ".by.*.c"}


def test_a_document_that_is_not_as_its_schema_says_is_noticed(components: dict[str, Any]) -> None:
    job = shapes.JOB
    assert against_schema(components, job, job.example) == []
    assert against_schema(components, job, job.example | {"url": None})
    assert against_schema(components, job, {**job.example, "items": {"ok": 1}})
    shape = shapes.KNOWN.answers["patch portfolios/{portfolio_id}/risk/limits/{limit_id}"]
    limit = shapes.shown(shape.example)
    assert against_schema(components, shape, limit | {"id": None}) == []
    assert against_schema(components, shape, limit | {"symbol": None, "kind": 1}) == []
    assert against_schema(components, shape, limit | {"hard": None})
