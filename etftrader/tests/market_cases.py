"""The market data's rows in the lists of T-19 and T-41: what is sent, and where versions stand."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

from etftrader.core.actor import system
from marketdata.models import Bond, DailyBar, Instrument, OptionContract, Valuation
from marketdata.services import contracts
from trading.tests import world

BY = system("tests")
CONTRACT = "AAA160819C00100000"
V1 = "/api/v1"
NEW = {"symbol": "NEWFUND", "name": "A new fund", "kind": "etf"}
WHOLE = {"symbol": CONTRACT, "kind": "option", "multiplier": "100"}
TERMS = {"settlement": "cash", "am_settled": False}
BOND = {"instrument": "NOTE", "coupon_rate": 0.01, "maturity": "2026-06-15"}
WORTH = {
    "instrument": "AAA",
    "as_of_date": "2016-06-21",
    "method": "dcf",
    "target_price": "120",
}
PRICE = {"instrument": "AAA", "session_date": "2016-06-21", "close": "101", "change_pct": 1.5}
ANY = {"HTTP_IF_MATCH": "*"}


def make() -> dict[str, Any]:
    """A bond, a contract, a valuation and a price, by the names of the addresses."""
    note = Instrument.objects.filter(symbol="NOTE").first() or Instrument.objects.create(
        symbol="NOTE", name="Note", kind="bond", price_basis="close"
    )
    bond = Bond.objects.filter(instrument=note).first() or Bond.objects.create(
        instrument=note, coupon_rate=0.03, maturity=date(2026, 6, 15), face_value=100
    )
    contracts.ensure(symbols=[CONTRACT], by=BY)
    worth = Valuation.objects.create(
        instrument=note, as_of_date=world.YESTERDAY, method="dcf", target_price=Decimal(100)
    )
    price = DailyBar.objects.create(
        instrument=note,
        session_date=world.YESTERDAY,
        source="manual",
        close=Decimal(100),
        price_basis="close",
    )
    return {
        "bond_id": bond.pk,
        "symbol": CONTRACT,
        "valuation_id": worth.pk,
        "price_id": f"{note.pk}:{price.session_date}:manual",
    }


def lock(ids: dict[str, Any]) -> None:
    """Hold every row of `make` until the transaction ends."""
    Instrument.objects.select_for_update().get(symbol=CONTRACT)
    OptionContract.objects.select_for_update().get(instrument__symbol=CONTRACT)
    Valuation.objects.select_for_update().get(pk=ids["valuation_id"])
    DailyBar.objects.select_for_update().get(instrument__symbol="NOTE")


def of_instrument(stage: SimpleNamespace) -> int:
    return Instrument.objects.get(symbol=CONTRACT).version


def of_contract(stage: SimpleNamespace) -> int:
    return OptionContract.objects.get(instrument__symbol=CONTRACT).version


def of_bond(stage: SimpleNamespace) -> int:
    return Bond.objects.get(pk=stage.ids["bond_id"]).version


def of_valuation(stage: SimpleNamespace) -> int:
    return Valuation.objects.get(pk=stage.ids["valuation_id"]).version


def of_price(stage: SimpleNamespace) -> int:
    return DailyBar.objects.get(instrument__symbol="NOTE").revision + 1


Version = Callable[[SimpleNamespace], int]
N, C = f"{V1}/instruments/<str:symbol>", f"{V1}/options/<str:symbol>"
B, W = f"{V1}/bonds/<uuid:bond_id>", f"{V1}/valuations/<uuid:valuation_id>"
NOTED = WORTH | {"instrument": "NOTE", "as_of_date": "2016-06-22"}
EDITABLE: dict[str, tuple[list[dict[str, Any]], Version]] = {
    f"PATCH {N}": ([{"name": "Left"}, {"name": "Right"}], of_instrument),
    f"PUT {N}": ([WHOLE | {"name": "Left"}, WHOLE | {"name": "Right"}], of_instrument),
    f"DELETE {N}": ([{}, {}], of_instrument),
    f"PATCH {C}": ([{"style": "european"}, {"settlement": "cash"}], of_contract),
    f"PUT {C}": ([TERMS | {"style": "european"}, TERMS | {"style": "american"}], of_contract),
    f"DELETE {C}": ([{}, {}], of_contract),
    f"PUT {B}": ([BOND, BOND | {"coupon_rate": 0.02}], of_bond),
    f"DELETE {B}": ([{}, {}], of_bond),
    f"PATCH {W}": ([{"target_price": "1"}, {"target_price": "2"}], of_valuation),
    f"PUT {W}": ([NOTED, NOTED | {"target_price": "2"}], of_valuation),
}
GONE: dict[str, Version] = {f"DELETE {W}": of_valuation}
for _prices in ("prices", "market-data"):
    _one = f"{V1}/{_prices}/<str:price_id>"
    EDITABLE[f"PATCH {_one}"] = ([{"close": "101"}, {"close": "102"}], of_price)
    EDITABLE[f"PUT {_one}"] = ([{"close": "101"}, {"close": "102"}], of_price)
    GONE[f"DELETE {_one}"] = of_price
BATCHES = {
    f"{method} {V1}/{name}/batch"
    for method in ("PATCH", "DELETE")
    for name in ("instruments", "bonds", "options", "prices", "market-data", "valuations")
}


def prepared(stage: SimpleNamespace) -> dict[str, Any]:
    """The rows, known to the bodies too."""
    stage.ids |= make()
    return {}


def one(key: str, **fields: Any) -> Callable[[SimpleNamespace], list[Any]]:
    """A batch of one row of `make`."""
    return lambda stage: [{"id": str(stage.ids[key]), **fields}]


How = tuple[Any, dict[str, str], Callable[[SimpleNamespace], dict[str, Any]] | None]
AUDITED: dict[str, How] = {
    f"POST {V1}/instruments": (NEW, {}, None),
    f"POST {V1}/instruments/batch": ([NEW], {}, None),
    f"PATCH {V1}/instruments/batch": (one("symbol", name="Other"), {}, prepared),
    f"DELETE {V1}/instruments/batch": (one("symbol"), {}, prepared),
    f"PATCH {V1}/options/batch": (one("symbol", style="european"), {}, prepared),
    f"DELETE {V1}/options/batch": (one("symbol"), {}, prepared),
    f"PATCH {V1}/bonds/batch": (one("bond_id", coupon_rate=0.01), {}, prepared),
    f"DELETE {V1}/bonds/batch": (one("bond_id"), {}, prepared),
    f"POST {V1}/valuations": (WORTH, {}, None),
    f"POST {V1}/valuations/batch": ([WORTH], {}, None),
    f"PATCH {V1}/valuations/batch": (one("valuation_id", ev="5"), {}, prepared),
    f"DELETE {V1}/valuations/batch": (one("valuation_id"), {}, prepared),
}
for _name, (_bodies, _) in EDITABLE.items():
    AUDITED[_name] = (_bodies[0], ANY, prepared)
for _name in GONE:
    AUDITED[_name] = ({}, ANY, prepared)
for _prices in ("prices", "market-data"):
    AUDITED[f"POST {V1}/{_prices}"] = (PRICE, {}, None)
    AUDITED[f"POST {V1}/{_prices}/batch"] = ([PRICE], {}, None)
    AUDITED[f"PATCH {V1}/{_prices}/batch"] = (one("price_id", close="101"), {}, prepared)
    AUDITED[f"DELETE {V1}/{_prices}/batch"] = (one("price_id"), {}, prepared)
ASKED = {f"POST {V1}/instruments/<str:symbol>/fundamentals": ({}, {}, prepared)}
