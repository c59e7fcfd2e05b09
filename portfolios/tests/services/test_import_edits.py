"""Rows mended in place, duplicates decided, columns mapped and remembered, files taken back."""

from datetime import timedelta
from decimal import Decimal

import pytest

from etftrader.core import clock
from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from portfolios.models import ImportAlias, ImportBatch, ImportMapping, Portfolio, Position
from portfolios.services import import_edits, import_undo, verification
from portfolios.tests.factories import (
    MONDAY,
    TUESDAY,
    actor,
    deposit,
    fill,
    make_clock,
    make_instrument,
    make_portfolio,
    make_user,
)
from portfolios.tests.services.importing import (
    CASH,
    POSITIONS,
    TRADES,
    bring,
    check,
    codes,
    commit,
    verdicts,
)

pytestmark = pytest.mark.django_db
ODD = "Papier;Zahl;Kurs;Tag\nSPY;10;200,5;2016-06-20\nNFLX;2;90,25;2016-06-20\n"
MAPPED = {"ticker": "Papier", "quantity": "Zahl", "entry_price": 2, "entry_date": "Tag"}


@pytest.fixture
def portfolio():
    make_clock()
    make_instrument("SPY")
    make_instrument("NFLX", kind="stock")
    return make_portfolio(cash=10_000, session_date=MONDAY)


def fix(batch, ordinal, **given):
    return import_edits.fix(batch_id=batch.pk, ordinal=ordinal, **given)


def held(portfolio):
    rows = Position.objects.filter(portfolio=portfolio).exclude(quantity=0)
    return {row.instrument.symbol: (row.quantity, row.cost_basis) for row in rows}


def test_a_mended_cell_is_judged_anew_with_the_whole_file(portfolio):
    batch = check(portfolio, POSITIONS + "SPY,x,200,2016-06-20,\nSPY,5,200,2016-06-20,\n")
    assert verdicts(batch) == ["error", "new"]

    row = fix(batch, 2, cells={"quantity": "5"})

    assert (row.verdict, row.fixed) == ("new", {"quantity": "5"})
    assert row.raw[1] == "x"
    assert verdicts(batch) == ["new", "duplicate"]
    batch.refresh_from_db()
    assert (batch.counts["new"], batch.counts["duplicate"], batch.counts["error"]) == (1, 1, 0)
    commit(batch)
    assert held(portfolio) == {"SPY": (5, 1000)}


def test_a_row_is_changed_by_who_has_read_it(portfolio):
    batch = check(portfolio, POSITIONS + "SPY,x,200,2016-06-20,\n")

    row = fix(batch, 2, cells={"quantity": "y"}, if_match_version=1)

    assert row.version > 1
    with pytest.raises(VersionMismatch):
        fix(batch, 2, cells={"quantity": "5"}, if_match_version=1)
    with pytest.raises(NotFound):
        fix(batch, 9, cells={"quantity": "5"})
    for bad in ({"size": "5"}, {"quantity": "5" * 5_000}):
        with pytest.raises(BadInput):
            fix(batch, 2, cells=bad)
    commit(batch, partial=True)
    with pytest.raises(Conflict) as refusal:
        fix(batch, 2, cells={"quantity": "5"})
    assert refusal.value.code == "import_committed"


def test_a_ticker_can_be_mapped_for_all_rows_that_have_it(portfolio):
    rows = "SPYX,1,200,2016-06-20,\nspyx,2,200,2016-06-21,\nZZZ,1,1,2016-06-20,\n"
    batch = check(portfolio, POSITIONS + rows)
    assert "SPY" in batch.rows.get(ordinal=2).messages[0]["hint"]

    fix(batch, 2, cells={"ticker": "SPY"}, everywhere=True)

    assert verdicts(batch) == ["new", "new", "error"]
    assert batch.rows.get(ordinal=3).parsed["ticker"] == "SPY"
    with pytest.raises(BadInput):
        fix(batch, 4, cells={"ticker": "no such thing"}, everywhere=True)


@pytest.mark.parametrize(
    ("choice", "verdict", "booked", "cost"),
    [("skip", "duplicate", 1, 2000), ("import", "warning", 2, 3025), ("merge", "warning", 2, 3025)],
)
def test_a_twin_is_skipped_imported_or_merged(portfolio, choice, verdict, booked, cost):
    batch = check(portfolio, POSITIONS + "SPY,10,200,2016-06-20,a\nSPY,5,205,2016-06-20,b\n")
    assert codes(batch, 3) == [("ticker", "same_ticker_and_date")]

    import_edits.choose(batch_id=batch.pk, duplicates=choice)
    done = commit(batch)

    assert verdicts(batch) == ["new", verdict]
    assert done.result["booked"] == booked
    assert held(portfolio)["SPY"][1] == cost
    seqs = {"skip": 2, "import": 3, "merge": 2}[choice]
    assert Portfolio.objects.get(pk=portfolio.pk).ledger_seq == seqs
    assert verification.verify(portfolio_id=portfolio.pk) == []


def test_what_the_file_says_of_twins_books_nothing_a_second_time(portfolio):
    old = "SPY,10,200,2016-06-20,\n"
    bring(portfolio, POSITIONS + old)
    batch = check(portfolio, POSITIONS + old * 2 + "SPY,5,205,2016-06-20,\n")

    import_edits.choose(batch_id=batch.pk, duplicates="import")

    assert verdicts(batch) == ["duplicate", "duplicate", "warning"]
    assert commit(batch).result["booked"] == 1
    assert held(portfolio)["SPY"][0] == 15


def test_one_row_may_be_decided_otherwise_than_the_file(portfolio):
    rows = "SPY,10,200,2016-06-20,\n" * 3
    batch = check(portfolio, POSITIONS + rows)

    fix(batch, 3, decision="import")
    assert verdicts(batch) == ["new", "warning", "duplicate"]
    assert commit(batch).result["booked"] == 2

    assert held(portfolio)["SPY"][0] == 20
    with pytest.raises(BadInput):
        import_edits.choose(batch_id=check(portfolio, POSITIONS + rows).pk, duplicates="burn")


def test_columns_nobody_knows_are_mapped_and_remembered(portfolio):
    batch = check(portfolio, ODD, loose=True)
    assert verdicts(batch) == ["error", "error"]

    import_edits.remap(batch_id=batch.pk, columns=MAPPED)

    assert verdicts(batch) == ["new", "new"]
    batch.refresh_from_db()
    assert batch.dialect["decimal_comma"] is True
    assert ImportMapping.objects.get().columns["entry_price"] == 2
    again = check(portfolio, ODD.replace("10;", "11;"))
    assert again.dialect["remembered"] is True
    assert verdicts(again) == ["new", "new"]
    stranger = make_user("stranger@example.com")
    with pytest.raises(BadInput):
        check(portfolio, ODD, user=stranger)


def test_a_mapping_that_is_none_changes_nothing(portfolio):
    batch = check(portfolio, ODD, loose=True)

    for bad in ({"ticker": 0}, MAPPED | {"tags": 0}, MAPPED | {"entry_date": "Jahr"}):
        with pytest.raises(BadInput):
            import_edits.remap(batch_id=batch.pk, columns=bad)
    with pytest.raises(VersionMismatch):
        import_edits.remap(batch_id=batch.pk, columns=MAPPED, if_match_version=9)

    assert not ImportMapping.objects.exists()


def test_spellings_are_those_of_the_table(portfolio):
    ImportAlias.objects.create(kind="positions", alias="papier", field="ticker")
    ImportAlias.objects.filter(kind="positions", alias="qty").delete()

    assert (
        verdicts(check(portfolio, ODD.replace("Zahl;Kurs;Tag", "shares;price;date"))) == ["new"] * 2
    )
    with pytest.raises(BadInput):
        check(portfolio, ODD.replace("Zahl;Kurs;Tag", "qty;price;date"))


def undo(batch, reason="wrong file"):
    return import_undo.undo(batch_id=batch.pk, reason=reason, by=actor())


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("positions", POSITIONS + "SPY,10,200,2016-06-20,Core\nNFLX,-3,90,2015-06-22,\n"),
        ("trades", TRADES + "SPY,BUY,10,200,2016-06-21,1\nSPY,SELL,4,210,2016-06-22,1\n"),
        ("cash", CASH + "2016-06-21,deposit,500,\n2016-06-22,dividend,3,\n2016-06-22,fee,1,\n"),
    ],
)
def test_a_file_is_taken_back_as_if_it_had_never_been_and_may_come_again(portfolio, kind, text):
    before = Portfolio.objects.get(pk=portfolio.pk).cash
    batch = bring(portfolio, text, kind=kind)
    booked = (held(portfolio), Portfolio.objects.get(pk=portfolio.pk).cash)

    undone = undo(batch)
    assert (undone.status, undone.undo_reason) == ("undone", "wrong file")
    assert undo(batch).undone_at == undone.undone_at
    assert held(portfolio) == {}
    assert Portfolio.objects.get(pk=portfolio.pk).cash == before
    assert verification.verify(portfolio_id=portfolio.pk) == []
    assert AuditEvent.objects.filter(action="import.undo").count() == 1

    if kind == "positions":
        again = bring(portfolio, text, kind=kind)
        assert verdicts(again) == ["new", "new"]
        assert (held(portfolio), Portfolio.objects.get(pk=portfolio.pk).cash) == booked


def test_what_later_bookings_rest_on_is_not_taken_back(portfolio):
    batch = bring(portfolio, POSITIONS + "SPY,10,200,2016-06-20,\nNFLX,1,90,2016-06-20,\n")
    sold = fill(portfolio, make_instrument("SPY"), -4, 210, session_date=TUESDAY)

    with pytest.raises(Conflict) as refusal:
        undo(batch)

    assert refusal.value.code == "later_bookings"
    assert refusal.value.figures["seq"] == sold.seq
    assert set(held(portfolio)) == {"SPY", "NFLX"}
    assert ImportBatch.objects.get(pk=batch.pk).status == "committed"


def test_cash_that_is_spent_is_not_taken_back(portfolio):
    batch = bring(portfolio, CASH + "2016-06-21,deposit,500,\n", kind="cash")
    deposit(portfolio, -10_400, session_date=TUESDAY, source="out")

    with pytest.raises(Conflict) as refusal:
        undo(batch)

    assert refusal.value.code == "cash_spent"


def test_a_file_is_taken_back_within_a_day_with_a_reason(portfolio):
    batch = check(portfolio, POSITIONS + "SPY,10,200,2016-06-20,\n")
    with pytest.raises(Conflict) as refusal:
        undo(batch)
    assert refusal.value.code == "not_committed"
    commit(batch)
    with pytest.raises(BadInput):
        undo(batch, " ")
    long_ago = clock.now() - timedelta(hours=24, seconds=1)
    ImportBatch.objects.filter(pk=batch.pk).update(committed_at=long_ago)
    with pytest.raises(Conflict) as refusal:
        undo(batch)
    assert refusal.value.code == "undo_too_late"
    assert held(portfolio)["SPY"] == (10, Decimal(2000))
