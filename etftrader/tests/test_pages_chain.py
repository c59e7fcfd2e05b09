"""The chain of an underlying and the page of a contract: what stands there, and at what cost."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from etftrader.testing.rows import module_rows
from etftrader.tests.test_pages_quote import asked_for, scripts_of, shell_of, signed_in, text_of
from etftrader.views import quote_chain
from marketdata.models import (
    OptionContract,
    OptionQuote,
)
from marketdata.selectors import contracts as known
from marketdata.selectors import option_chain, sessions
from marketdata.services import greeks, option_quotes
from marketdata.tests.option_world import DAY, clock_at, spy
from trading.tests import world

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
HTMX = {"HTTP_HX_REQUEST": "true"}
KB = 1024
CALL = "SPY160819C00212000"


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    """SPY at the demonstration's start, with quotes and Greeks, and somebody to look."""
    with module_rows(django_db_blocker):
        of = spy()
        clock_at()
        option_quotes.simulate(session_date=DAY)
        greeks.compute(session_date=DAY, watched=[of.pk])
        yield of, world.make_user()


@pytest.fixture
def market(staged):
    of, user = staged
    of.refresh_from_db()
    return SimpleNamespace(of=of, browser=signed_in(user), user=user)


def test_the_quote_page_leads_to_its_chain(market):
    page = market.browser.get("/quotes/SPY/")

    days = [each["day"] for each in page.context["expiries"]]
    assert days[:2] == [date(2016, 7, 15), date(2016, 8, 19)]
    assert 'href="/quotes/SPY/options/?expiry=2016-08-19"' in text_of(page)
    assert page.context["tabs"][1]["count"] == OptionContract.objects.count()


def test_the_chain_shows_calls_left_and_puts_right(market):
    page = market.browser.get("/quotes/SPY/options/?expiry=2016-08-19")

    block = page.context["chain"]
    assert block["expiry"] == date(2016, 8, 19)
    [row] = [each for each in block["rows"] if each["strike"] == "212.00"]
    call = dict(zip([each["key"] for each in block["calls"]], row["call"], strict=True))
    put = dict(zip([each["key"] for each in block["puts"]], row["put"], strict=True))
    assert (call["ask"]["text"], call["mid"]["url"]) != ("—", "")
    assert 0 < float(call["delta"]["text"]) < 1
    assert put["delta"]["text"].startswith("\u2212")
    assert call["open_interest"]["text"] == "—"
    assert row["css"] == "ui"  # the put is in the money
    text = text_of(page)
    for word in ("Call", "Put"):
        assert f'<span class="vh">{word} </span>Delta' in text
    # on a phone, which has five columns a side, no head is wider than they are
    assert [text.count(f'colspan="{wide}"') for wide in (4, 5, 9)] == [2, 2, 0]
    assert "without: open interest, its source does not send it" in text
    assert "SIMULATED" in text
    assert text.count("data-atm") == 1
    [near] = [each for each in block["rows"] if each.get("atm")]
    assert abs(Decimal(near["strike"]) - block["spot"]) <= 1
    assert 'id="smile-t"' in text
    assert len(page.content) <= 120 * KB


def test_a_phone_chooses_a_side(market):
    calls = market.browser.get("/quotes/SPY/options/")
    puts = market.browser.get("/quotes/SPY/options/?side=puts&expiry=2016-08-19")

    assert 'data-side="calls"' in text_of(calls)
    assert 'data-side="puts"' in text_of(puts)
    assert puts.context["chain"]["expiry"] == date(2016, 8, 19)


@pytest.mark.parametrize("asked", ["2016-08-20", "never", "2016-13-45"])
def test_an_expiry_nobody_has_is_the_nearest_one(market, asked):
    page = market.browser.get(f"/quotes/SPY/options/?expiry={asked}")

    assert page.context["chain"]["expiry"] == date(2016, 7, 15)


def test_what_is_missing_says_why(market):
    OptionQuote.objects.all().delete()

    page = market.browser.get("/quotes/SPY/options/")

    [words] = [
        each["text"]
        for each in page.context["chain"]["source"]["reasons"]
        if "no quote" in each["text"]
    ]
    assert words in text_of(page)
    assert "No contract of this expiry has an implied volatility" in text_of(page)


def test_greeks_older_than_their_quotes_say_so(market):
    source = market.browser.get("/quotes/SPY/options/").context["chain"]["source"]
    assert (source["greeks_of"], source["greeks_late"]) == ("22 Jun 2016", False)
    OptionQuote.objects.update(session_date=world.TODAY)
    clock_at(world.TODAY)

    page = market.browser.get("/quotes/SPY/options/")

    assert page.context["chain"]["source"]["greeks_late"]
    assert "Greeks come with the next close" in text_of(page)
    contract = market.browser.get(f"/quotes/{CALL}/")
    assert "at the close of 22 Jun 2016, older than its quote" in text_of(contract)


def test_a_contract_has_its_terms_its_greeks_and_its_payoff(market):
    page = market.browser.get(f"/quotes/{CALL}/")

    text = text_of(page)
    assert page.context["tag"]["title"] == "SPY 212 call, 19 Aug 2016"
    assert "SIMULATED" in text
    rows = {row["label"]: row for row in page.context["greeks"]["rows"]}
    assert rows["Delta"]["contract"] == pytest.approx(100 * rows["Delta"]["value"])
    assert "per calendar day" in text
    terms = {row["label"]: row["value"] for row in page.context["terms"]["rows"]}
    assert terms["Contract size"] == "100 shares"
    assert terms["Expiry"] == "19 Aug 2016, at 16:00 ET, 58 days left"
    side = option_chain.one(
        contract=known.find(CALL, world.actor(market.user)), moment=sessions.moment()
    )
    mid = quote_chain.figure(side, "mid")
    [line] = page.context["payoff"]["series"]
    assert min(line["values"]) == -mid * 100
    at_strike = page.context["payoff"]["x"].index(Decimal(212))
    assert line["values"][at_strike] == -mid * 100


def test_a_contract_opens_by_any_spelling(market):
    for spelling in ("spy160819c00212000", "SPY%20%20%20160819C00212000"):
        answer = market.browser.get(f"/quotes/{spelling}/")
        assert (answer.status_code, answer["Location"]) == (302, f"/quotes/{CALL}/")
    assert market.browser.get("/quotes/SPY160819C00999000/").status_code == 404
    assert market.browser.get(f"/quotes/{CALL}/options/")["Location"] == f"/quotes/{CALL}/"


@pytest.mark.parametrize("quote", [{"bid": None}, {"ask": None}, None])
def test_a_contract_without_a_middle_draws_no_gain(market, quote):
    rows = OptionQuote.objects.all()
    rows.update(**quote) if quote else rows.delete()

    page = market.browser.get(f"/quotes/{CALL}/")

    text = text_of(page)
    assert page.context["payoff"]["series"] == []
    assert "No gain can be drawn: bid and ask are not both known." in text
    assert "bought at the middle" not in text
    assert 'id="payoff-t"' not in text


def test_a_contract_needs_few_queries(market):
    found = asked_for(market.browser, f"/quotes/{CALL}/")

    assert found <= 12 + shell_of(market.browser)


def test_the_scripts_of_the_quote_pages_stay_within_their_budget(market):
    for path in ("/quotes/SPY/", "/quotes/SPY/options/"):
        found = scripts_of(text_of(market.browser.get(path)))
        assert "js/live.js" in found
        assert sum(found.values()) <= 130 * KB, found
    assert "js/chart-price.js" not in found
