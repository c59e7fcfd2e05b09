"""Bonds: terms are checked field by field, each change has its line, two editors never both win."""

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from etftrader.core.errors import BadInput, Conflict, NotFound, VersionMismatch
from etftrader.core.records import AuditEvent
from marketdata.choices import Source
from marketdata.models import Bond, DailyBar, Instrument
from marketdata.selectors import bonds as read
from marketdata.selectors import calendar, instruments
from marketdata.services import bonds
from marketdata.tests.option_world import BY, instrument

pytestmark = pytest.mark.django_db
DAY = date(2016, 6, 22)
TERMS = bonds.Terms(
    coupon_rate=0.045, maturity=date(2026, 5, 15), issued=date(2016, 5, 15), ytm=0.04
)


def made(**changes):
    return bonds.create(symbol="ACME 26".replace(" ", "-"), terms=replace(TERMS, **changes), by=BY)


def test_a_bond_has_its_instrument_and_a_line():
    bond = bonds.create(
        symbol="us912828r366", terms=replace(TERMS, face_value=Decimal(1000)), by=BY
    )

    own = bond.instrument
    assert (own.symbol, own.kind, own.name) == ("US912828R366", "bond", "4.5 % 2026-05-15")
    assert (own.multiplier, own.pricing, own.asset_class) == (10, "manual", "fixed_income")
    [line] = AuditEvent.objects.filter(action="bond.created")
    assert (line.object_id, line.after["coupon_rate"]) == (str(bond.pk), 0.045)
    assert own not in instruments.universe()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"face_value": Decimal(0)}, "face_value"),
        ({"face_value": Decimal("100.001")}, "face_value"),
        ({"face_value": Decimal(10**8)}, "face_value"),
        ({"coupon_rate": -0.01}, "coupon_rate"),
        ({"coupon_rate": 4.5}, "coupon_rate"),
        ({"coupon_rate": float("nan")}, "coupon_rate"),
        ({"frequency": 3}, "frequency"),
        ({"ytm": 4.0}, "ytm"),
        ({"ytm": -1.0}, "ytm"),
        ({"maturity": date(2016, 5, 15)}, "maturity"),
        ({"maturity": date(2300, 1, 1)}, "maturity"),
        ({"issued": date(1800, 1, 1)}, "issued"),
        ({"issued": date(9990, 1, 1), "maturity": date(9999, 1, 1)}, "issued"),
        ({"issued": calendar.LAST + timedelta(1), "maturity": date(2040, 1, 1)}, "issued"),
        ({"basis": "act/365"}, "basis"),
    ],
)
def test_terms_that_cannot_be_are_refused_by_field(changes, field):
    with pytest.raises(BadInput) as refusal:
        made(**changes)

    assert refusal.value.figures["attr"] == field
    assert not Bond.objects.exists()
    assert not Instrument.objects.exists()


@pytest.mark.parametrize("symbol", ["", "A B", "SPY160819C00212000", "X" * 33, "<b>"])
def test_a_symbol_that_is_none_is_refused(symbol):
    with pytest.raises(BadInput) as refusal:
        bonds.create(symbol=symbol, terms=TERMS, by=BY)

    assert refusal.value.figures["attr"] == "instrument"


def test_a_symbol_is_one_bonds():
    made()
    with pytest.raises(Conflict) as refusal:
        made()
    assert refusal.value.code == "bond_exists"

    instrument("SPY")
    with pytest.raises(BadInput, match="no bond"):
        bonds.create(symbol="spy", terms=TERMS, by=BY)
    assert AuditEvent.objects.filter(action="bond.created").count() == 1


def test_a_bond_may_be_issued_on_the_last_day_of_the_calendar():
    assert made(issued=calendar.LAST, maturity=date(2135, 12, 31)).issued == calendar.LAST


def test_the_day_count_is_a_term_with_its_line():
    bond = made(basis="30/360")

    after = bonds.update(bond_id=bond.pk, version=1, changes={"basis": "act/act"}, by=BY)

    assert after.basis == Bond.objects.get().basis == "act/act"
    [line] = AuditEvent.objects.filter(action="bond.changed")
    assert (line.before["basis"], line.after["basis"]) == ("30/360", "act/act")
    with pytest.raises(IntegrityError), transaction.atomic():
        Bond.objects.update(basis="act/365")


def test_an_instrument_without_terms_gets_them():
    own = instrument("OLD", "bond")

    assert bonds.create(symbol="OLD", terms=TERMS, by=BY).instrument == own


def test_a_change_keeps_the_rest_and_raises_the_version():
    bond = made()

    after = bonds.update(
        bond_id=bond.pk, version=1, changes={"coupon_rate": 0.05}, name="Acme", by=BY
    )

    assert (after.coupon_rate, after.ytm, after.version) == (0.05, 0.04, 2)
    assert after.instrument.name == "Acme"
    [line] = AuditEvent.objects.filter(action="bond.changed")
    assert (line.before["coupon_rate"], line.after["coupon_rate"]) == (0.045, 0.05)
    again = bonds.update(bond_id=bond.pk, version=2, changes={"coupon_rate": 0.05}, by=BY)
    assert again.version == 2
    assert AuditEvent.objects.filter(action="bond.changed").count() == 1


def test_the_slower_editor_is_told():
    bond = made()
    bonds.update(bond_id=bond.pk, version=1, changes={"ytm": 0.05}, by=BY)

    with pytest.raises(VersionMismatch):
        bonds.update(bond_id=bond.pk, version=1, changes={"ytm": 0.06}, by=BY)

    bond.refresh_from_db()
    assert bond.ytm == 0.05


def test_what_cannot_change_does_not():
    bond = made()

    with pytest.raises(BadInput) as refusal:
        bonds.update(bond_id=bond.pk, version=1, changes={"face_value": Decimal(1000)}, by=BY)
    assert refusal.value.code == "immutable"
    with pytest.raises(BadInput):
        bonds.update(bond_id=bond.pk, version=1, changes={"maturity": date(2016, 1, 1)}, by=BY)
    with pytest.raises(BadInput):
        bonds.update(bond_id=bond.pk, version=1, changes={}, name="  ", by=BY)
    with pytest.raises(NotFound):
        bonds.update(bond_id=bond.instrument_id, version=1, changes={}, by=BY)


def price(bond, day, close):
    DailyBar.objects.create(
        instrument=bond.instrument,
        session_date=day,
        source=Source.MANUAL,
        close=Decimal(close),
        price_basis="manual",
    )


def test_the_price_leads_then_the_stated_yield_then_nothing():
    bond = made()

    def seen(until=DAY):
        return read.valued(read.find(bond_id=bond.pk, actor=BY_READER, until=until), on=until)

    stated = seen()
    assert (stated.ytm, stated.ytm_source, stated.price) == (0.04, "stated", None)
    price(bond, DAY, "100")
    price(bond, date(2016, 6, 23), "50")
    found = seen()
    assert found.ytm_source == "price"
    assert found.price == Decimal(100)
    assert found.ytm == pytest.approx(0.045, abs=2e-5)
    assert found.figures.clean == pytest.approx(100.0)
    # a ten-year par bond of 4.5 %: modified duration near eight years
    assert found.figures.modified_duration == pytest.approx(7.9, abs=0.1)
    assert found.years == pytest.approx(3614 / 365)

    bonds.update(bond_id=bond.pk, version=1, changes={"ytm": None}, by=BY)
    DailyBar.objects.all().delete()
    nothing = seen()
    assert (nothing.ytm, nothing.reason, nothing.figures.reason) == (None, "no_price", "no_yield")
    late = seen(date(2026, 5, 15))
    assert (late.reason, late.years) == ("matured", 0.0)


@pytest.mark.parametrize(
    ("day", "age", "stale"),
    [
        (date(2016, 6, 22), 0, False),
        (date(2016, 6, 15), 5, False),
        (date(2016, 6, 14), 6, True),  # one session past the limit
    ],
)
def test_a_price_older_than_five_sessions_computes_nothing(day, age, stale):
    bond = made(ytm=None)
    price(bond, day, "98.5")

    found = read.valued(read.find(bond_id=bond.pk, actor=BY_READER, until=DAY), on=DAY)

    assert (found.price, found.price_date) == (Decimal("98.5"), day)
    assert (found.price_age, found.price_stale) == (age, stale)
    assert (found.ytm is None, found.figures.dv01 is None) == (stale, stale)
    assert found.reason == ("price_stale" if stale else None)
    # coupon days are 15 May and 15 November: 38 of 184 days, whatever the price's age
    assert found.figures.accrued == pytest.approx(2.25 * 38 / 184)


def test_the_stated_yield_stands_in_for_a_price_that_is_too_old():
    bond = made()
    price(bond, date(2016, 6, 1), "50")

    found = read.valued(read.find(bond_id=bond.pk, actor=BY_READER, until=DAY), on=DAY)

    assert (found.ytm, found.ytm_source, found.price_stale) == (0.04, "stated", True)


def test_the_day_count_and_the_issue_lead_to_the_figures():
    bond = made(issued=date(2016, 6, 1), basis="30/360", ytm=None)
    price(bond, DAY, "100")

    def seen(on):
        return read.valued(read.find(bond_id=bond.pk, actor=BY_READER, until=DAY), on=on)

    assert seen(DAY).figures.accrued == pytest.approx(2.25 * 21 / 180)
    assert seen(DAY).figures.dirty == pytest.approx(100 + 2.25 * 21 / 180)
    early = seen(date(2016, 5, 31))
    assert (early.ytm, early.reason, early.figures.accrued) == (None, "not_issued", None)


BY_READER = replace(BY, user_id="0" * 8 + "-0000-0000-0000-" + "0" * 12)
