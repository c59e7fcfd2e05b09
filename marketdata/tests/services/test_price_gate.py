"""What is believed, what is held back, and what a person makes of it."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import connection

from etftrader.core.actor import system
from etftrader.core.errors import Conflict, DomainError, NotFound
from etftrader.core.records import AuditEvent
from marketdata.choices import ActionKind, InstrumentKind, PriceBasis, Source
from marketdata.models import CorporateAction, DailyBar, Instrument, PriceSeries, QuarantinedPrice
from marketdata.providers.base import BarRow
from marketdata.services import bar_sync, price_edits, price_gate, price_sync

BY = system("tests")
DAY = date(2016, 6, 20)
UNTIL = date(2016, 7, 1)


def instrument(symbol="ACME"):
    return Instrument.objects.create(
        symbol=symbol, name=symbol, kind=InstrumentKind.STOCK, price_basis=PriceBasis.CLOSE
    )


def bars(*closes, symbol="ACME", start=DAY, source=Source.CSV.value):
    return [
        BarRow(
            symbol=symbol,
            session_date=start + timedelta(days=place),
            open=None,
            high=None,
            low=None,
            close=close,
            adj_close=None,
            volume=1000,
            source=source,
            price_basis=PriceBasis.CLOSE.value,
        )
        for place, close in enumerate(closes)
    ]


def bring_in(of, rows):
    passed = bar_sync.admit(of, rows, until=UNTIL)
    bar_sync.keep({of.symbol: of}, {of.symbol: passed}, {})
    return passed


def closes(of):
    stored = DailyBar.objects.filter(instrument=of).order_by("session_date")
    return [float(close) for close in stored.values_list("close", flat=True)]


@pytest.mark.django_db
def test_a_bad_price_never_reaches_the_table_and_is_kept_as_it_came():
    acme = instrument()

    passed = bring_in(acme, bars(100.0, 10_000.0, float("nan"), 101.0))

    assert (passed.held, passed.refused) == (1, 1)
    assert closes(acme) == [100.0, 101.0]
    kept = QuarantinedPrice.objects.order_by("session_date")
    assert [(each.value, each.reason, each.state) for each in kept] == [
        ("10000.0", "magnitude", "held"),
        ("nan", "not_finite", "held"),
    ]
    assert kept[0].raw["close"] == "10000.0"
    assert kept[0].compared_with == "100"


@pytest.mark.django_db
def test_of_two_rows_of_a_session_the_later_believed_one_counts():
    acme = instrument()
    rows = [*bars(100.0, 101.0), *bars(101.5, 103.0, start=DAY + timedelta(days=1))]
    rows.insert(2, *bars(10_100.0, start=DAY + timedelta(days=1)))

    passed = bring_in(acme, rows)

    assert passed.held == 1
    assert closes(acme) == [100.0, 101.5, 103.0]
    assert PriceSeries.objects.get(instrument=acme).close.tolist() == [100.0, 101.5, 103.0]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("figure", "value"),
    [("high", float("inf")), ("low", -2.0), ("adj_close", 1e300), ("volume", -7)],
)
def test_a_figure_beside_the_close_that_can_be_none_is_held_and_never_stored(figure, value):
    acme = instrument()

    passed = bring_in(acme, [replace(each, **{figure: value}) for each in bars(100.0)])

    [doubt] = QuarantinedPrice.objects.all()
    assert (passed.held, doubt.reason, closes(acme)) == (1, "inconsistent", [])
    # who believes the close believes the close
    price_gate.accept(doubt_id=doubt.pk, by=BY)
    [stored] = DailyBar.objects.all()
    assert (stored.close, getattr(stored, figure)) == (100, None)


@pytest.mark.django_db
def test_two_sources_of_a_session_leave_one_price_and_a_gap_between_them_is_held():
    acme = instrument()
    bring_in(acme, bars(100.0, 101.0, 102.0))

    passed = bring_in(acme, bars(101.4, 110.0, start=DAY + timedelta(days=1), source="yfinance"))

    assert passed.elsewhere == {DAY + timedelta(days=1)}
    assert list(DailyBar.objects.order_by("session_date").values_list("close", "source")) == [
        (100, "csv"),
        (Decimal("101.4"), "yfinance"),
        (102, "csv"),
    ]
    assert PriceSeries.objects.get(instrument=acme).close.tolist() == [100.0, 101.4, 102.0]
    [doubt] = QuarantinedPrice.objects.all()
    assert (doubt.reason, doubt.value, doubt.compared_with) == ("sources_differ", "110.0", "102")

    price_gate.accept(doubt_id=doubt.pk, by=BY)

    assert closes(acme) == [100.0, 101.4, 110.0]
    assert PriceSeries.objects.get(instrument=acme).close.tolist() == [100.0, 101.4, 110.0]


@pytest.mark.django_db
def test_the_same_doubt_again_is_counted_not_repeated():
    acme = instrument()
    bring_in(acme, bars(100.0, 300.0))

    bring_in(acme, bars(300.0, start=DAY + timedelta(days=1)))

    [doubt] = QuarantinedPrice.objects.all()
    assert doubt.times_seen == 2


@pytest.mark.django_db
def test_an_accepted_price_is_stored_with_those_that_followed_it():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0, 302.0, 95.0))
    assert closes(acme) == [100.0, 95.0]
    doubt = QuarantinedPrice.objects.get(value="301.0")

    price_gate.accept(doubt_id=doubt.pk, note="the merger", by=BY)

    assert closes(acme) == [100.0, 301.0, 302.0, 95.0]
    assert PriceSeries.objects.get(instrument=acme).close.tolist() == closes(acme)
    assert set(QuarantinedPrice.objects.values_list("state", flat=True)) == {"accepted"}
    [line] = AuditEvent.objects.filter(action="price.accepted")
    assert line.after["followers"] == 1
    assert line.reason == "the merger"


@pytest.mark.django_db
def test_what_follows_is_judged_by_the_price_that_is_believed_before_it():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0, 302.0, 95.0, 300.0))

    price_gate.accept(doubt_id=QuarantinedPrice.objects.get(value="301.0").pk, by=BY)

    # the day before it closed at 95, whatever was accepted for the second day
    assert closes(acme) == [100.0, 301.0, 302.0, 95.0]
    assert QuarantinedPrice.objects.get(value="300.0").state == "held"


@pytest.mark.django_db
def test_what_an_accepted_correction_replaces_does_not_come_back():
    acme = instrument()
    bring_in(acme, bars(100.0, 101.0))
    bring_in(acme, bars(100.0, 301.0))
    price_gate.accept(doubt_id=QuarantinedPrice.objects.get(value="301.0").pk, by=BY)
    assert closes(acme) == [100.0, 301.0]

    bring_in(acme, bars(100.0, 101.0))

    assert closes(acme) == [100.0, 301.0]
    aside = QuarantinedPrice.objects.get(value="101.0")
    assert (aside.state, aside.reason, aside.decided_by) == ("rejected", "corrected", BY.user_id)


@pytest.mark.django_db
def test_a_figure_is_known_again_as_it_was_stored():
    acme = instrument()
    long = 104.12999725341797
    bring_in(acme, bars(100.0, long, source="yfinance"))
    bar = DailyBar.objects.get(session_date=DAY + timedelta(days=1))
    assert bar.close == Decimal("104.13")

    price_edits.withdraw(bar=bar, revision=0, by=BY)
    bring_in(acme, bars(100.0, long, source="yfinance"))

    assert closes(acme) == [100.0]
    [aside] = QuarantinedPrice.objects.all()
    assert (aside.reason, aside.times_seen) == ("withdrawn", 2)
    # another figure of that session is another one
    bring_in(acme, bars(100.0, 104.1301, source="yfinance"))
    assert closes(acme) == [100.0, 104.1301]


@pytest.mark.django_db
@pytest.mark.parametrize("applied_before", [False, True])
def test_what_was_withdrawn_stays_away_in_the_shares_of_later_splits(applied_before):
    acme = instrument()
    bring_in(acme, bars(100.0, 101.0))
    split = CorporateAction.objects.create(
        instrument=acme, kind=ActionKind.SPLIT, ex_date=DAY + timedelta(days=5), ratio=4,
        source=Source.CSV, status="applied" if applied_before else "pending",
    )  # fmt: skip
    bar = DailyBar.objects.get(session_date=DAY + timedelta(days=1))
    price_edits.withdraw(bar=bar, revision=0, by=BY)

    CorporateAction.objects.update(status="pending" if applied_before else "applied")
    same = 404.0 if applied_before else 25.25
    assert bring_in(acme, bars(same, start=DAY + timedelta(days=1))).rows == []

    # in the shares of its day it is the same again, and what it is not is believed
    CorporateAction.objects.filter(pk=split.pk).update(status=split.status)
    assert bring_in(acme, bars(101.0, start=DAY + timedelta(days=1))).rows == []
    assert len(bring_in(acme, bars(102.0, start=DAY + timedelta(days=1))).rows) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("applied_before", [False, True])
def test_what_is_accepted_after_a_split_is_stored_in_the_shares_of_then(applied_before):
    acme = instrument()
    CorporateAction.objects.create(
        instrument=acme, kind=ActionKind.SPLIT, ex_date=DAY + timedelta(days=5), ratio=4,
        source=Source.CSV, status="applied" if applied_before else "pending",
    )  # fmt: skip
    bring_in(acme, bars(100.0, 301.0))
    doubt = QuarantinedPrice.objects.get()
    CorporateAction.objects.update(status="pending" if applied_before else "applied")

    price_gate.accept(doubt_id=doubt.pk, by=BY)

    bar = DailyBar.objects.get(session_date=DAY + timedelta(days=1))
    told = (float(bar.close), bar.volume)
    assert told == ((1204.0, 250) if applied_before else (75.25, 4000))
    # the same figure of its source is known as the one that was accepted
    assert bring_in(acme, bars(told[0], start=DAY + timedelta(days=1))).held == 0


@pytest.mark.django_db
def test_a_rejected_price_vouches_for_none_after_it():
    acme = instrument()
    bring_in(acme, bars(100.0, 160.0))
    price_gate.reject(doubt_id=QuarantinedPrice.objects.get().pk, by=BY)

    bring_in(acme, bars(160.0, 230.0, start=DAY + timedelta(days=1)))

    # 230 is no jump from 160, and one from the 100 that is believed
    assert closes(acme) == [100.0]
    assert QuarantinedPrice.objects.get(value="230.0").state == "held"


@pytest.mark.django_db
def test_a_withdrawn_bundled_close_stays_away_from_a_named_backfill(settings):
    settings.MARKETDATA_PROVIDER = "bundled"
    gone, kept = date(2016, 6, 15), date(2016, 6, 16)
    until = date(2016, 6, 22)
    price_sync.load_history(until=until)
    fund = Instrument.objects.get(symbol="SPY")
    bars_of = DailyBar.objects.filter(instrument=fund)
    before = bars_of.count()
    price_edits.withdraw(bar=bars_of.get(session_date=gone), revision=0, by=BY)
    DailyBar.objects.filter(instrument=fund, session_date=kept).delete()

    for _ in range(2):
        price_sync.sync(session_date=until, symbols=["SPY"])

    assert not bars_of.filter(session_date=gone).exists()
    assert bars_of.filter(session_date=kept).exists()
    assert bars_of.count() == before - 1
    aside = QuarantinedPrice.objects.get(symbol="SPY")
    assert (aside.state, aside.reason) == ("rejected", "withdrawn")
    # even where the whole series is fetched anew
    bars_of.delete()
    PriceSeries.objects.filter(instrument=fund).delete()
    price_sync.sync(session_date=until, symbols=["SPY"])
    assert (bars_of.count(), bars_of.filter(session_date=gone).exists()) == (before - 1, False)


@pytest.mark.django_db
def test_what_was_decided_stays_decided():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0, 55.0))
    jump, fall = QuarantinedPrice.objects.order_by("session_date")
    price_gate.accept(doubt_id=jump.pk, by=BY)
    price_gate.reject(doubt_id=fall.pk, by=BY)

    # the file once more: one price is there already, the other stays out, nobody is asked again
    passed = bring_in(acme, bars(100.0, 301.0, 55.0))

    assert [row.close for row in passed.rows] == [100.0, 301.0]
    assert closes(acme) == [100.0, 301.0]
    assert QuarantinedPrice.objects.filter(state="held").count() == 0
    assert DailyBar.objects.filter(revision__gt=0).count() == 0


@pytest.mark.django_db
def test_deciding_twice_is_deciding_once_and_a_decision_is_not_turned():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0, 55.0))
    jump, fall = QuarantinedPrice.objects.order_by("session_date")

    for _ in range(2):
        price_gate.accept(doubt_id=jump.pk, by=BY)
        price_gate.reject(doubt_id=fall.pk, by=BY)

    assert AuditEvent.objects.filter(action__startswith="price.").count() == 2
    with pytest.raises(Conflict, match="accepted already"):
        price_gate.reject(doubt_id=jump.pk, by=BY)
    with pytest.raises(Conflict, match="rejected already"):
        price_gate.accept(doubt_id=fall.pk, by=BY)


@pytest.mark.django_db
def test_what_is_no_price_cannot_be_accepted():
    acme = instrument()
    bring_in(acme, bars(100.0, float("inf")))
    [doubt] = QuarantinedPrice.objects.all()

    with pytest.raises(Conflict, match="no price"):
        price_gate.accept(doubt_id=doubt.pk, by=BY)

    assert closes(acme) == [100.0]


@pytest.mark.django_db
def test_an_accepted_tick_writes_no_close():
    acme = instrument()
    doubt = QuarantinedPrice.objects.create(
        instrument=acme,
        symbol="ACME",
        dataset="quotes",
        session_date=DAY,
        source=Source.YFINANCE,
        raw={"price": "300.0"},
        value="300.0",
        reason="jump",
    )

    price_gate.accept(doubt_id=doubt.pk, by=BY)

    doubt.refresh_from_db()
    assert doubt.state == "accepted"
    assert closes(acme) == []


@pytest.mark.django_db
def test_an_unknown_doubt_is_not_found():
    with pytest.raises(NotFound):
        price_gate.accept(doubt_id=uuid4(), by=BY)


@pytest.mark.django_db
def test_a_pending_split_explains_the_move():
    acme = instrument()
    CorporateAction.objects.create(
        instrument=acme,
        kind=ActionKind.SPLIT,
        ex_date=DAY + timedelta(days=1),
        ratio=Decimal(4),
        source=Source.CSV,
    )

    assert bring_in(acme, bars(400.0, 101.0)).held == 0


@pytest.mark.django_db(transaction=True)
def test_many_people_accept_one_price_once():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0))
    [doubt] = QuarantinedPrice.objects.all()
    together = Barrier(8)
    errors = []

    def decide():
        together.wait()
        try:
            price_gate.accept(doubt_id=doubt.pk, by=BY)
        except DomainError as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [Thread(target=decide) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()

    assert errors == []
    assert AuditEvent.objects.filter(action="price.accepted").count() == 1
    assert closes(acme) == [100.0, 301.0]
    assert DailyBar.objects.get(instrument=acme, close=Decimal(301)).revision == 0
