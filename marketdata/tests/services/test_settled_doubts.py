"""When a doubt is decided without a new close, whoever shows the name is told once."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction

from etftrader.core.errors import Conflict
from etftrader.core.records import OutboxEvent
from marketdata.choices import Source
from marketdata.events import doubt_raised, doubt_settled, prices_arrived, prices_revised
from marketdata.models import DailyBar, QuarantinedPrice
from marketdata.services import price_gate
from marketdata.tests.services.test_price_gate import BY, DAY, bars, bring_in, instrument

pytestmark = pytest.mark.django_db


def told(event=doubt_settled):
    return [each.payload for each in OutboxEvent.objects.filter(name=event.name).order_by("pk")]


def settled(of, day):
    return {"instrument_id": str(of.pk), "since": day.isoformat()}


def a_tick(of, day=DAY):
    return QuarantinedPrice.objects.create(
        instrument=of, symbol=of.symbol, dataset="quotes", session_date=day,
        source=Source.YFINANCE, raw={"price": "300.0"}, value="300.0", reason="jump",
    )  # fmt: skip


def test_a_rejected_price_after_the_last_close_is_told_once_and_revises_nothing():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0))
    [doubt] = QuarantinedPrice.objects.all()
    stored = list(DailyBar.objects.values())

    for _ in range(2):
        price_gate.reject(doubt_id=doubt.pk, by=BY)

    assert told() == [settled(acme, DAY + timedelta(days=1))]
    assert told(prices_revised) == []
    assert list(DailyBar.objects.values()) == stored


def test_a_second_source_of_the_last_session_is_told_too():
    acme = instrument()
    bring_in(acme, bars(100.0, 101.0))
    bring_in(acme, bars(110.0, start=DAY + timedelta(days=1), source="yfinance"))
    [doubt] = QuarantinedPrice.objects.all()
    assert doubt.reason == "sources_differ"

    price_gate.reject(doubt_id=doubt.pk, by=BY)

    assert told() == [settled(acme, DAY + timedelta(days=1))]


def test_a_price_that_was_followed_by_a_believed_one_is_told_for_the_record_of_its_session():
    acme = instrument()
    bring_in(acme, bars(100.0, 301.0, 101.0))
    [doubt] = QuarantinedPrice.objects.all()

    price_gate.reject(doubt_id=doubt.pk, by=BY)

    assert told() == [settled(acme, DAY + timedelta(days=1))]


def test_a_new_doubt_is_told_once_with_its_session_and_whether_it_is_the_newest_price():
    acme = instrument()
    bring_in(acme, bars(100.0, 101.0))

    for _ in range(2):
        bring_in(acme, bars(301.0, start=DAY + timedelta(days=2)))
    # garbage says nothing of the price before it
    bring_in(acme, bars(float("nan"), start=DAY + timedelta(days=3)))
    # an old doubt is news for the record of its session, and none for what is shown now
    bring_in(acme, bars(150.0, source="yfinance"))

    newest, late = told(doubt_raised)
    since = (DAY + timedelta(days=2)).isoformat()
    assert newest == {"instrument_id": str(acme.pk), "since": since, "newest": "yes"}
    assert late == {"instrument_id": str(acme.pk), "since": DAY.isoformat(), "newest": ""}


def test_a_doubt_in_the_middle_of_an_answer_is_older_than_its_believed_prices():
    acme = instrument()

    bring_in(acme, bars(100.0, 301.0, 101.0))

    since = (DAY + timedelta(days=1)).isoformat()
    assert told(doubt_raised) == [{"instrument_id": str(acme.pk), "since": since, "newest": ""}]


def test_the_first_price_of_a_name_is_told_and_no_later_one():
    acme = instrument()

    bring_in(acme, bars(100.0))
    bring_in(acme, bars(101.0, start=DAY + timedelta(days=1)))

    assert told(prices_arrived) == [{"instrument_ids": str(acme.pk)}]


@pytest.mark.parametrize("act", [price_gate.accept, price_gate.reject])
def test_a_decided_tick_is_told_whatever_was_decided(act):
    acme = instrument()
    bring_in(acme, bars(100.0))
    doubt = a_tick(acme)

    for _ in range(2):
        act(doubt_id=doubt.pk, by=BY)

    assert told() == [settled(acme, DAY)]
    assert DailyBar.objects.get().close == Decimal(100)


def test_a_decision_that_was_refused_or_rolled_back_is_none():
    acme = instrument()
    doubt = a_tick(acme)

    def broken():
        with transaction.atomic():
            price_gate.reject(doubt_id=doubt.pk, by=BY)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert told() == []

    price_gate.accept(doubt_id=doubt.pk, by=BY)
    with pytest.raises(Conflict):
        price_gate.reject(doubt_id=doubt.pk, by=BY)
    assert len(told()) == 1


def test_what_belongs_to_no_instrument_is_told_to_nobody():
    doubt = QuarantinedPrice.objects.create(
        symbol="10Y", dataset="yields", session_date=DAY, source=Source.FRED,
        raw={"percent": "250"}, value="250", reason="out_of_range",
    )  # fmt: skip

    price_gate.reject(doubt_id=doubt.pk, by=BY)

    assert QuarantinedPrice.objects.get().state == "rejected"
    assert told() == []
