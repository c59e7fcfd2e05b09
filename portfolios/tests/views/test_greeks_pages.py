"""Pages of the Greeks: strip, rows that open, charts with their tables, toggles, what is missing."""

import re

import pytest
from django.test import Client

from etftrader.core.formats import MINUS, show
from etftrader.core.records import JobRun
from etftrader.testing.rows import module_rows
from marketdata.models import DailyBar, OptionGreeks
from marketdata.tests.option_world import DAY
from portfolios.models import Portfolio
from portfolios.services import snapshots
from portfolios.tests import option_book
from portfolios.tests.factories import (
    fill,
    make_closes,
    make_instrument,
    make_portfolio,
    make_user,
)

pytestmark = [pytest.mark.django_db, pytest.mark.urls("portfolios.tests.book_urls")]
CALL = "SPY160819C00212000"


@pytest.fixture(scope="module")
def staged(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        yield option_book.make_book()


@pytest.fixture
def book(staged):
    return Portfolio.objects.get(pk=staged.pk)


@pytest.fixture
def client(book):
    return browser()


def browser(email="owner@example.com"):
    found = Client()
    found.force_login(make_user(email))
    return found


def address(book, tail=""):
    return f"/portfolios/{book.pk}/greeks/{tail}"


def shown(client, path, **headers):
    answer = client.get(path, **headers)
    assert answer.status_code == 200
    return answer, answer.content.decode()


def test_the_page_shows_net_greeks_by_underlying_and_by_expiry(client, book):
    page, text = shown(client, address(book))

    for label in ("Net delta", "Net gamma", "Theta", "Vega", "Rho"):
        assert label in text
    figures = {each["label"]: each["value"] for each in page.context["kpis"]}
    found = page.context["found"]
    assert figures["Theta"] == pytest.approx(found.greeks.theta)
    assert figures["Rho"] == pytest.approx(found.greeks.rho / 100)
    rows = page.context["table"]["rows"]
    assert [each["symbol"]["name"] for each in rows] == ["SPY", "TLT"]
    assert page.context["table"]["totals"]["exposure"] == pytest.approx(found.greeks.dollar_delta)
    assert 'aria-expanded="false"' in text
    assert address(book, "SPY/") in text
    assert [len(each["rows"]) for each in page.context["ladder"]] == [3, 3]
    assert "19 Aug 2016, 45" in text
    assert f"portfolio.{book.pk}.value" in text
    assert "style=" not in re.sub(r'<dl class="kpis"[^>]*>', "", text.split("<main")[1])
    tlt = rows[1]
    assert (tlt["delta"], tlt["gamma"], tlt["gamma_reason"]) == (-50, None, "only options have it")
    assert "{&#x27;" not in text


def test_a_row_opens_its_legs_without_javascript_and_as_a_panel(client, book):
    page, text = shown(client, address(book, "?open=SPY"))

    names = [each["symbol"]["name"] for each in page.context["table"]["rows"]]
    assert len(names) == 2 + 9
    assert names[1] == "SPY itself"
    assert "19 Aug 2016 212 call" in names
    assert 'aria-expanded="true"' in text
    assert "panel=book" in text
    assert "open=SPY&amp;panel=book" in text
    _, part = shown(client, address(book, "?open=SPY&panel=book"), HTTP_HX_REQUEST="true")
    assert "<html" not in part
    assert "19 Aug 2016 212 call" in part


def test_shares_show_places_only_where_they_say_something(client, book):
    page, text = shown(client, address(book, "?open=SPY"))

    # 50 shares sold and 400 held are whole; the sum over options is not
    assert f">{MINUS}50.0000<" not in text
    assert ">400.0000<" not in text
    delta = page.context["table"]["rows"][0]["delta"]
    assert delta == round(page.context["found"].group("SPY").greeks.delta, 4)
    assert show(delta, "qty") in text


def test_a_leg_without_figures_is_a_dash_with_its_reason(client, book):
    OptionGreeks.objects.filter(contract__instrument__symbol=CALL).update(
        delta=None, iv=None, reason="no_volatility"
    )

    _, text = shown(client, address(book, "?open=SPY"))

    assert "1 of 10 legs: 19 Aug 2016 212 call (no quote since 22 Jun 2016)." in text
    assert '<span class="missing" title="no quote since 22 Jun 2016">—</span>' in text
    assert "1 of 9 legs in no sum" in text


def test_a_book_without_options_says_so(staged):
    portfolio = make_portfolio(cash=1000)

    _, text = shown(browser(), address(portfolio))

    assert "holds no options" in text
    assert f"/p/{portfolio.pk}/positions/" in text
    assert "Net delta" not in text


def test_one_underlying_shows_its_curve_and_its_grid_with_tables(client, book):
    page, text = shown(client, address(book, "SPY/"))

    assert 'id="payoff-t"' in text
    assert text.count('class="ln s') == 3
    assert text.count('class="evl"') == 7
    assert "spot 208.10" in text
    assert "At expiry 15 Jul 2016" in text
    assert text.count("<g><title>") == 63
    assert 'id="payoff-table"' in text
    assert 'id="spotvol-table"' in text
    assert "179.00 (−14.0%), strike" in text
    assert "Delta-gamma, today" in text
    assert len(page.context["table"]["rows"]) == 9
    assert page.context["heat"]["values"][3][4] == 0.0


def test_the_toggles_are_links_that_keep_each_other(client, book):
    page, text = shown(client, address(book, "SPY/?vol=15&days=30"))

    assert [each["on"] for each in page.context["shifts"]] == [False, False, True]
    assert [each["on"] for each in page.context["horizons"]] == [False, False, False, True]
    assert 'hx-get="?vol=-15&amp;days=30&amp;panel=profile"' in text
    assert "In 30 days" in text
    assert "with volatilities +15%" in text
    _, part = shown(client, address(book, "SPY/?vol=-15&panel=profile"), HTTP_HX_REQUEST="true")
    assert "<html" not in part
    assert "payoff-t" in part
    assert shown(client, address(book, "SPY/?vol=99&days=x"))[0].context["horizons"][1]["on"]


def test_what_expires_today_is_said(client, book):
    option_book.hold(book, {"SPY160622C00205000": 5})
    option_book.price(DAY)

    page, text = shown(client, address(book, "SPY/"))

    row = page.context["table"]["rows"][1]
    assert (row["source"]["text"], row["delta"], row["theta"]) == ("expired", 0.0, 0.0)
    assert "waits for its settlement" in text


def test_nothing_to_revalue_is_said(client, book):
    DailyBar.objects.filter(instrument__symbol="SPY").delete()

    _, text = shown(client, address(book, "SPY/"))

    assert "No price of SPY is known" in text
    assert "payoff-t" not in text


def test_another_persons_book_and_what_is_not_held_do_not_exist(client, book):
    assert client.get(address(book, "XYZ/")).status_code == 404
    other = browser("other@example.com")
    assert other.get(address(book)).status_code == 404
    assert other.get(address(book, "SPY/")).status_code == 404
    assert other.post(address(book, "calculate/")).status_code == 404
    assert Client().get(address(book)).status_code == 302


def test_a_past_close_is_said_and_cannot_be_recalculated(client, book):
    snapshots.take(portfolio_ids=[book.pk], session_date=DAY)

    _, now = shown(client, address(book))
    _, then = shown(client, address(book, "?as_of=2016-06-20"))

    assert "Recalculate" in now
    assert "There was no snapshot on or before that day." in then
    assert "Recalculate" not in then


def test_the_button_asks_for_the_job_and_says_so(client, book):
    answer = client.post(address(book, "calculate/"))

    assert (answer.status_code, answer["Location"]) == (303, address(book))
    assert JobRun.objects.get().job == "marketdata.compute_greeks"
    JobRun.objects.update(status="succeeded")
    client.post(address(book, "calculate/"))
    assert "less than five minutes ago" in client.get(address(book)).content.decode()


@pytest.mark.parametrize("tail", ["", "?open=SPY", "SPY/"])
def test_pages_need_few_queries(client, book, tail, django_assert_max_num_queries):
    client.get(address(book, tail))

    # around every page: session, person, groups, clock twice, portfolios, alerts, value
    with django_assert_max_num_queries(12 + 8):
        client.get(address(book, tail))


def test_a_large_page_stays_small(client, book):
    legs = {f"SPY160819P{each * 1000:08d}": -1 for each in range(185, 226)}
    option_book.hold(book, legs)
    option_book.price(DAY)
    other = make_instrument("QQQ")
    make_closes(other, {DAY: 107})
    fill(book, other, 5, 107, session_date=DAY)

    for tail in ("?open=SPY", "SPY/"):
        assert len(client.get(address(book, tail)).content) < 120_000
