"""Files of positions: checked, judged row by row, booked whole, and twice is once."""

import random
from decimal import Decimal

import pytest

from etftrader.core import tables
from etftrader.core.errors import BadInput, Conflict
from etftrader.core.records import AuditEvent, JobRun, OutboxEvent
from portfolios.models import (
    ImportBatch,
    ImportRow,
    LedgerEntry,
    Portfolio,
    Position,
    PositionTag,
    Tag,
)
from portfolios.services import csv_import, import_booking, verification
from portfolios.tests.factories import (
    WEDNESDAY,
    actor,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = pytest.mark.django_db
HEADER = "ticker,quantity,entry_price,entry_date,tags\n"
TWO = (
    HEADER
    + 'SPY,186,211.89,2015-06-22,"Core Holdings, #strategy:hedge"\nNFLX,-3200,96.4143,2015-06-22,\n'
)


@pytest.fixture
def portfolio():
    make_instrument("SPY")
    make_instrument("NFLX", kind="stock")
    make_instrument("^VIX", kind="index")
    return make_portfolio()


def check(portfolio, text, **given) -> ImportBatch:
    data = text if isinstance(text, bytes) else text.encode()
    user = make_user()
    return csv_import.check(
        portfolio_id=portfolio.pk,
        user=user,
        file_name="mine.csv",
        file=csv_import.read(data=data, user=user, **given),
        session_date=WEDNESDAY,
    )


def commit(batch, **given) -> ImportBatch:
    return import_booking.commit(batch_id=batch.pk, by=actor(), **given)


def verdicts(batch) -> list[str]:
    return list(batch.rows.order_by("ordinal").values_list("verdict", flat=True))


def messages(batch, ordinal) -> list[tuple[str, str]]:
    row = batch.rows.get(ordinal=ordinal)
    return [(each["field"], each["code"]) for each in row.messages]


def test_checking_books_nothing(portfolio):
    batch = check(portfolio, TWO)

    assert verdicts(batch) == ["new", "new"]
    assert {name: count for name, count in batch.counts.items() if count} == {"new": 2, "total": 2}
    assert (batch.totals["positions_before"], batch.totals["positions_after"]) == (0, 2)
    assert batch.totals["new_symbols"] == 2
    assert not LedgerEntry.objects.exists()
    assert not Position.objects.exists()
    assert not Tag.objects.exists()


def test_a_clean_file_is_booked_whole_with_tags_and_one_audit_line(portfolio):
    batch = commit(check(portfolio, TWO))

    spy, short = Position.objects.order_by("-quantity")
    assert (spy.quantity, spy.cost_basis) == (186, Decimal("39411.54"))
    assert (short.quantity, short.cost_basis) == (-3200, Decimal("-308525.76"))
    assert batch.result["created"] == 2
    assert batch.status == "committed"
    tagged = PositionTag.objects.filter(position=spy).values_list("tag__name", "tag__kind")
    assert set(tagged) == {("Core Holdings", "regular"), ("hedge", "strategy")}
    assert AuditEvent.objects.filter(action="import.commit").count() == 1
    assert OutboxEvent.objects.count() == 1
    assert verification.verify(portfolio_id=portfolio.pk) == []
    run = JobRun.objects.get(job="portfolios.take_snapshots")
    assert run.inputs["start"] == "2015-06-22"
    assert run.as_of == WEDNESDAY
    assert Portfolio.objects.get(pk=portfolio.pk).opened_on.isoformat() == "2015-06-22"


def test_committing_twice_and_the_same_file_again_change_nothing(portfolio):
    batch = commit(check(portfolio, TWO))
    seq = Portfolio.objects.get(pk=portfolio.pk).ledger_seq

    commit(batch)
    again = check(portfolio, TWO)
    done = commit(again)

    assert verdicts(again) == ["duplicate", "duplicate"]
    assert done.result["created"] == done.result["booked"] == 0
    assert done.result["skipped"] == 2
    assert Portfolio.objects.get(pk=portfolio.pk).ledger_seq == seq


def test_two_checks_of_one_file_committed_one_after_the_other_book_once(portfolio):
    first, second = check(portfolio, TWO), check(portfolio, TWO)

    commit(first)
    done = commit(second)

    assert done.result["booked"] == 0
    assert done.result["skipped"] == 2
    assert Portfolio.objects.get(pk=portfolio.pk).ledger_seq == 2


def test_a_longer_file_books_only_its_new_rows(portfolio):
    commit(check(portfolio, TWO))

    batch = commit(check(portfolio, TWO + "SPY,10,200,2016-01-04,\n"))

    assert verdicts(batch) == ["duplicate", "duplicate", "update"]
    assert Position.objects.get(instrument__symbol="SPY").quantity == 196
    assert batch.result["updated"] == 1
    assert batch.result["created"] == 0


def test_bad_rows_stop_the_whole_file_unless_they_are_left_out(portfolio):
    batch = check(portfolio, TWO + "SPY,x,200,2016-01-04,\n")

    with pytest.raises(Conflict) as refusal:
        commit(batch)
    assert refusal.value.code == "import_has_errors"
    assert not LedgerEntry.objects.exists()

    done = commit(batch, partial=True)
    assert done.result["booked"] == 2
    assert done.result["bad_rows"] == 1


@pytest.mark.parametrize(
    ("line", "field", "code"),
    [
        ("SPX,1,1,2016-01-04,", "ticker", "unknown_symbol"),
        ("^VIX,1,1,2016-01-04,", "ticker", "not_tradable"),
        ("XYZ160819C00212000,60,4.22,2016-06-21,", "ticker", "unknown_underlying"),
        ("SPY160231C00212000,60,4.22,2016-06-21,", "ticker", "invalid_option"),
        ("SPY160819C00000000,60,4.22,2016-06-21,", "ticker", "invalid_option"),
        ("SPY160617C00212000,60,4.22,2016-06-16,", "ticker", "expired"),
        ("SPY,1,1,2003-01-04,", "entry_date", "out_of_range"),
        ("SPY,1,1,2016-01-04,a<b", "tags", "invalid_tag"),
        ("SPY,1,1,2016-06-23,", "entry_date", "future_date"),
        ("SPY,1", "entry_price", "required"),
    ],
)
def test_a_bad_row_says_its_cell(portfolio, line, field, code):
    batch = check(portfolio, HEADER + line + "\n")

    assert verdicts(batch) == ["error"]
    assert (field, code) in messages(batch, 2)


def test_an_unknown_symbol_comes_with_look_alikes(portfolio):
    batch = check(portfolio, HEADER + "SPYY,1,1,2016-01-04,\n")

    [message] = batch.rows.get().messages
    assert "SPY" in message["hint"]


def test_a_day_without_a_session_is_booked_for_the_last_one_and_says_so(portfolio):
    batch = commit(check(portfolio, HEADER + "SPY,1,200,2016-06-19,\n"))

    assert messages(batch, 2) == [("entry_date", "not_a_session")]
    assert LedgerEntry.objects.first().session_date.isoformat() == "2016-06-17"


def test_repeated_rows_are_duplicates_and_so_are_other_figures_of_a_day(portfolio):
    lines = "SPY,1,200,2016-01-04,\nSPY,1,200,2016-01-04,\nSPY,2,200,2016-01-04,\n"

    batch = check(portfolio, HEADER + lines)

    assert verdicts(batch) == ["new", "duplicate", "duplicate"]
    assert messages(batch, 4) == [("ticker", "same_ticker_and_date")]


def test_semicolons_decimal_commas_aliases_and_a_late_header_are_read(portfolio):
    text = "My broker\n\nTrade date;Symbol;Qty;Price\n2016-01-04;spy;10;200,50\n"

    batch = commit(check(portfolio, text))

    assert batch.dialect["decimal_comma"] is True
    assert batch.dialect["header_line"] == 3
    assert Position.objects.get().cost_basis == 2005


def test_a_file_of_another_encoding_is_refused_and_nothing_is_kept(portfolio):
    text = (HEADER + "SPY,1,200,2016-01-04,Café\n").encode("cp1252")

    with pytest.raises(BadInput) as refusal:
        check(portfolio, text)

    assert "cp1252" in refusal.value.detail
    assert not ImportBatch.objects.exists()
    assert verdicts(check(portfolio, text, encoding="cp1252")) == ["new"]


def test_a_short_brought_in_is_held_though_shorts_are_off(portfolio):
    commit(check(portfolio, HEADER + "SPY,-5,200,2016-01-04,\n"))

    assert not portfolio.allow_short
    assert Position.objects.get().quantity == -5


def test_the_error_file_can_be_mended_and_brought_again(portfolio):
    batch = check(portfolio, HEADER + "SPY,x,200,2016-01-04,=1+1\nSPY,1,200,2016-01-04,\n")

    lines = [line.cells for line in tables.read(csv_import.error_file(batch=batch)).lines]

    assert lines[0][-2:] == ("error_field", "error_message")
    assert lines[1][:4] == ("SPY", "x", "200", "2016-01-04")
    assert lines[1][4] == "'=1+1"
    assert "quantity" in lines[1][5]


def test_a_person_checks_twenty_files_a_day(portfolio):
    for _ in range(20):
        check(portfolio, TWO)

    with pytest.raises(csv_import.TooManyFiles):
        check(portfolio, TWO)


def test_a_discarded_file_is_not_booked(portfolio):
    batch = check(portfolio, TWO)
    csv_import.discard(batch_id=batch.pk, by=actor())

    with pytest.raises(Conflict):
        commit(batch)

    assert not LedgerEntry.objects.exists()


@pytest.mark.parametrize("seed", range(8))
def test_broken_files_never_fail_otherwise_than_with_a_refusal(portfolio, seed):
    rng = random.Random(seed)
    letters = "SPY,;\"\t\n\r'=+-@0123456789.eE\x00\x07é\u202e\uff11" + "ticker quantity entry_price"
    accepted = 0
    for number in range(60):
        body = "".join(rng.choice(letters) for _ in range(rng.randrange(200)))
        data = (HEADER + body).encode("utf-8" if number % 3 else "cp1252", errors="replace")
        ImportBatch.objects.update(created_at="2000-01-01T00:00:00Z")
        try:
            batch = check(portfolio, data)
        except (BadInput, tables.TooLarge):
            continue
        accepted += 1
        assert batch.counts["total"] == ImportRow.objects.filter(batch=batch).count()
    assert accepted


def test_putting_a_file_away_leaves_one_line(portfolio):
    batch = check(portfolio, TWO)

    for _ in range(2):
        csv_import.discard(batch_id=batch.pk, by=actor())

    line = AuditEvent.objects.get(action="import.discard")
    assert (line.object_id, line.chain) == (str(batch.pk), str(portfolio.pk))
    assert line.actor_label == actor().label
    assert line.after["hash"] == batch.file_hash
