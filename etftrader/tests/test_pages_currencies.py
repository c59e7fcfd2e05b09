"""Books in two currencies on pages and over the API: figures bear their own sign and rate."""

import csv
import io
import re
import uuid
from decimal import Decimal

import pytest
from django.test import Client

from etftrader.core import formats
from marketdata.models import Instrument
from portfolios.models import Portfolio, Position
from portfolios.services import csv_export, ledger, snapshots, verification
from trading.tests import world

pytestmark = pytest.mark.django_db

RATE = Decimal("1.25")


@pytest.fixture
def market():
    world.make_market(playing=False)
    fund = world.make_instrument("DAX", currency="EUR")
    world.make_bar(fund, world.YESTERDAY, Decimal(100))
    world.make_bar(world.make_instrument("EURUSD=X", kind="fx"), world.YESTERDAY, RATE)


def bring(book, symbol, quantity, price, rate=None):
    ledger.book_opening(
        portfolio_id=book.pk,
        instrument=Instrument.objects.get(symbol=symbol),
        quantity=Decimal(quantity),
        price=Decimal(price),
        session_date=world.YESTERDAY,
        source=f"test:{symbol}",
        rate=rate,
    )


@pytest.fixture
def euros(market):
    """A book in euros with 100 AAA at 90 dollars and 10 DAX at 95 euros."""
    book = world.make_portfolio(name="Euros", base_currency="EUR", cash="10000")
    bring(book, "AAA", "100", "90", Decimal("0.8"))
    bring(book, "DAX", "10", "95")
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    return Portfolio.objects.get(pk=book.pk)


@pytest.fixture
def browser(euros):
    client = Client()
    client.force_login(euros.account.customer.user)
    return client


def bare(answer):
    assert answer.status_code == 200
    return answer.content.decode().lstrip("\ufeff")


def text_of(answer):
    assert answer.status_code == 200
    return re.sub(r"<[^>]+>", " ", answer.content.decode())


@pytest.mark.parametrize("page", ["", "positions/", "cash/", "risk/", "performance/"])
def test_pages_of_a_book_in_euros_show_no_dollar_amount(browser, euros, page):
    answer = browser.get(f"/portfolios/{euros.pk}/{page}")
    body = text_of(answer).partition('id="main"')[2] or text_of(answer)
    assert "€" in body
    assert not re.findall(r"\$\d[\d,.]*", body)
    assert b'data-currency="EUR"' in answer.content
    assert formats.show(5, "money0") == "$5"  # the next request speaks of dollars again


def test_the_positions_page_has_the_price_in_its_own_currency_and_the_rate(browser, euros):
    answer = browser.get(f"/portfolios/{euros.pk}/positions/")
    held = {row["symbol"]: row for row in answer.context["table"]["rows"]}
    assert (held["AAA"]["price"], held["AAA"]["exposure"]) == (Decimal(100), Decimal(8_000))
    assert held["AAA"]["name"] == "Unclassified, USD at 0.8000, EURUSD=X"
    assert held["AAA"]["unrealized"] == Decimal(800)
    assert (held["DAX"]["price"], held["DAX"]["name"]) == (Decimal(100), "Unclassified")
    sent = browser.get(f"/portfolios/{euros.pk}/positions/?export=positions-table&format=csv")
    told = {row["Symbol"]: row for row in csv.DictReader(io.StringIO(bare(sent)))}
    assert told["AAA"]["Currency of the price"] == "USD"
    assert Decimal(told["AAA"]["Exchange rate"]) == Decimal("0.8")
    again = browser.get(f"/portfolios/{euros.pk}/positions/?export=positions-table&format=import")
    told = {row["ticker"]: row for row in csv.DictReader(io.StringIO(bare(again)))}
    assert (told["AAA"]["currency"], told["AAA"]["cost_basis"]) == ("USD", "9000")
    assert (told["DAX"]["currency"], told["DAX"]["cost_basis"]) == ("EUR", "950")


def test_the_page_of_one_position_says_how_its_price_is_converted(browser, euros):
    held = Position.objects.get(portfolio=euros, instrument__symbol="AAA")
    body = text_of(browser.get(f"/portfolios/{euros.pk}/positions/{held.pk}/"))
    assert "at 100.00 USD, rate 0.8000" in body
    assert "€8,000" in body


def test_the_api_tells_price_currency_and_rate(browser, euros):
    answer = browser.get(f"/api/v1/portfolios/{euros.pk}/positions")
    told = {row["symbol"]: row for row in answer.json()["results"]}
    row = told["AAA"]
    assert (row["price"], row["price_currency"], row["exchange_rate"]) == ("100.00", "USD", "0.80")
    assert (row["exchange_rate_source"], row["exposure"]) == ("EURUSD=X", "8000.00")
    assert (told["DAX"]["exchange_rate"], told["DAX"]["exchange_rate_source"]) == (None, "")


def test_the_dashboard_adds_no_euros_to_dollars(browser, euros):
    book = world.make_portfolio(name="Dollars", user=euros.account.customer.user)
    bring(book, "AAA", "1", "100")
    snapshots.take(portfolio_ids=[book.pk], session_date=world.YESTERDAY)
    answer = browser.get("/")
    table = answer.context["books"]
    assert table["totals"]["nav"] is None
    assert "EUR and USD" in table["totals"]["nav_reason"]
    body = text_of(answer)
    assert "€19,000" in body
    assert "$100,100" in body
    refused = browser.get("/api/v1/portfolio/asset-allocation-by-account-type")
    assert refused.status_code == 422
    assert "EUR, USD" in refused.json()["detail"]


def test_a_new_book_names_its_currency_once(browser, euros):
    page = browser.get("/portfolios/new/")
    assert b'<option value="EUR"' in page.content
    key = page.context["form"].initial["idempotency_key"]
    sent = {"name": "Mine", "cash": "500", "base_currency": "EUR", "idempotency_key": key}
    assert browser.post("/portfolios/new/", sent).status_code == 303
    made = Portfolio.objects.get(name="Mine")
    assert (made.base_currency, made.cash) == ("EUR", Decimal(500))
    refused = browser.post("/portfolios/new/", sent | {"base_currency": "CHF", "name": "Other"})
    assert refused.status_code == 422
    assert not Portfolio.objects.filter(name="Other").exists()


def test_the_api_opens_books_only_in_currencies_with_a_rate(browser, euros):
    def post(code):
        return browser.post(
            "/api/v1/portfolios",
            {"name": f"In {code}", "base_currency": code},
            content_type="application/json",
            headers={"Idempotency-Key": uuid.uuid4().hex},
        )

    assert post("EUR").status_code == 201
    refused = post("CHF")
    assert refused.status_code == 400
    assert "exchange rate" in str(refused.json())


def test_what_is_sent_out_is_in_the_currency_of_the_thing(euros):
    sent = csv_export.positions_file(portfolio_id=euros.pk).decode().lstrip("\ufeff")
    told = {row["ticker"]: row for row in csv.DictReader(io.StringIO(sent))}
    assert (told["AAA"]["currency"], told["AAA"]["cost_basis"]) == ("USD", "9000")
    assert (told["DAX"]["currency"], told["DAX"]["cost_basis"]) == ("EUR", "950")


def api(browser, method, path, body, **headers):
    named = {"Idempotency-Key": uuid.uuid4().hex} | headers
    send = getattr(browser, method)
    return send(f"/api/v1{path}", body, content_type="application/json", headers=named)


def test_a_stated_position_costs_what_it_costs_at_the_rate_of_its_session(browser, euros):
    body = {"portfolio": str(euros.pk), "symbol": "BBB", "quantity": "10", "entry_price": "50"}
    made = api(browser, "post", "/positions", body | {"entry_date": "2016-06-22"})
    assert made.status_code == 201, made.content
    assert Decimal(made.json()["cost_basis"]) == 400
    path = f"/positions/{made.json()['id']}"
    changed = api(browser, "patch", path, {"quantity": "15", "price": "60", "reason": "found"})
    assert changed.status_code == 200, changed.content
    assert Decimal(changed.json()["cost_basis"]) == 400 + 5 * 60 * Decimal("0.8")
    assert verification.verify(portfolio_id=euros.pk) == []


def test_without_a_rate_no_position_is_stated_or_changed(browser, euros):
    held = Position.objects.get(portfolio=euros, instrument__symbol="AAA")
    Instrument.objects.filter(symbol="EURUSD=X").update(symbol="EURCHF=X")
    before = euros.entries.count()
    body = {"portfolio": str(euros.pk), "symbol": "BBB", "quantity": "10", "entry_price": "50"}
    for answer in (
        api(browser, "post", "/positions", body),
        api(browser, "patch", f"/positions/{held.pk}", {"quantity": "1", "reason": "found"}),
    ):
        assert answer.status_code == 409, answer.content
        assert answer.json()["code"] == "no_exchange_rate"
    assert euros.entries.count() == before


def test_cash_is_in_the_currency_of_the_book_or_refused(browser, euros):
    path, body = f"/portfolios/{euros.pk}/cash", {"type": "deposit", "amount": "100"}
    before = euros.entries.count()
    refused = api(browser, "post", path, body | {"currency": "USD"})
    assert refused.status_code == 400
    assert "EUR alone" in str(refused.json())
    assert euros.entries.count() == before
    made = api(browser, "post", path, body)
    assert (made.status_code, made.json()["currency"]) == (201, "EUR")
    sent = bare(browser.get(f"/portfolios/{euros.pk}/cash/?export=cash&format=import"))
    assert {row["currency"] for row in csv.DictReader(io.StringIO(sent))} == {"EUR"}


def test_books_of_two_currencies_are_not_compared(browser, euros):
    user = euros.account.customer.user
    dollars = world.make_portfolio(name="Dollars", user=user)
    snapshots.take(portfolio_ids=[dollars.pk], session_date=world.YESTERDAY)
    assert browser.get("/portfolios/compare/").status_code == 200
    page = f"/portfolios/compare/?book1={euros.pk}&book2="
    refused = browser.get(f"{page}{dollars.pk}")
    assert refused.status_code == 422
    assert b"EUR and USD" in refused.content
    other = world.make_portfolio(name="More", user=user, base_currency="EUR")
    snapshots.take(portfolio_ids=[other.pk], session_date=world.YESTERDAY)
    body = text_of(browser.get(f"{page}{other.pk}"))
    assert "€19,000" in body
    assert not re.findall(r"\$\d[\d,.]*", body)


def test_an_account_adds_up_books_of_one_currency_only(browser, euros):
    page = f"/accounts/{euros.account_id}/"
    assert "€19,000.00" in text_of(browser.get(page))
    dollars = world.make_portfolio(name="Dollars", user=euros.account.customer.user)
    snapshots.take(portfolio_ids=[dollars.pk], session_date=world.YESTERDAY)
    Portfolio.objects.filter(pk=dollars.pk).update(account=euros.account)
    answer = browser.get(page)
    assert answer.context["kpis"][0]["value"] is None
    assert "EUR and USD" in answer.context["kpis"][0]["reason"]
