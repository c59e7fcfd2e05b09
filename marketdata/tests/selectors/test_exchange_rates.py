"""Exchange rates at a close and at a moment: never from later, stale and doubtful as prices are."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from etftrader.core import clock as wall
from marketdata.models import DailyBar, Instrument, Quote, ReplayClock
from marketdata.selectors import calendar, exchange_rates, prices, sessions
from marketdata.services import universes

MONDAY, TUESDAY, WEDNESDAY = date(2016, 6, 20), date(2016, 6, 21), date(2016, 6, 22)
CLOSE = "close"

pytestmark = pytest.mark.django_db


def make(symbol: str, closes: dict, **fields) -> Instrument:
    found = Instrument.objects.create(symbol=symbol, name=symbol, price_basis=CLOSE, **fields)
    for day, close in closes.items():
        DailyBar.objects.create(
            instrument=found,
            session_date=day,
            source="csv",
            close=Decimal(close),
            price_basis=CLOSE,
        )
    return found


def pair(symbol: str, closes: dict) -> Instrument:
    return make(symbol, closes, kind="fx", currency=symbol[3:6])


@pytest.fixture
def euro():
    return pair("EURUSD=X", {MONDAY: "1.10", TUESDAY: "1.25", WEDNESDAY: "1.60"})


def at(day, *currencies):
    return exchange_rates.closing(currencies=currencies, session_date=day)


def test_the_rate_of_a_close_is_that_sessions_and_knows_the_one_before(euro):
    rate = at(TUESDAY, "EUR", "USD").between("EUR", "USD")
    assert (rate.value, rate.previous) == (Decimal("1.25"), Decimal("1.10"))
    assert (rate.session_date, rate.name, rate.reason) == (TUESDAY, "EURUSD=X", "")
    turned = at(TUESDAY, "EUR", "USD").between("USD", "EUR")
    assert (turned.value, turned.legs) == (Decimal("0.8"), (("EURUSD=X", -1),))


def test_a_cross_goes_over_the_dollar_and_names_both_pairs(euro):
    pair("USDJPY=X", {TUESDAY: "160"})
    rate = at(TUESDAY, "EUR", "JPY").between("EUR", "JPY")
    assert (rate.value, rate.legs) == (Decimal(200), (("EURUSD=X", 1), ("USDJPY=X", 1)))
    assert rate.previous is None  # one of the two has no close before


def test_one_currency_alone_asks_nothing_and_an_unknown_one_has_no_rate(
    euro, django_assert_num_queries
):
    with django_assert_num_queries(0):
        same = at(TUESDAY, "USD").between("USD", "USD")
    assert (same.value, same.legs) == (Decimal(1), ())
    missing = at(TUESDAY, "CHF", "USD").between("CHF", "USD")
    assert (missing.value, missing.reason) == (None, "no_exchange_rate")
    before = at(calendar.previous(MONDAY), "EUR", "USD").between("EUR", "USD")
    assert (before.value, before.reason) == (None, "no_exchange_rate")


def test_a_rate_that_did_not_move_was_the_same_before_and_grows_stale_as_prices_do():
    pair("EURUSD=X", {MONDAY: "1.10", TUESDAY: "1.25"})
    rate = at(WEDNESDAY, "EUR", "USD").between("EUR", "USD")
    assert (rate.value, rate.previous, rate.price_class) == (
        Decimal("1.25"),
        Decimal("1.25"),
        "stale",
    )
    assert rate.reason == ""
    later = calendar.between(TUESDAY, TUESDAY + timedelta(days=20))[7]
    assert at(later, "EUR", "USD").between("EUR", "USD").reason == "price_stale"


def test_while_a_session_plays_the_rate_is_the_moments_and_not_its_close(euro):
    ReplayClock.objects.create(
        start=MONDAY,
        session_date=TUESDAY,
        playing=WEDNESDAY,
        bar=1,
        as_of=calendar.open_time(WEDNESDAY) + timedelta(minutes=1),
        moved_at=wall.now(),
    )
    moment = sessions.moment()
    asked = {"currencies": ("EUR", "USD"), "moment": moment}
    before = exchange_rates.live(**asked).between("EUR", "USD")
    assert (before.value, before.previous) == (Decimal("1.25"), Decimal("1.25"))
    Quote.objects.create(
        instrument=euro,
        price=Decimal("1.5"),
        previous_close=Decimal("1.25"),
        session_date=WEDNESDAY,
        as_of=moment.as_of,
        source="SIM",
    )
    now = exchange_rates.live(**asked).between("EUR", "USD")
    assert (now.value, now.previous, now.price_class) == (Decimal("1.5"), Decimal("1.25"), "live")


def test_a_converted_price_keeps_its_own_and_one_without_a_rate_is_null(euro):
    fund = make("DAX", {MONDAY: "100", TUESDAY: "104"}, kind="etf", currency="EUR")
    marks = prices.marks(instruments=[fund], session_date=TUESDAY)
    told = at(TUESDAY, "EUR", "USD").converted(marks, {fund.pk: "EUR"}, "USD")[fund.pk]
    assert (told.price, told.previous_close) == (Decimal(130), Decimal(110))
    assert told.own_price == Decimal(104)
    lost = exchange_rates.NONE.converted(marks, {fund.pk: "EUR"}, "USD")[fund.pk]
    assert (lost.price, lost.reason, lost.own_price) == (None, "no_exchange_rate", Decimal(104))
    same = exchange_rates.NONE.converted(marks, {fund.pk: "EUR"}, "EUR")[fund.pk]
    assert same is marks[fund.pk]


def test_a_file_that_names_a_pair_makes_an_exchange_rate_of_it():
    assert universes.create_from_files(["EURUSD=X", "GBP=X"]) == ["EURUSD=X", "GBP=X"]
    euro, pound = Instrument.objects.filter(kind="fx").order_by("symbol")
    assert (euro.name, euro.currency, euro.asset_class) == ("EUR in USD", "USD", "currency")
    assert (pound.name, pound.currency) == ("USD in GBP", "GBP")
