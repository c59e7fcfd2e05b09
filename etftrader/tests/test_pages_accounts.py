"""Pages of accounts: what is in them, opened, renamed, closed once empty, opened again."""

from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent
from portfolios.models import Account, Portfolio, User
from portfolios.services import accounts, portfolios, snapshots
from trading.tests import world

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    """A valued book of $100,000 and 300 AAA beside, and one that was not valued yet."""
    world.make_market(playing=False)
    made = world.make_portfolio()
    world.hold(made, "AAA", "300")
    snapshots.take(portfolio_ids=[made.pk], session_date=world.YESTERDAY)
    made.refresh_from_db()
    return made


@pytest.fixture
def owner(book):
    return book.account.customer.user


@pytest.fixture
def client(owner):
    browser = Client()
    browser.force_login(owner)
    return browser


def at(account, tail=""):
    return f"/accounts/{account.pk}/{tail}"


def test_the_list_adds_up_the_open_portfolios_of_each_account(client, book):
    Account.objects.create(customer=book.account.customer, name="Empty", account_type="saving")

    rows = {row["name"]: row for row in client.get("/accounts/").context["table"]["rows"]}

    assert rows["Paper"]["nav"] == 130_000
    assert rows["Paper"]["cash"] == 100_000
    assert rows["Paper"]["books"] == 1
    assert rows["Empty"]["nav"] is None
    assert rows["Empty"]["nav_reason"] == "no portfolio in it has a snapshot yet"


def test_an_account_shows_its_portfolios_and_says_what_is_in_no_sum(client, book, owner):
    fresh = portfolios.create(user=owner, name="Fresh", account=book.account, by=world.actor(owner))
    elsewhere = world.make_portfolio(name="Elsewhere")

    page = client.get(at(book.account))

    shown = {row["name"] for row in page.context["table"]["rows"]}
    assert shown == {book.name, fresh.name}
    assert elsewhere.account_id != book.account_id
    assert page.context["kept"].nav == 130_000
    assert "1 open portfolio in it has no snapshot yet" in page.content.decode()


def test_a_past_close_is_of_that_close_and_changes_nothing(client, book):
    page = client.get(at(book.account) + "?as_of=2016-06-21")

    assert page.context["kept"].nav is None
    assert not page.context["may_change"]
    assert "New account" not in client.get("/accounts/?as_of=2016-06-21").content.decode()


def test_one_is_opened_renamed_closed_and_opened_again(client, owner):
    made = client.post("/accounts/", {"name": " Broker  one ", "account_type": "brokerage"})
    row = Account.objects.get(name="Broker one")
    assert made["Location"] == at(row)

    client.post(at(row), {"name": "Broker 1", "account_type": "saving", "version": 1})
    row.refresh_from_db()
    assert (row.name, row.account_type, row.version) == ("Broker 1", "saving", 2)

    client.post(at(row, "close/"), {"reason": "moved", "version": 2})
    row.refresh_from_db()
    assert row.status == "closed"
    assert "Open it again" in client.get(at(row)).content.decode()

    client.post(at(row, "reopen/"), {"version": 3})
    row.refresh_from_db()
    assert row.status == "active"
    acts = AuditEvent.objects.filter(object_id=str(row.pk)).order_by("seq")
    assert [each.action for each in acts] == [
        "account.open", "account.update", "account.close", "account.reopen"
    ]  # fmt: skip


def test_an_account_with_an_open_portfolio_stays_open(client, book):
    answer = client.post(at(book.account, "close/"), {"version": book.account.version})

    assert answer.status_code == 422
    assert f"{book.name} is open in it." in answer.content.decode()
    book.account.refresh_from_db()
    assert book.account.status == "active"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"name": "", "account_type": "paper", "version": 1}, "This field is required."),
        ({"name": "x" * 121, "account_type": "paper", "version": 1}, "at most 120"),
        ({"name": "x", "account_type": "gold", "version": 1}, "Select a valid choice"),
        ({"name": "x", "account_type": "paper", "version": 7}, "changed since it was read"),
    ],
)
def test_what_cannot_be_kept_is_said_and_the_form_stays(client, book, said, words):
    answer = client.post(at(book.account), said)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    book.account.refresh_from_db()
    assert book.account.name == "Paper"


def test_a_portfolio_is_made_in_the_account_its_form_names(client, book):
    client.post("/accounts/", {"name": "Broker", "account_type": "brokerage"})
    row = Account.objects.get(name="Broker")
    form = client.get(f"/portfolios/new/?account={row.pk}").context["form"]
    assert form["account"].value() == str(row.pk)

    said = {"name": "Mine", "account": row.pk, "idempotency_key": uuid4().hex}
    assert client.post("/portfolios/new/", said).status_code == 303

    assert Portfolio.objects.get(name="Mine").account_id == row.pk


def test_a_foreign_account_is_no_account(book):
    stranger = accounts.create_user(
        email="stranger@example.com", password="a-long-password-1", by=Actor(None, "test")
    )
    world.add_to_group(stranger, "Trader")
    browser = Client()
    browser.force_login(stranger)
    said = {"name": "Mine", "account_type": "paper", "version": 1}

    assert browser.get(at(book.account)).status_code == 404
    assert browser.post(at(book.account), said).status_code == 404
    assert browser.post(at(book.account, "close/"), {"version": 1}).status_code == 404
    new = said | {"account": book.account_id, "idempotency_key": uuid4().hex}
    assert browser.post("/portfolios/new/", new).status_code == 422
    assert Client().get("/accounts/").status_code == 302
    names = [row["name"] for row in browser.get("/accounts/").context["table"]["rows"]]
    assert names == ["Paper account"]


def test_staff_who_read_may_not_change(book):
    user = world.make_user("auditor@example.com", is_staff=True)
    user.groups.set(Group.objects.filter(name="Auditor"))
    browser = Client()
    browser.force_login(User.objects.get(pk=user.pk))

    page = browser.get(at(book.account))
    said = {"name": "Mine", "account_type": "paper", "version": 1}

    assert page.status_code == 200
    assert not page.context["may_change"]
    assert browser.post(at(book.account), said).status_code == 403
    assert AuditEvent.objects.filter(actor_id=user.pk).exists()


def test_the_pages_need_few_queries(client, book, owner, django_assert_max_num_queries):
    for number in range(5):
        made = world.make_portfolio(name=f"Book {number}")
        snapshots.take(portfolio_ids=[made.pk], session_date=world.YESTERDAY)
    client.get("/glossary/")
    with CaptureQueriesContext(connection) as frame:
        client.get("/glossary/")
        shell = len(frame)
    for address in ("/accounts/", at(book.account)):
        client.get(address)
        with django_assert_max_num_queries(12 + shell):
            client.get(address)
    rows = {row["id"]: row for row in client.get("/accounts/").context["table"]["rows"]}
    assert rows[book.account_id]["nav"] == Decimal(130_000)
