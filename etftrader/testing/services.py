"""Throw-away servers and child processes for tests: real PostgreSQL, real Redis, storms, kills."""

import ctypes
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from etftrader.deploy import stores

ROOT = Path(__file__).resolve().parents[2]
START_WITHIN = 20.0
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform.startswith("linux") else None


def die_with_parent() -> None:
    """Between fork and exec: nothing a test starts outlives it, however it ends."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Server:
    """A server process in a temporary folder; stopped by its process id."""

    url = ""
    process: "subprocess.Popen[str] | None" = None
    folder: Path

    def start(self) -> None:
        """Start the process on the same port as before."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask it to end, wait, remove its folder."""
        self._end(signal.SIGTERM)
        shutil.rmtree(self.folder, ignore_errors=True)

    def halt(self) -> None:
        """End it cleanly but keep its folder, so that `start` finds it again."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it with -9; `start` brings it back on the same port."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _launch(self, command: list[str], answers: Callable[[], bool], **how: Any) -> None:
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
                **({"preexec_fn": die_with_parent} | how),
            )
        end = time.monotonic() + START_WITHIN
        while self.process.poll() is None and time.monotonic() < end:
            if answers():
                return
            time.sleep(0.02)
        text = (self.folder / "server.log").read_text()[-2000:]
        self.stop()
        raise RuntimeError(f"{command[0]} did not start:\n{text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *problem: object) -> None:
        self.stop()


class RedisServer(Server):
    """A private Valkey or Redis; three stores as databases 0, 1 and 2."""

    def __init__(self, binary: str | None = None) -> None:
        self.binary = binary or stores.server_binary()
        self.folder = Path(tempfile.mkdtemp(prefix="etf-redis-"))
        self.port, self.password = stores.free_port(), secrets.token_hex(8)
        self.urls = stores.urls(self.port, self.password)
        self.url = self.urls["REDIS_URL"]
        self.start()

    def start(self) -> None:
        """Start the process on the same port as before."""
        file = stores.write_configuration(self.folder, self.port, self.password)
        self._launch([self.binary, str(file)], lambda: stores.answers(self.url))

    def flush(self) -> None:
        """Empty all its databases."""
        stores.ask(self.url, "FLUSHALL")


class PostgresServer(Server):
    """A private PostgreSQL cluster without fsync; as root it runs as an unprivileged user."""

    def __init__(self) -> None:
        self.binaries = postgres_binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="etf-pg-"))
        self.port = stores.free_port()
        self.url = f"postgres://etftrader@127.0.0.1:{self.port}/postgres"
        self._how = _unprivileged(self.folder)
        make = ["initdb", "-D", "data", "-U", "etftrader", "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run(
            [str(self.binaries / make[0]), *make[1:], "--locale", "C"],
            cwd=self.folder,
            check=True,
            capture_output=True,
            **self._how,
        )
        self.start()

    def start(self) -> None:
        """Start the process on the same port as before."""
        settings = ["fsync=off", "synchronous_commit=off", "full_page_writes=off"]
        settings += ["listen_addresses=127.0.0.1", "max_connections=200", "shared_buffers=64MB"]
        settings += [f"unix_socket_directories={self.folder}"]
        command = [str(self.binaries / "postgres"), "-D", "data", "-p", str(self.port)]
        for setting in settings:
            command += ["-c", setting]
        self._launch(command, self._answers, cwd=self.folder, **self._how)

    def _answers(self) -> bool:
        probe = [str(self.binaries / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0

    def halt(self) -> None:
        """End it cleanly, with clients still connected."""
        self._end(signal.SIGINT)

    def stop(self) -> None:
        """End it cleanly and remove its folder."""
        self._end(signal.SIGINT)
        shutil.rmtree(self.folder, ignore_errors=True)


def postgres_binaries() -> Path:
    """
    Find the folder of initdb and postgres.

    Raises
    ------
    RuntimeError
        When PostgreSQL is not installed.
    """
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    for place in [*places, *([Path(found).parent] if found else [])]:
        if all((place / name).exists() for name in ("initdb", "postgres", "pg_isready")):
            return place
    raise RuntimeError("PostgreSQL is not installed (no initdb and postgres found)")


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Give the options of a process that must not be root; PostgreSQL refuses uid 0."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(folder, entry.pw_uid, entry.pw_gid)
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
    raise RuntimeError("no unprivileged user to run PostgreSQL as")


def start_redis(binary: str | None = None) -> RedisServer:
    """Start a private Valkey or Redis."""
    return RedisServer(binary)


def start_postgresql() -> PostgresServer:
    """Start a private PostgreSQL."""
    return PostgresServer()


def child_environment(**extra: str) -> dict[str, str]:
    """Give the environment of a child process that works on the current test database."""
    from django.db import connection

    database = connection.settings_dict
    quote = urllib.parse.quote
    if connection.vendor == "sqlite":
        url = f"sqlite:///{quote(str(database['NAME']))}"
    else:
        user, password = quote(database["USER"]), quote(database["PASSWORD"] or "")
        secret = f":{password}" if password else ""
        host, port = database["HOST"] or "127.0.0.1", database["PORT"] or 5432
        url = f"postgres://{user}{secret}@{host}:{port}/{quote(str(database['NAME']))}"
    ours = {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "etftrader.settings"}
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return dict(os.environ) | ours | {"PYTHONPATH": path} | extra


class Child:
    """One process running one function; what it emitted is what it acknowledged."""

    def __init__(self, kind: str, order: dict[str, Any], environment: dict[str, str]) -> None:
        command = [sys.executable, "-m", "etftrader.testing.child", kind, json.dumps(order)]
        self._complaints = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            command,
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            preexec_fn=die_with_parent,
        )
        self.pid = self.process.pid

    def line(self) -> Any:
        """Wait for the next emitted object; None at the end."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        return json.loads(text) if text.endswith("\n") else None

    def go(self) -> None:
        """Fire the starting gun."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def kill(self) -> None:
        """End it with -9."""
        self.process.kill()
        self.process.wait()

    def read(self) -> list[Any]:
        """Read every whole object until the process has ended."""
        objects = []
        while (item := self.line()) is not None:
            objects.append(item)
        self.process.wait(timeout=30)
        return objects

    def complaints(self) -> str:
        """Give what it wrote to standard error."""
        self._complaints.seek(0)
        return self._complaints.read()

    def close(self) -> None:
        """End it if it runs, and let go of its pipes."""
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self._complaints):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue


def spawn(
    entry: str,
    *,
    arguments: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> Child:
    """Start `function(emit=..., **arguments)` in its own process."""
    order = {"entry": entry, "arguments": arguments or {}}
    return Child("emit", order, environment or child_environment())


def storm(
    entry: str,
    *,
    processes: int,
    threads: int,
    arguments: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> list[dict[str, Any]]:
    """Run `function(process=i, thread=j, **arguments)` everywhere at once; give all outcomes."""
    shared = {"entry": entry, "threads": threads, "arguments": arguments or {}}
    surroundings = environment or child_environment()
    children = [
        Child("storm", shared | {"process": number}, surroundings) for number in range(processes)
    ]
    try:
        for child in children:
            if child.line() != "ready":
                child.kill()
                raise RuntimeError(f"a child of the storm did not start:\n{child.complaints()}")
        for child in children:
            child.go()
        outcomes: list[dict[str, Any]] = []
        for child in children:
            reported = child.line()
            if reported is None:
                child.kill()
                raise RuntimeError(f"a child of the storm died:\n{child.complaints()}")
            outcomes.extend(reported)
        return outcomes
    finally:
        for child in children:
            child.close()


def kill_at_random(
    entry: str,
    *,
    kills: int,
    within: float,
    seed: int,
    arguments: dict[str, Any] | None = None,
    environment: dict[str, str] | None = None,
) -> list[list[Any]]:
    """Start the function, kill -9 a random moment after its first word, as often as asked."""
    moments, acknowledged = random.Random(seed), []
    surroundings = environment or child_environment()
    for number in range(kills):
        child = spawn(
            entry, arguments=(arguments or {}) | {"life": number}, environment=surroundings
        )
        try:
            first = child.line()
            if first is None:
                raise RuntimeError(f"the child ended by itself:\n{child.complaints()}")
            time.sleep(moments.uniform(0, within))
            child.kill()
            acknowledged.append([first, *child.read()])
        finally:
            child.close()
    return acknowledged
