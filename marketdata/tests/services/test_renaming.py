"""New symbols: former ones are free to be taken, and options that cannot follow are looked at."""

from datetime import date
from typing import Any
from uuid import uuid4

import pytest

from etftrader.core.actor import system
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import AuditEvent
from marketdata.models import CorporateAction, Instrument, InstrumentAlias, OptionContract
from marketdata.selectors import instruments
from marketdata.services import bonds, corporate_actions, instrument_edits, renaming, rewinding
from marketdata.services.instruments import create_private

pytestmark = pytest.mark.django_db
EVE, EX, NEXT = date(2020, 8, 28), date(2020, 8, 31), date(2020, 9, 1)
BY = system("test")


def make(symbol: str, **fields: Any) -> Instrument:
    values = {"name": symbol, "kind": "stock", "price_basis": "close"} | fields
    return Instrument.objects.create(symbol=symbol, **values)


def rename(instrument: Instrument, symbol: str, since: date = EX) -> dict[str, object]:
    instrument.refresh_from_db()
    return renaming.rename(instrument=instrument, symbol=symbol, since=since)


def announce(instrument: Instrument, symbol: str, day: date = EX) -> CorporateAction:
    return CorporateAction.objects.create(
        instrument=instrument, kind="symbol_change", ex_date=day, new_symbol=symbol, source="manual"
    )


def option(under: Instrument, symbol: str, root: str) -> OptionContract:
    return OptionContract.objects.create(
        instrument=make(symbol, kind="option"), underlying=under, root=root,
        expiry=date(2020, 10, 16), strike=100, right="call",
    )  # fmt: skip


def names() -> dict[str, str]:
    rows = InstrumentAlias.objects.filter(instrument__kind="stock")
    return dict(rows.values_list("alias", "instrument__name"))


def test_a_former_symbol_may_be_taken_and_nobody_is_stuck() -> None:
    first, second = make("AAA"), make("BBB")
    rename(first, "CCC")
    assert names() == {"AAA": "AAA"}

    rename(second, "AAA", NEXT)

    # AAA is the second one's now, and no former name of the first
    assert names() == {"BBB": "BBB"}
    assert instruments.by_symbols(["AAA", "CCC"]) == {"AAA": second, "CCC": first}
    assert instruments.former_names([first.pk]) == {}
    rename(second, "DDD", NEXT)
    # who bore it last is found by it
    assert names() == {"AAA": "BBB", "BBB": "BBB"}
    rename(first, "AAA", NEXT)
    assert names() == {"BBB": "BBB", "CCC": "AAA"}


def test_a_symbol_that_was_somebodys_spelling_is_left_with_its_last_bearer() -> None:
    first = make("AAA")
    InstrumentAlias.objects.create(alias="BBB", instrument=first)
    listed = make("BBB")

    rename(listed, "DDD")

    assert instruments.by_symbols(["BBB"]) == {"BBB": listed}


@pytest.mark.parametrize("private", [False, True])
def test_a_former_symbol_is_left_to_something_new_that_everybody_sees(private: bool) -> None:
    first = make("AAA")
    announce(first, "CCC")
    corporate_actions.apply_due(session_date=EX)
    kind = "private_fund" if private else "stock"

    def created() -> Instrument:
        fields = {"symbol": "AAA", "name": "New", "kind": kind, "currency": "USD"}
        return instrument_edits.create(fields=fields, by=BY)

    if private:
        with pytest.raises(Conflict) as refused:
            created()
        assert refused.value.code == "symbol_taken"
        with pytest.raises(BadInput):
            create_private(owner_id=uuid4(), symbol="AAA", name="Mine")
        assert instruments.by_symbols(["AAA"]) == {"AAA": first}
    else:
        made = created()
        assert instruments.by_symbols(["AAA", "CCC"]) == {"AAA": made, "CCC": first}
        assert instruments.former_names([first.pk]) == {}


def test_a_bond_takes_a_former_symbol_and_no_other_spelling() -> None:
    announce(make("AAA"), "CCC")
    corporate_actions.apply_due(session_date=EX)
    InstrumentAlias.objects.create(alias="BBB", instrument=make("DDD"))
    renamed = make("EEE")
    InstrumentAlias.objects.create(alias="E.E", instrument=renamed)
    announce(renamed, "FFF")
    corporate_actions.apply_due(session_date=EX)
    terms = bonds.Terms(coupon_rate=0.05, maturity=date(2030, 1, 15))

    made = bonds.create(symbol="AAA", name="", currency="USD", terms=terms, by=BY)

    assert instruments.by_symbols(["AAA"]) == {"AAA": made.instrument}
    for spelling in ("BBB", "E.E"):
        with pytest.raises(BadInput) as refused:
            bonds.create(symbol=spelling, name="", currency="USD", terms=terms, by=BY)
        assert refused.value.code == "symbol_taken"


def test_a_symbol_that_is_borne_is_not_taken() -> None:
    make("BBB")
    with pytest.raises(Conflict) as refused:
        rename(make("AAA"), "BBB")
    assert refused.value.code == "symbol_taken"
    assert not InstrumentAlias.objects.exists()


def test_a_symbol_that_is_borne_unseen_is_refused_in_the_same_words() -> None:
    make("SEEN")
    make("MINE", kind="private_fund", pricing="manual", owner_id=uuid4())

    def said(symbol: str) -> str:
        with pytest.raises(Conflict) as refused:
            rename(Instrument.objects.get(symbol="AAA"), symbol)
        return refused.value.detail.replace(symbol, "X")

    make("AAA")
    assert said("MINE") == said("SEEN")
    assert said("MINE").startswith("AAA cannot become X. X is not free. Choose another symbol.")


@pytest.mark.parametrize(("new", "blocked"), [("BRK-B", False), ("TOOLONGX", False), ("NEW", True)])
def test_options_that_cannot_be_respelled_are_flagged_and_counted(new: str, blocked: bool) -> None:
    fund = make("AAA")
    contract = option(fund, "AAA201016C00100000", "AAA")
    if blocked:
        make("NEW201016C00100000", kind="option")
    announce(fund, new)

    [item] = corporate_actions.apply_due(session_date=EX)["items"]

    assert (item["options"], item["contracts_to_review"]) == (0, 1)
    contract.refresh_from_db()
    figures = (contract.adjusted, contract.root, contract.instrument.symbol)
    assert figures == (True, "AAA", "AAA201016C00100000")
    line = AuditEvent.objects.get(action="corporate_action.applied")
    assert line.after is not None
    assert line.after["contracts_to_review"] == 1


# --- taken back ---------------------------------------------------------------------------------


def test_symbols_are_taken_back_newest_first_and_come_again() -> None:
    first, second, early = make("AAA"), make("BBB"), make("EEE")
    contract = option(first, "AAA201016C00100000", "AAA")
    announce(early, "FFF", EVE)
    announce(first, "CCC")
    announce(second, "AAA", NEXT)
    announce(first, "GGG", NEXT)
    assert corporate_actions.apply_due(session_date=NEXT)["counts"]["applied"] == 4

    assert rewinding.take_back(after=EVE, by=BY) == []

    def symbols() -> list[str]:
        for each in (first, second, early):
            each.refresh_from_db()
        return [first.symbol, second.symbol, early.symbol]

    assert symbols() == ["AAA", "BBB", "FFF"]
    contract.refresh_from_db()
    contract.instrument.refresh_from_db()
    assert (contract.root, contract.instrument.symbol) == ("AAA", "AAA201016C00100000")
    states = CorporateAction.objects.order_by("ex_date").values_list("status", flat=True)
    assert list(states) == ["applied", "pending", "pending", "pending"]
    assert AuditEvent.objects.filter(action="corporate_action.taken_back").count() == 3

    assert corporate_actions.apply_due(session_date=NEXT)["counts"] == {"applied": 3, "failed": 0}
    assert symbols() == ["GGG", "AAA", "FFF"]


def test_prices_of_what_was_split_are_asked_for_by_the_symbol_of_then() -> None:
    fund = make("AAA")
    contract = option(fund, "AAA201016C00400000", "AAA")
    OptionContract.objects.filter(pk=contract.pk).update(strike=400)
    announce(fund, "CCC")
    CorporateAction.objects.create(
        instrument=fund, kind="split", ex_date=EX, ratio=4, source="manual"
    )
    assert corporate_actions.apply_due(session_date=EX)["counts"]["applied"] == 2

    assert rewinding.take_back(after=EVE, by=BY) == ["AAA"]

    contract.refresh_from_db()
    contract.instrument.refresh_from_db()
    assert (contract.strike, contract.instrument.symbol) == (400, "AAA201016C00400000")
