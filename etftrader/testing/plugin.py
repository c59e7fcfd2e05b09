"""The pytest plugin of all apps: test environment, own servers, no network, restored triggers.

It acts on import, because Django's settings read the environment when they load.
"""

import atexit
import gc
import importlib
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from etftrader.deploy import stores
from etftrader.testing import services

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper

    from etftrader.testing.yahoo_server import YahooServer

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")
ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "etftrader.settings",
    "ETF_TESTING": "1",
    "ETF_EMBEDDED": "1",
    "SECRET_KEY": "tests-" + "s" * 50,
    "JWT_SIGNING_KEYS": "k1:" + "j" * 64,
    "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1],testserver",
    "DEMO_PASSWORD": "tests-demo-password",
    "REPLAY_OPEN": "true",
    "LIVE_FEED": "sim",
    "MARKETDATA_PROVIDER": "bundled",
    "OPENBLAS_NUM_THREADS": "1",
    "NO_PROXY": "localhost,127.0.0.1,::1",
    "no_proxy": "localhost,127.0.0.1,::1",
}
STORES = ("BROKER_URL", "CACHE_URL", "CHANNELS_URL", "REDIS_URL")


class NetworkRefused(RuntimeError):
    """A test tried to leave this machine."""


def _prepare() -> None:
    os.environ.update(ENVIRONMENT)
    scratch = tempfile.mkdtemp(prefix="etf-tests-")
    os.environ["ETF_VAR"] = scratch
    atexit.register(shutil.rmtree, scratch, ignore_errors=True)
    given = os.environ.get("ETF_TEST_REDIS_URLS", os.environ.get("REDIS_URL", "")).split()
    # workers of xdist inherit the environment of their parent, whose own server is not theirs
    if WORKER and os.environ.get("ETF_TEST_REDIS_OWN"):
        given = []
    if given:
        _use(given[_number() % len(given)], _number() // len(given))
        return
    try:
        server = services.start_redis()
    except (stores.NoServer, RuntimeError) as error:
        raise pytest.UsageError(str(error)) from None
    atexit.register(_stop, server, os.getpid())
    os.environ.update(server.urls)
    os.environ["ETF_TEST_REDIS_OWN"] = "1"


def _stop(server: services.RedisServer, owner: int) -> None:
    # a fork of a test inherits the exit handlers, not the server
    if os.getpid() == owner:
        server.stop()


def _number() -> int:
    return int(WORKER.removeprefix("gw") or 0)


def _use(url: str, place: int) -> None:
    """Spread the three stores over databases of the given server, three for each worker."""
    base = url.rstrip("/").rsplit("/", 1)[0] if url.count("/") > 2 else url.rstrip("/")
    for offset, name in enumerate(STORES):
        os.environ[name] = f"{base}/{3 * place + min(offset, 2)}"


_prepare()


# --- no network -------------------------------------------------------------------------------

_LOCAL_NAMES = {"localhost", "", "0.0.0.0", "::", "::1"}
_connect, _connect_ex = socket.socket.connect, socket.socket.connect_ex
_lookup = socket.getaddrinfo


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    return name in _LOCAL_NAMES or name.startswith("127.")


def _guard(line: socket.socket, address: Any) -> None:
    if line.family in (socket.AF_INET, socket.AF_INET6) and not _is_local(address[0]):
        raise NetworkRefused(f"tests stay on this machine; this one wanted {address[0]}")


def _guarded_connect(self: socket.socket, address: Any) -> None:
    _guard(self, address)
    _connect(self, address)


def _guarded_connect_ex(self: socket.socket, address: Any) -> int:
    _guard(self, address)
    return _connect_ex(self, address)


def _guarded_lookup(host: Any, *rest: Any, **named: Any) -> Any:
    # asking a name server is leaving the machine too
    if host is not None and not _is_local(host) and not _is_address(host):
        raise NetworkRefused(f"tests stay on this machine; this one looked up {host}")
    return _lookup(host, *rest, **named)


def _is_address(host: Any) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, str(host))
        except OSError:
            continue
        return True
    return False


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Close the door to the network and teach the flush about append-only tables."""
    socket.socket.connect = _guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = _guarded_connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = _guarded_lookup


def pytest_collection_finish() -> None:
    """What was collected lives to the end: the collector of garbage need not look at it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Open it again."""
    socket.socket.connect = _connect  # type: ignore[method-assign]
    socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign]
    socket.getaddrinfo = _lookup


# --- append-only tables -----------------------------------------------------------------------


@contextmanager
def lift_triggers(connection: "BaseDatabaseWrapper") -> Iterator[None]:
    """Remove the triggers that refuse changes and put the same ones back: flushes only."""
    if connection.vendor == "sqlite":
        find = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
        drop = 'DROP TRIGGER IF EXISTS "{0}"'
    else:
        find = (
            "SELECT tgname, pg_get_triggerdef(oid), tgrelid::regclass::text "
            "FROM pg_trigger WHERE NOT tgisinternal"
        )
        drop = 'DROP TRIGGER IF EXISTS "{0}" ON {2}'
    with connection.cursor() as cursor:
        cursor.execute(find)
        triggers = cursor.fetchall()
        for trigger in triggers:
            cursor.execute(drop.format(*trigger))
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            for trigger in triggers:
                cursor.execute(trigger[1])


@pytest.fixture(scope="session", autouse=True)
def _flush_lifts_triggers() -> Iterator[None]:
    from django.apps import apps
    from django.db import connection
    from django.test import TransactionTestCase

    plain = TransactionTestCase._fixture_teardown

    def teardown(self: TransactionTestCase) -> None:
        with lift_triggers(connection):
            plain(self)
        # the flush also took the rows that migrations made
        for name in ("0002_groups", "0011_invitations"):
            importlib.import_module(f"portfolios.migrations.{name}").add(apps, None)
        for name in ("0007_import_wizard", "0012_import_orders"):
            importlib.import_module(f"portfolios.migrations.{name}").spell(apps, None)

    TransactionTestCase._fixture_teardown = teardown
    yield
    TransactionTestCase._fixture_teardown = plain


# --- servers ----------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def redis_url() -> str:
    """The store of live records and socket messages."""
    return os.environ["REDIS_URL"]


@pytest.fixture
def fresh_redis() -> str:
    """Three empty stores; the URL of the live one."""
    for name in STORES[:3]:
        stores.ask(os.environ[name], "FLUSHDB")
    return os.environ["REDIS_URL"]


@pytest.fixture(autouse=True)
def _fresh_stores(request: pytest.FixtureRequest) -> None:
    uses = {"db", "transactional_db", "redis_url", "live_server"} & set(request.fixturenames)
    if uses or request.node.get_closest_marker("django_db"):
        request.getfixturevalue("fresh_redis")


@pytest.fixture
def own_redis() -> Iterator[services.RedisServer]:
    """A server of the test's own, to be stopped, killed and started again."""
    with services.start_redis() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[services.PostgresServer]:
    """A cluster of the session's own."""
    try:
        server = services.start_postgresql()
    except RuntimeError as error:
        pytest.skip(str(error))
    with server:
        yield server


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The folder with vectors and real data for tests."""
    where = Path(os.environ.get("ETF_SHARED") or services.ROOT.parent / "shared")
    if not where.is_dir():
        pytest.skip(f"{where} is absent: this test reads its vectors and data")
    return where


@pytest.fixture
def yahoo(
    shared_folder: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> "Iterator[YahooServer]":
    """The market of the shared fixtures as its provider serves it, asked without pauses."""
    from etftrader.core.outbound import line
    from etftrader.testing.yahoo_server import YahooServer
    from marketdata.providers import yahoo_session

    own = line.Line("yfinance", per_minute=10_000, spacing_s=0.0, sleep=lambda seconds: None)
    monkeypatch.setattr(yahoo_session, "line", lambda: own)
    settings.MARKETDATA_PROVIDER = "yfinance"
    with YahooServer(shared_folder / "data" / "yahoo_fixtures") as server:
        settings.YAHOO_BASE_URL = server.url
        yield server
