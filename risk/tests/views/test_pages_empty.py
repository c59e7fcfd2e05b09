"""The pages of risk of a book that has no positions, and of one without a covariance."""

import pytest

from etftrader.testing.rows import module_rows
from portfolios.services import snapshots
from risk.services import var
from risk.tests import factories
from risk.tests.views.test_pages import address

pytestmark = [pytest.mark.django_db, pytest.mark.urls("risk.tests.urls")]

DAY = factories.START


@pytest.fixture(scope="module", autouse=True)
def bundle(django_db_setup, django_db_blocker):
    with module_rows(django_db_blocker):
        factories.load_bundle()
        yield


def test_a_book_without_positions_says_so(client):
    portfolio = factories.make_portfolio()
    client.force_login(factories.make_user())

    page = client.get(address(portfolio))

    assert page.status_code == 200
    assert "No risk yet." in page.content.decode()


def test_a_missing_covariance_is_said_and_nothing_is_invented(client):
    portfolio = factories.make_rotation()
    snapshots.take(portfolio_ids=[portfolio.pk], session_date=DAY)
    var.compute(portfolio_ids=[portfolio.pk], session_date=DAY)
    client.force_login(factories.make_user())

    text = client.get(address(portfolio)).content.decode()

    assert "There is no VaR." in text
    assert "no covariance of this session" in text
