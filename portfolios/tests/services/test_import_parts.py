"""Long files: booked by a job in parts, all or nothing, whatever happens in between."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import OperationalError

from etftrader.core import clock, jobs
from etftrader.core.errors import Conflict, LeaseLost
from etftrader.core.records import AuditEvent, JobRun
from portfolios.models import ImportBatch, LedgerEntry, Portfolio, Position
from portfolios.services import (
    import_booking,
    import_edits,
    import_parts,
    import_undo,
    reversals,
    verification,
)
from portfolios.tests.factories import (
    MONDAY,
    WEDNESDAY,
    actor,
    fill,
    make_clock,
    make_instrument,
    make_portfolio,
)
from portfolios.tests.services.importing import CASH, POSITIONS, TRADES, bring, check, verdicts

pytestmark = pytest.mark.django_db(transaction=True)
FILES = {
    "positions": POSITIONS
    + "".join(f"{'SPY' if n % 2 else 'QQQ'},{n},200,2016-06-20,Core\n" for n in range(1, 41)),
    "trades": TRADES
    + "".join(f"{'SPY' if n % 3 else 'QQQ'},BUY,{n},10,2016-06-21,0.5\n" for n in range(40, 0, -1))
    + "".join(f"SPY,SELL,{n},11,2016-06-22,0.5\n" for n in range(1, 11)),
    "cash": CASH + "".join(f"2016-06-21,deposit,{n},salary {n}\n" for n in range(1, 41)),
}


@pytest.fixture
def portfolio(monkeypatch):
    monkeypatch.setattr(import_parts, "PART", 7)
    monkeypatch.setattr(import_undo, "PART", 7)
    monkeypatch.setattr(import_booking, "LONG_FILE", 10)
    monkeypatch.setattr(import_undo, "LONG_FILE", 10)
    make_clock(WEDNESDAY)
    for symbol in ("SPY", "QQQ"):
        make_instrument(symbol)
    return make_portfolio(cash=100_000, session_date=MONDAY)


def state(portfolio):
    """Cash, holdings, and what their bookings add up to."""
    assert verification.verify(portfolio_id=portfolio.pk) == []
    rows = Position.objects.filter(portfolio=portfolio).exclude(quantity=0)
    names = ("instrument__symbol", "quantity", "cost_basis", "realized_pnl", "fees", "opened_on")
    return Portfolio.objects.get(pk=portfolio.pk).cash, sorted(rows.values_list(*names))


def all_at_once(kind):
    """The same file, booked by one transaction into a book of its own."""
    other = make_portfolio(name=f"once {kind}", cash=100_000, session_date=MONDAY)
    bring(other, FILES[kind], kind=kind)
    return state(other)


def choose(batch, **given):
    import_edits.choose(batch_id=batch.pk, duplicates="import", **given)
    return batch


def twin_free(portfolio, kind):
    batch = check(portfolio, FILES[kind], kind=kind)
    return choose(batch) if kind == "positions" else batch


def run_of(batch) -> JobRun:
    return import_parts.request_booking(batch=batch, partial=False, as_of=WEDNESDAY, by=actor())


def interrupted(monkeypatch, after, error):
    """Parts go well until so many are done."""
    done, book_rows = [], import_booking.book_rows

    def book(*args):
        if len(done) == after:
            raise error
        done.append(book_rows(*args))

    monkeypatch.setattr(import_booking, "book_rows", book)


@pytest.mark.parametrize("kind", ["trades", "cash"])
def test_parts_come_to_the_same_as_one_transaction(portfolio, kind):
    batch = twin_free(portfolio, kind)

    run = jobs.run_now(run_of(batch))

    batch.refresh_from_db()
    assert (run.status, batch.status) == ("succeeded", "committed")
    assert (run.done, run.total) == (batch.result["booked"], batch.result["booked"])
    assert batch.result["booked"] == batch.counts["new"] + batch.counts["update"]
    assert state(portfolio) == all_at_once(kind)
    assert AuditEvent.objects.filter(action="import.commit", object_id=batch.pk).count() == 1


@pytest.mark.parametrize("choice", ["import", "merge"])
def test_holdings_come_to_the_same_and_what_is_merged_is_one_booking(portfolio, choice):
    batches = []
    for number, book in enumerate((portfolio, make_portfolio(name="once", cash=100_000))):
        batch = check(book, FILES["positions"])
        import_edits.choose(batch_id=batch.pk, duplicates=choice)
        if number:
            import_booking.commit(batch_id=batch.pk, by=actor())
        else:
            import_parts.book(batch_id=batch.pk)
        batches.append(ImportBatch.objects.get(pk=batch.pk))

    parts, once = batches
    assert parts.result == once.result
    assert state(parts.portfolio)[1] == state(once.portfolio)[1]
    openings = LedgerEntry.objects.filter(portfolio=portfolio, kind="opening", leg=1)
    assert openings.count() == {"import": 40, "merge": 2}[choice]


@pytest.mark.parametrize("kind", sorted(FILES))
@pytest.mark.parametrize("after", [0, 1, 3])
def test_a_job_that_was_killed_goes_on_where_it_stood(portfolio, monkeypatch, kind, after):
    batch = twin_free(portfolio, kind)
    with monkeypatch.context() as broken:
        interrupted(broken, after, OperationalError("the process died"))
        run = jobs.run_now(run_of(batch))
    batch.refresh_from_db()
    assert (run.status, batch.status) == ("failed", "booking")
    assert batch.rows.exclude(source="").count() == 7 * after

    again = jobs.run_now(run_of(batch))

    batch.refresh_from_db()
    assert (again.status, batch.status) == ("succeeded", "committed")
    assert batch.result["booked"] == batch.rows.exclude(source="").count()
    if kind != "positions":
        assert state(portfolio) == all_at_once(kind)
    assert import_parts.book(batch_id=batch.pk).status == "committed"


@pytest.mark.parametrize("kind", sorted(FILES))
def test_what_the_books_refuse_midway_takes_all_of_it_back(portfolio, monkeypatch, kind):
    before = state(portfolio)
    batch = twin_free(portfolio, kind)
    with monkeypatch.context() as broken:
        interrupted(broken, 3, Conflict("The portfolio is halted.", code="portfolio_halted"))
        run = jobs.run_now(run_of(batch))

    batch.refresh_from_db()
    assert (run.status, run.error["code"]) == ("failed", "portfolio_halted")
    assert (batch.status, state(portfolio)) == ("undone", before)
    assert "The portfolio is halted." in batch.undo_reason
    again = twin_free(portfolio, kind)
    assert "duplicate" not in verdicts(again)
    assert import_parts.book(batch_id=again.pk).status == "committed"


def test_what_is_refused_at_once_leaves_the_file_checked(portfolio):
    batch = twin_free(portfolio, "trades")
    run = run_of(batch)
    Portfolio.objects.filter(pk=portfolio.pk).update(state="halted")

    done = jobs.run_now(run)

    batch.refresh_from_db()
    assert (done.status, batch.status) == ("failed", "checked")
    assert batch.problems == [{"code": "portfolio_halted", "detail": "The portfolio is halted."}]
    Portfolio.objects.filter(pk=portfolio.pk).update(state="active")
    assert import_parts.book(batch_id=batch.pk).status == "committed"


def test_a_job_that_is_cancelled_stops_and_can_be_gone_on_with_or_taken_back(
    portfolio, monkeypatch
):
    before = state(portfolio)
    batch = twin_free(portfolio, "trades")
    with monkeypatch.context() as broken:
        interrupted(broken, 2, LeaseLost("cancelled"))
        with pytest.raises(LeaseLost):
            import_parts.book(batch_id=batch.pk)
    assert ImportBatch.objects.get(pk=batch.pk).status == "booking"
    with pytest.raises(Conflict) as other:
        run_of(twin_free(portfolio, "cash"))
    assert other.value.code == "import_under_way"
    with pytest.raises(Conflict):
        import_edits.fix(batch_id=batch.pk, ordinal=2, cells={"quantity": "1"})

    import_undo.undo_in_parts(batch_id=batch.pk, reason="enough")

    assert ImportBatch.objects.get(pk=batch.pk).status == "undone"
    assert state(portfolio) == before


@pytest.mark.parametrize("kind", sorted(FILES))
def test_a_long_file_is_taken_back_exactly_also_when_its_job_is_killed(
    portfolio, monkeypatch, kind
):
    before = state(portfolio)
    batch = import_parts.book(batch_id=twin_free(portfolio, kind).pk)
    done, reverse_many = [], reversals.reverse_many

    def reverse(**given):
        if len(done) == 2:
            raise OperationalError("the process died")
        done.append(given)
        return reverse_many(**given)

    ask = {"batch": batch, "reason": "wrong file", "as_of": WEDNESDAY, "by": actor()}
    with monkeypatch.context() as broken:
        broken.setattr(reversals, "reverse_many", reverse)
        run = jobs.run_now(import_parts.request_undo(**ask))
    assert run.status == "failed"
    assert ImportBatch.objects.get(pk=batch.pk).status == "undoing"
    assert verification.verify(portfolio_id=portfolio.pk) == []

    run = jobs.run_now(import_parts.request_undo(**ask))

    batch.refresh_from_db()
    assert (run.status, batch.status, batch.undo_reason) == ("succeeded", "undone", "wrong file")
    assert state(portfolio) == before
    reversed_ = LedgerEntry.objects.filter(portfolio=portfolio, kind="reversal", leg=1)
    assert reversed_.count() == batch.rows.exclude(source="").count()


def test_what_rests_on_a_long_file_is_said_before_anything_is_taken_back(portfolio):
    batch = import_parts.book(batch_id=twin_free(portfolio, "positions").pk)
    sold = fill(portfolio, make_instrument("SPY"), -399, 210, session_date=WEDNESDAY)
    booked = state(portfolio)

    ask = {"batch": batch, "reason": "wrong file", "as_of": WEDNESDAY, "by": actor()}
    run = jobs.run_now(import_parts.request_undo(**ask))

    batch.refresh_from_db()
    assert (run.status, run.error["code"]) == ("failed", "later_bookings")
    assert run.error["seq"] == str(sold.seq)
    assert (batch.status, state(portfolio)) == ("committed", booked)
    assert batch.problems[0]["code"] == "later_bookings"
    late = clock.now() - timedelta(hours=24, seconds=1)
    ImportBatch.objects.filter(pk=batch.pk).update(committed_at=late)
    with pytest.raises(Conflict) as refusal:
        import_parts.request_undo(**ask)
    assert refusal.value.code == "undo_too_late"


def test_cash_that_comes_back_goes_before_cash_that_leaves(portfolio):
    buys = "".join(f"{'SPY' if n % 2 else 'QQQ'},BUY,1,100,2016-06-21,0\n" for n in range(14))
    sells = "".join("SPY,SELL,1,20000,2016-06-22,0\n" for _ in range(7))
    text = TRADES.replace("fee", "fee,reference") + "".join(
        f"{line},{n}\n" for n, line in enumerate((buys + sells).splitlines())
    )
    before = state(portfolio)
    batch = import_parts.book(batch_id=check(portfolio, text, kind="trades").pk)
    assert batch.result["booked"] == 21
    cash = Portfolio.objects.get(pk=portfolio.pk).cash
    fill(portfolio, make_instrument("TLT"), 1, cash - Decimal(137_000), session_date=WEDNESDAY)

    with pytest.raises(Conflict) as refusal:
        import_undo.undo_in_parts(batch_id=batch.pk, reason="wrong")
    assert refusal.value.code == "cash_spent"
    Portfolio.objects.filter(pk=portfolio.pk)
    reversals.reverse(
        portfolio_id=portfolio.pk,
        source=LedgerEntry.objects.filter(instrument__symbol="TLT").first().source,
        reason="x",
        by=actor(),
    )
    import_undo.undo_in_parts(batch_id=batch.pk, reason="wrong")

    assert state(portfolio) == before
