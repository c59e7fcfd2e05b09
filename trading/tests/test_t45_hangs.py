"""T-45: what hangs refuses, and in time: the answer is there within two and a half seconds.

The servers and locks are real: a stopped Valkey, one that listens and never answers, tables and
rows held by another connection. Seeded faults it must catch: fail-open on exception, a read
without a time-out.
"""

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connection

from etftrader.core import livestate
from risk.models import PreTradeCheck
from trading.models import Order, Trade
from trading.tests import world
from trading.tests.api.test_orders import BUY, Api

pytestmark = pytest.mark.django_db(transaction=True)
IN_TIME = 2.5
LOCK_WAIT = 5.0  # of the portfolio's own row: a queue, not a dependency
POSTGRESQL = pytest.mark.skipif(
    "postgres" not in os.environ.get("DATABASE_URL", ""),
    reason="SQLite has no table locks, and its readers wait for nobody",
)


@pytest.fixture
def book(settings: Any) -> Any:
    settings.RATE_LIMITS = {name: (100_000, 1) for name in settings.RATE_LIMITS}
    world.make_market()
    made = world.make_portfolio()
    world.lift_var_limit(made)
    return made


@pytest.fixture
def api(book: Any) -> Api:
    return Api(book.account.customer.user)


@contextlib.contextmanager
def live_store(url: str, settings: Any) -> Iterator[None]:
    """The process talks to this store."""
    settings.LIVE_URL = url
    livestate.client.cache_clear()
    livestate.script.cache_clear()
    try:
        yield
    finally:
        livestate.client.cache_clear()
        livestate.script.cache_clear()


@contextlib.contextmanager
def stopped(process: Any) -> Iterator[None]:
    """A process that holds its connections and does nothing."""
    os.kill(process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process.pid, signal.SIGCONT)


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes every connection and never says a word."""
    kept = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            with contextlib.suppress(OSError):
                while True:
                    kept.append(listener.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"
        listener.shutdown(socket.SHUT_RDWR)
    for line in kept:
        line.close()


def timed(api: Api, book: Any, tail: str = "", **more: Any) -> tuple[Any, float]:
    """Ask for an order; the answer and how long it took."""
    started = time.monotonic()
    answer = api.post(f"/portfolios/{book.pk}/orders{tail}", BUY | more)
    return answer, time.monotonic() - started


def test_a_stopped_live_store_delays_an_order_by_less_than_the_answer_may_take(
    api: Api, book: Any, own_redis: Any, settings: Any
) -> None:
    """The live matrix may be absent: the stored one judges, so the order goes on, in time."""
    with live_store(own_redis.url, settings):
        before, _ = timed(api, book)
        with stopped(own_redis.process):
            answers = [timed(api, book, quantity=str(size)) for size in (1, 2, 3)]

    assert before.status_code == 201
    assert [answer.status_code for answer, _ in answers] == [201] * 3
    assert max(took for _, took in answers) <= IN_TIME, answers
    check = PreTradeCheck.objects.order_by("created_at").last()
    assert "LIVE_MATRIX_ABSENT" in check.warnings


@pytest.mark.parametrize("tail", ["", "/check"])
def test_a_store_that_never_says_a_word_delays_no_answer_beyond_its_time(
    api: Api, book: Any, silent: str, settings: Any, tail: str
) -> None:
    with live_store(silent, settings):
        answer, took = timed(api, book, tail)

    assert answer.status_code in (200, 201)
    assert took <= IN_TIME


@contextlib.contextmanager
def held(statement: str) -> Iterator[None]:
    """Another connection holds a lock and does not let go."""
    database = connection.settings_dict
    with psycopg.connect(
        host=database["HOST"],
        port=database["PORT"] or 5432,
        user=database["USER"],
        password=database["PASSWORD"] or None,
        dbname=database["NAME"],
    ) as other:
        other.execute(statement)
        yield
        other.rollback()


TABLES = [("marketdata_quote", "NO_PRICE"), ("risk_covariancesnapshot", "VAR_UNAVAILABLE")]


@POSTGRESQL
@pytest.mark.parametrize("tail", ["", "/check"])
@pytest.mark.parametrize(("table", "code"), TABLES)
def test_a_dependency_that_hangs_in_the_database_refuses_in_time(
    api: Api, book: Any, table: str, code: str, tail: str
) -> None:
    with held(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE"):
        answer, took = timed(api, book, tail)

    told = answer.json()
    assert took <= IN_TIME, told
    assert answer.status_code == (200 if tail else 422), told
    assert code in str(told)
    assert not Trade.objects.exists()
    assert not Order.objects.exclude(state="rejected").exists()
    kept = PreTradeCheck.objects.get()
    assert kept.status == "UNAVAILABLE"
    assert code in kept.reasons
    # the next one finds everything in its place
    assert timed(api, book, quantity="3")[0].status_code == 201


@POSTGRESQL
def test_a_held_row_is_waited_for_so_long_and_then_nothing_was_done(api: Api, book: Any) -> None:
    api.client.raise_request_exception = False
    with held(f"SELECT 1 FROM portfolios_portfolio WHERE id = '{book.pk}' FOR UPDATE"):
        answer, took = timed(api, book)

    assert took <= LOCK_WAIT + 0.5
    assert answer.status_code == 503, answer.content
    assert "Retry-After" in answer
    assert not Order.objects.exists()
    assert timed(api, book)[0].status_code == 201


@POSTGRESQL
def test_the_wait_of_the_gathering_is_not_left_to_what_comes_after(api: Api, book: Any) -> None:
    from risk.services import pretrade

    with connection.cursor() as cursor:
        cursor.execute("SHOW statement_timeout")
        before = cursor.fetchone()
        pretrade.gather(portfolio_id=book.pk, symbols=["AAA"], moment=world.sessions.moment())
        cursor.execute("SHOW statement_timeout")
        assert cursor.fetchone() == before
