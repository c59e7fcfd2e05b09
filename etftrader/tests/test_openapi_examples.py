"""Documents the description shows by example are those that views really write."""

from typing import Any

import pytest

from etftrader.core.api import shapes
from etftrader.core.api.shapes import ByKey, Of
from etftrader.testing import matrix
from etftrader.tests import test_t20_access
from marketdata.models import TreasuryYield
from trading.tests import world

pytestmark = pytest.mark.django_db
cast = test_t20_access.cast
scene = test_t20_access.scene
QUERY = {"symbols": "AAA,BBB", "symbol": "AAA", "q": "a"}
LEAST = 65  # addresses whose documents are compared
AMONG = {"bonds/{bond_id}", "options/{symbol}", "rates", "quotes", "data/quality", "positions"}
# before anything was computed: no standing of a limit, and a reason in the place of risk
EARLY = (
    "/api/v1/portfolios/{portfolio_id}/risk/limits.results[].standing",
    "/api/v1/data/portfolio/{portfolio_id}/complete.risk.",
)


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
    if isinstance(known, Of):
        known = shapes.KNOWN.example(known)
    if isinstance(known, ByKey):
        template = next(iter(known.values()), None)
        members = told.values() if isinstance(told, dict) else ()
        return [each for one in members for each in differences(template, one, f"{place}.*")]
    if isinstance(known, dict) and known and isinstance(told, dict):
        found = [f"{place}.{name}" for name in sorted(set(known) ^ set(told))]
        for name in set(known) & set(told):
            found += differences(known[name], told[name], f"{place}.{name}")
        return found
    if isinstance(known, list) and known and isinstance(told, list):
        return [each for one in told[:5] for each in differences(known[0], one, f"{place}[]")]
    return []


def test_every_document_that_is_read_has_the_members_of_its_example(
    scene: Any, market: dict[str, Any]
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
                    compared.add(address.removeprefix("/api/v1/"))
    wrong = sorted({each for each in wrong if not each.startswith(EARLY)})
    assert not wrong, "\n".join(wrong)
    assert compared >= AMONG
    assert len(compared) >= LEAST


def test_a_document_with_another_member_is_noticed() -> None:
    known = {"a": 1, "rows": [{"b": 1}], "by": ByKey(SPY={"c": 1})}
    assert differences(known, {"a": 2, "rows": [{"b": 2}], "by": {"TLT": {"c": 2}}}, "") == []
    told = {"a": 2, "z": 3, "rows": [{"x": 2}], "by": {"TLT": {}}}
    assert set(differences(known, told, "")) == {".z", ".rows[].b", ".rows[].x", ".by.*.c"}
