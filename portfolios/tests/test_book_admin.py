"""The admin of the books: it opens, and what the ledger writes cannot be written there."""

from decimal import Decimal

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group
from django.test import RequestFactory

from portfolios import models
from portfolios.admin import check_books, halt
from portfolios.models import Portfolio, User
from portfolios.tests.factories import make_clock, make_portfolio

pytestmark = pytest.mark.django_db
WRITTEN_BY_SERVICES = (
    models.LedgerEntry,
    models.CashTransaction,
    models.Portfolio,
    models.Position,
    models.PortfolioSnapshot,
    models.PositionSnapshot,
    models.ImportBatch,
    models.ImportRow,
    models.Membership,
    models.ApiToken,
)


@pytest.fixture
def boss(rf: RequestFactory):
    request = rf.post("/admin/")
    request.user = User.objects.create_superuser("boss@example.com", "a-long-Secret-9")
    request.user.groups.set(Group.objects.filter(name="Admin"))
    request.session, told = {}, []
    request._messages = type("Told", (), {"add": lambda self, *said: told.append(said)})()
    request.told = told
    return request


def test_every_model_of_the_app_is_registered():
    missing = [each for each in apps.get_app_config("portfolios").get_models()
               if not admin.site.is_registered(each)]  # fmt: skip

    assert missing == []


@pytest.mark.parametrize("model", WRITTEN_BY_SERVICES)
def test_not_even_a_superuser_writes_what_services_write(boss, model):
    page = admin.site._registry[model]

    assert page.has_view_permission(boss)
    assert not page.has_add_permission(boss)
    assert not page.has_change_permission(boss)
    assert not page.has_delete_permission(boss)


@pytest.mark.parametrize("model", list(apps.get_app_config("portfolios").get_models()))
def test_lists_are_drawn_from_existing_columns(boss, model):
    page = admin.site._registry[model]
    make_portfolio(cash=10)

    assert page.check() == []
    assert page.get_changelist_instance(boss).get_queryset(boss).count() >= 0


def test_the_halting_action_goes_through_the_service(boss):
    portfolio = make_portfolio()

    halt(None, boss, Portfolio.objects.all())

    assert Portfolio.objects.get(pk=portfolio.pk).state == "halted"


def test_the_checking_action_names_what_is_wrong(boss):
    make_clock()
    portfolio = make_portfolio(cash=10)
    Portfolio.objects.filter(pk=portfolio.pk).update(cash=Decimal(9))

    check_books(None, boss, Portfolio.objects.all())

    assert any("cash is 9" in str(said) for said in boss.told)
    assert Portfolio.objects.get(pk=portfolio.pk).state == "halted"
