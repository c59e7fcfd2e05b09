"""The quote page of a bond: its terms and figures with unit, date and reason; nothing of a fund."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from uuid import UUID

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from marketdata.choices import Source
from marketdata.models import DailyBar
from marketdata.selectors import bonds as read
from marketdata.services import bonds
from marketdata.tests.option_world import BY, DAY, clock_at, instrument

pytestmark = pytest.mark.django_db
PAGE = "/quotes/ACME-26/"
READER = replace(BY, user_id=str(UUID(int=0)))


@pytest.fixture
def browser():
    clock_at()
    client = Client()
    user = get_user_model().objects.create_user(email="reader@example.com", password="x" * 12)
    client.force_login(user)
    return client


def made(**terms):
    given = {"coupon_rate": 0.04125, "maturity": date(2026, 5, 15), "basis": "30/360"} | terms
    return bonds.create(symbol="ACME-26", terms=bonds.Terms(**given), currency="EUR", by=BY)


def price(bond, close, day=DAY):
    DailyBar.objects.create(
        instrument=bond.instrument,
        session_date=day,
        source=Source.MANUAL,
        close=Decimal(close),
        price_basis="manual",
    )


def facts_of(page):
    return {row["label"]: row for row in page.context["facts"]["rows"]}


def head_of(page):
    return {each["label"]: each for each in page.context["head"]}


def test_a_bond_shows_its_terms_and_figures_with_their_units(browser):
    bond = made(issued=date(2016, 5, 15))
    price(bond, "98.5")
    [row] = read.with_prices(actor=READER, until=DAY)
    found = read.valued(row, on=DAY)

    page = browser.get(PAGE)

    facts = facts_of(page)
    told = {label: (row["value"], row["unit"]) for label, row in facts.items()}
    assert told["Coupon"] == ("4.125%", "of face a year")
    assert told["Paid"] == ("twice a year", "coupons")
    assert told["Day count"] == ("30/360", "of accrued interest")
    assert told["Maturity"] == ("15 May 2026", "9.9 years left")
    assert told["Face value"] == ("100", "EUR")
    assert told["Last price"] == ("98.50", "% of face")
    accrued = 100 * 0.04125 / 2 * 37 / 180  # 30/360: 15 May to 22 June
    assert told["Accrued interest"] == (f"{accrued:.4f}", "% of face")
    assert told["Clean price"] == ("98.5000", "% of face")
    assert told["Dirty price"] == (f"{98.5 + accrued:.4f}", "% of face")
    assert told["Yield to maturity"] == (f"{found.ytm:.2%}", "a year, compounded twice a year")
    figures = found.figures
    assert told["Modified duration"] == (f"{figures.modified_duration:.2f}", "years")
    assert told["Convexity"] == (f"{figures.convexity:.2f}", "years squared")
    assert told["DV01"] == (f"{figures.dv01:.4f}", "EUR per 100 of face, for 1 bp")
    assert facts["Yield to maturity"]["source"] == "price of 22 Jun 2016"
    head = head_of(page)
    assert head["Clean price"]["value"] == Decimal("98.5")
    assert head["Clean price"]["sub"] == "% of face, price of 22 Jun 2016"
    assert head["Yield to maturity"]["value"] == found.ytm
    text = page.content.decode()
    assert "clean, % of face" in text
    for word in ("Expense ratio", "Dividend yield", "Assets", "volatility", "Bid", "Volume"):
        assert word not in {*facts, *head}


def test_its_chart_says_that_prices_are_percent_of_face(browser):
    bond = made()
    price(bond, "98", date(2016, 6, 21))
    assert "98.00% of face" in browser.get(PAGE).context["chart"]["empty"]
    price(bond, "98.5")

    chart = browser.get(PAGE).context["chart"]

    assert chart["title"] == "ACME-26, % of face, 21 Jun 2016 to 22 Jun 2016"
    assert chart["sub"].startswith("% of face, ")
    assert "from 98.00 to 98.50% of face, " in chart["conclusion"]


@pytest.mark.parametrize(
    ("day", "words"),
    [
        (date(2016, 6, 17), "price of 17 Jun 2016, 3 sessions old"),
        (date(2016, 6, 21), "price of 21 Jun 2016, 1 session old"),
    ],
)
def test_a_price_of_another_day_says_its_day(browser, day, words):
    price(made(), "98.5", day)

    page = browser.get(PAGE)

    assert facts_of(page)["Yield to maturity"]["source"] == words
    assert head_of(page)["Clean price"]["sub"] == f"% of face, {words}"


def test_what_cannot_be_said_has_its_reason(browser):
    bond = made()
    facts = facts_of(browser.get(PAGE))
    assert facts["Issued"]["value"] is None
    assert "every coupon is taken as a full one" in facts["Issued"]["source"]
    assert facts["Last price"]["value_reason"] == "no price is known"
    assert facts["DV01"]["value_reason"] == "no price is known, and no yield is stated"
    assert facts["Accrued interest"]["value"] is not None

    price(bond, "98.5", date(2016, 6, 14))
    facts = facts_of(browser.get(PAGE))
    assert facts["Last price"]["source"] == "price of 14 Jun 2016, 6 sessions old"
    for label in ("Clean price", "Dirty price", "Yield to maturity", "DV01"):
        assert facts[label]["value"] is None
        assert facts[label]["value_reason"].endswith("older than five sessions")

    bonds.update(bond_id=bond.pk, version=1, changes={"issued": date(2016, 7, 1)}, by=BY)
    facts = facts_of(browser.get(PAGE))
    assert facts["Accrued interest"]["value_reason"] == "not issued before 1 Jul 2016"

    bonds.update(bond_id=bond.pk, version=2, changes={"issued": None, "maturity": DAY}, by=BY)
    facts = facts_of(browser.get(PAGE))
    assert facts["Maturity"]["unit"] == "over"
    assert facts["Yield to maturity"]["value_reason"] == "matured on 22 Jun 2016"


def test_a_stated_yield_is_named_as_what_figures_rest_on(browser):
    price(made(ytm=0.05), "98.5", date(2016, 6, 14))

    facts = facts_of(browser.get(PAGE))

    assert facts["Yield to maturity"]["value"] == "5.00%"
    assert facts["DV01"]["source"] == (
        "the yield its source states; the price of 14 Jun 2016, 6 sessions old, is left out"
    )


def test_a_bond_without_terms_says_how_it_gets_them(browser):
    instrument("ACME-26", "bond")

    page = browser.get(PAGE)

    assert page.context["facts"]["rows"] == []
    assert "An operator adds them" in page.content.decode()
    assert head_of(page)["Yield to maturity"]["reason"] == "its terms are not known"
