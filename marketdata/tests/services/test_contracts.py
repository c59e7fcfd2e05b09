"""Contracts from symbols and chain rows: every form, once, and never on nothing."""

from datetime import date
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import DatabaseError, connection

from etftrader.core.errors import BadInput
from etftrader.core.records import AuditEvent
from marketdata.models import Instrument, OptionContract
from marketdata.services import contracts
from marketdata.tests.option_world import BY, instrument, option

CALL = "SPY160819C00212000"


def made(*symbols):
    return contracts.ensure(symbols=symbols, by=BY)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "form", [CALL, "spy160819c00212000", "SPY   160819C00212000", " SPY160819C00212000 "]
)
def test_every_form_of_a_symbol_is_one_contract(form):
    spy = instrument(sector="Broad")

    done = made(form)

    row = done.contracts[CALL]
    assert done.created == {CALL}
    assert (row.underlying, row.expiry, row.strike) == (spy, date(2016, 8, 19), Decimal(212))
    assert (row.right, row.style, row.settlement) == ("call", "american", "physical")
    assert (row.instrument.symbol, row.instrument.kind) == (CALL, "option")
    assert (row.instrument.multiplier, row.instrument.sector) == (Decimal(100), "Broad")


@pytest.mark.django_db
def test_twice_is_once_and_leaves_one_line():
    instrument()
    first = made(CALL)

    again = made(CALL.lower(), CALL)

    assert again.created == frozenset()
    assert again.contracts[CALL].pk == first.contracts[CALL].pk
    assert OptionContract.objects.count() == 1
    [line] = AuditEvent.objects.filter(action="contract.created")
    assert line.after["symbol"] == CALL


@pytest.mark.django_db
def test_many_contracts_leave_one_line_with_their_number():
    instrument()

    made(*(f"SPY160819C{strike * 1000:08d}" for strike in range(150, 250)))

    assert OptionContract.objects.count() == 100
    [line] = AuditEvent.objects.filter(action="contracts.created")
    assert (line.after["count"], line.after["underlyings"]) == (100, ["SPY"])


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("symbol", "code", "says"),
    [
        ("QQQ160819C00212000", "unknown_underlying", "Add that instrument first"),
        ("SPX160819", "bad_option_symbol", "too short"),
        ("SPY160230C00212000", "bad_option_symbol", "calendar"),
        ("SPY160819C00000000", "bad_option_symbol", "strike of 0"),
        ("SPY160819X00212000", "bad_option_symbol", "neither C"),
        ("PRIV160819C00212000", "unknown_underlying", "PRIV"),
        ("BND160819C00212000", "no_options", "no fund, stock or index"),
    ],
)
def test_what_is_no_contract_is_refused_whole(symbol, code, says):
    instrument()
    instrument("PRIV", "private_fund", owner_id=BY.user_id or "0" * 32)
    instrument("BND", "bond")

    with pytest.raises(BadInput, match=says) as refusal:
        made(CALL, symbol)

    assert refusal.value.code == code
    assert refusal.value.figures["attr"] == "symbol"
    assert not OptionContract.objects.exists()
    assert not Instrument.objects.filter(kind="option").exists()


@pytest.mark.django_db
def test_a_symbol_that_names_something_else_is_refused():
    instrument()
    instrument(CALL, "private_fund")

    with pytest.raises(BadInput) as refusal:
        made(CALL)

    assert refusal.value.code == "symbol_taken"
    assert not OptionContract.objects.exists()


@pytest.mark.django_db
def test_index_options_are_european_and_settle_in_cash():
    instrument("^GSPC", "index")

    done = made("SPX160819C02100000", "SPXW160819P02100000").contracts

    monthly, weekly = done["SPX160819C02100000"], done["SPXW160819P02100000"]
    assert {each.style for each in done.values()} == {"european"}
    assert {each.settlement for each in done.values()} == {"cash"}
    assert (monthly.am_settled, weekly.am_settled) == (True, False)


@pytest.mark.django_db
def test_share_classes_and_adjusted_roots_find_their_underlying():
    berkshire, apple = instrument("BRK-B", "stock"), instrument("AAPL", "stock")

    done = made("BRKB160819C00140000", "AAPL1160819C00100000")

    assert done.contracts["BRKB160819C00140000"].underlying == berkshire
    adjusted = done.contracts["AAPL1160819C00100000"]
    assert (adjusted.underlying, adjusted.adjusted) == (apple, True)
    assert len(done.warnings) == 1
    assert "multiplier may differ" in done.warnings[0]


@pytest.mark.django_db
def test_rows_that_contradict_their_symbol_are_kept_out():
    instrument()
    rows = [
        option(CALL),
        option("SPY160819C00213000", strike=214.0),
        option("SPY160819P00213000", right="C", strike=213.0),
        option("QQQ160819C00212000"),
        option("nonsense"),
        option("SPY160819C00215000", strike=float("inf")),
    ]

    found, failures = contracts.of_chain(rows=rows, by=BY)

    assert set(found) == {CALL}
    assert [each.code for each in failures] == [
        "wrong_contract",
        "wrong_contract",
        "bad_option_symbol",
        "bad_contract",
        "unknown_underlying",
    ]
    assert OptionContract.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_many_at_once_make_each_contract_once():
    instrument()
    symbols = [f"SPY160819P{strike * 1000:08d}" for strike in range(190, 200)]
    together, errors, seen = Barrier(6), [], []

    def run():
        together.wait()
        try:
            seen.append({each.pk for each in made(*symbols).contracts.values()})
        except (DatabaseError, BadInput) as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    assert OptionContract.objects.count() == Instrument.objects.filter(kind="option").count() == 10
    assert all(each == seen[0] for each in seen)
    assert AuditEvent.objects.filter(action="contracts.created").count() == 1
