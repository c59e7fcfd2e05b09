"""What an order asks of the database: nothing is read twice."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketdata.selectors import sessions
from trading.models import Order
from trading.tests import storm, world
from trading.tests.services.test_order_types import limit, place
from trading.tests.world import buy

pytestmark = pytest.mark.django_db(transaction=True)
# PostgreSQL also: a transaction and a time limit around the gathering, the lock of the audit chain
STATEMENTS = {"sqlite": 30, "postgresql": 35}


@pytest.fixture
def book():
    world.make_market()
    book = world.make_portfolio(cash="1000000")
    world.lift_var_limit(book)
    return book


def statements_of(key, book):
    by, moment = storm.trader("owner@example.com"), sessions.moment()
    with CaptureQueriesContext(connection) as seen:
        storm.place(key, book.pk, by, moment)
    assert Order.objects.get(client_order_id=key).state == "filled"
    return [each["sql"] for each in seen.captured_queries]


def test_an_order_that_fills_at_once_asks_few_statements(book):
    statements_of("the-first", book)

    asked = statements_of("the-second", book)

    assert len(asked) == STATEMENTS[connection.vendor], "\n".join(each[:160] for each in asked)


def test_nothing_that_decides_is_read_before_the_lock(book):
    place(book, limit(buy, "80", "1", client_order_id="waits"))
    statements_of("the-first", book)

    asked = statements_of("the-second", book)

    locks = [n for n, sql in enumerate(asked) if 'FROM "portfolios_portfolio"' in sql]
    lock = next(n for n in locks if " IN (" in asked[n])
    tables = ("trading_tradinghalt", "risk_risklimit", "portfolios_ledgerentry")
    deciding = [n for n, sql in enumerate(asked) if any(table in sql for table in tables)]
    assert deciding
    assert lock < min(deciding)
    rows = [n for n, sql in enumerate(asked) if 'FROM "portfolios_position"' in sql[:2000]]
    assert rows
    assert lock < max(rows)
