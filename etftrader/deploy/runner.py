"""`run`: from a data folder to a ready address, and back to nothing."""

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import folder
import programs
import stores
from supervisor import Failed, Program, Stopped, Supervisor, say

ROOT = Path(__file__).resolve().parents[2]
READY_WITHIN = 180.0
PORTS_TRIED = 50
# what a user may have set for this start and a command beside it must know too
SHARED = (
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "CACHE_URL",
    "CHANNELS_URL",
    "MARKETDATA_PROVIDER",
    "MARKETDATA_PROVIDER_ACTIONS",
    "MARKETDATA_PROVIDER_BARS",
    "MARKETDATA_PROVIDER_CHAINS",
    "MARKETDATA_PROVIDER_QUOTES",
    "MARKETDATA_PROVIDER_YIELDS",
    "LIVE_FEED",
    "REPLAY_START",
    "CSV_FOLDER",
    "YAHOO_BASE_URL",
    "YAHOO_STREAM_URL",
    "FRED_BASE_URL",
    "FRED_API_KEY",
)
HOST = "127.0.0.1"


def _own(data: folder.DataFolder) -> dict[str, str]:
    return {
        "SECRET_KEY": data.secret("secret_key"),
        "JWT_SIGNING_KEYS": f"k1:{data.secret('signing_key')}",
        "DEMO_PASSWORD": data.secret("demo_password", 8),
        "ALLOWED_HOSTS": "localhost,127.0.0.1,[::1]",
        "REPLAY_OPEN": "true",
        # the forks of the worker share the cores; BLAS must not multiply them
        "OPENBLAS_NUM_THREADS": "1",
    }


def environment(data: folder.DataFolder) -> dict[str, str]:
    """Give what every program finds in its environment; what the user has set wins."""
    given = {name: value for name, value in os.environ.items() if value}
    always = {
        "ETF_EMBEDDED": "1",
        "ETF_VAR": str(data.where),
        "DJANGO_SETTINGS_MODULE": "etftrader.settings",
        "PYTHONUNBUFFERED": "1",
    }
    return _own(data) | given | always


def shared(data: folder.DataFolder, made: dict[str, str]) -> str:
    """Write what commands typed beside this start need to find the same application."""
    names = {*_own(data), *SHARED, "ETF_EMBEDDED", "DJANGO_SETTINGS_MODULE"}
    return json.dumps({name: made[name] for name in sorted(names & set(made))}, indent=1) + "\n"


class Start:
    """One `make run`."""

    def __init__(self, data: folder.DataFolder, port: int) -> None:
        self.data, self.port = data, port
        self.supervisor = Supervisor(changed=self._announce)
        self.environment: dict[str, str] = {}
        self.login: dict[str, Any] | None = None
        self._reserved: socket.socket | None = None

    def run(self) -> int:
        """Run until a signal; give the exit code."""
        os.umask(0o077)
        try:
            self.data.hold()
        except OSError as error:
            say(self._unwritable(error))
            return 1
        self.supervisor.listen()
        self.supervisor.hooks.append(make_was_interrupted())
        code = 0
        try:
            self._begin()
            while True:
                self.supervisor.pause(0.2)
                self.supervisor.watch()
        except Stopped:
            say("Stopping ...")
        except (Failed, stores.NoServer) as error:
            say(str(error))
            code = 1
        except OSError as error:
            say(self._unwritable(error))
            code = 1
        finally:
            self.supervisor.stop(programs.STOP_ORDER, programs.GRACE)
            self.data.forget_run()
            self._forget_servers()
        say("Stopped; nothing is left running.")
        return code

    def _forget_servers(self) -> None:
        """Commands typed later find the data, and no server that has ended."""
        if not self.environment:
            return
        kept = environment(self.data)
        try:
            self.data.write(folder.ENVIRONMENT, shared(self.data, kept))
        except OSError as error:
            say(self._unwritable(error))

    def _unwritable(self, error: OSError) -> str:
        place = error.filename or self.data.where
        return (
            f"{place}: {error.strerror or error}. The data folder must be writable and have room; "
            "make some, or name another folder with ETF_VAR."
        )

    def _begin(self) -> None:
        self.environment = environment(self.data)
        if not self.environment.get("REDIS_URL"):
            self._start_valkey()
        self.data.write(folder.ENVIRONMENT, shared(self.data, self.environment))
        self._migrate()
        if programs.is_demo(self.environment):
            self._start_with_demo()
        else:
            # no books of anybody: the market's clock, the timetable and one administrator
            self.supervisor.run_to_end(self._manage("begin", "begin"))
            self._start_programs()
        login = self._login()
        self._await_ready()
        self.login = login
        self._announce()
        self._greet()

    def _start_with_demo(self) -> None:
        # readers of an empty demo have nothing to do, and its writer would wait for them
        seeded = self._is_done("seed", "seeded")
        if not seeded:
            self.supervisor.run_to_end(self._manage("seed", "seed_demo"))
            self.data.mark_done("seed", "seeded")
        self._start_programs()
        if seeded:
            self.supervisor.run_to_end(self._manage("seed", "seed_demo"))

    def _start_valkey(self) -> None:
        password = self.data.secret("valkey_password")
        for _ in range(3):
            port = stores.free_port()
            file = stores.write_configuration(self.data.where / "valkey", port, password)
            command = [stores.server_binary(), str(file)]
            urls = stores.urls(port, password)
            server = Program("valkey", command, dict(os.environ), self.data.where, quiet=True)
            server.start()
            end = time.monotonic() + 10
            while server.pid is not None and time.monotonic() < end:
                if stores.answers(urls["REDIS_URL"]):
                    self.environment |= urls
                    self.supervisor.programs["valkey"] = server
                    return
                time.sleep(0.02)
            # another program took the port between our look and its start
            server.kill()
        raise Failed(f"The embedded Valkey did not start:\n{server.last_lines()}")

    def _is_done(self, step: str, inputs: str) -> bool:
        # another database than our own file may have been made anew behind our back
        ours = not self.environment.get("DATABASE_URL")
        return (
            ours
            and (self.data.where / "etftrader.sqlite3").exists()
            and self.data.is_done(step, inputs)
        )

    def _migrate(self) -> None:
        version = sys.version.split()[0]
        code = folder.digest("requirements.txt", "*/migrations/*.py", "etftrader/core/triggers.py")
        files = folder.digest(
            "requirements.txt", "static/**/*", "*/static/**/*", "etftrader/staticfiles.py"
        )
        steps = {
            "migrate": (f"{version} {code}", ["migrate", "--no-input"]),
            "static": (f"{version} {files}", ["collectstatic", "--no-input", "--clear"]),
        }
        if self._is_done("migrate", steps["migrate"][0]):
            del steps["migrate"]
        static = self.data.where / "static" / "staticfiles.json"
        if static.exists() and self.data.is_done("static", steps["static"][0]):
            del steps["static"]
        if not steps:
            return
        say("Preparing the database and the pages ...")
        self.supervisor.run_to_end(*[self._manage(name, *step[1]) for name, step in steps.items()])
        for name, (inputs, _) in steps.items():
            self.data.mark_done(name, inputs)

    def _manage(self, name: str, *words: str) -> Program:
        command = [sys.executable, "manage.py", *words]
        waits_long = self.environment | {"ETF_PROCESS": "worker"}
        return Program(name, command, waits_long, ROOT)

    def _start_programs(self) -> None:
        self.port = self._free_web_port(self.port)
        quotes = programs.has_quotes(self.environment)
        for name, arguments in programs.commands(HOST, self.port, quotes=quotes).items():
            own = self.environment | {"ETF_PROCESS": name}
            self.supervisor.start(Program(name, [sys.executable, *arguments], own, ROOT))

    def _free_web_port(self, wanted: int) -> int:
        for port in range(wanted, min(wanted + PORTS_TRIED, 65536)):
            if self._reserve(port):
                if port != wanted:
                    say(f"Port {wanted} is busy; using {port}.")
                return port
        raise Failed(f"No free port from {wanted} on; name another: ARGS='--port N'.")

    def _reserve(self, port: int) -> bool:
        """Take the port's name against other starts, then look whether anybody listens."""
        self._reserved = socket.socket(socket.AF_UNIX) if sys.platform == "linux" else None
        try:
            if self._reserved is not None:
                # an abstract name: it leaves no file and goes with this process
                self._reserved.bind(f"\0etftrader-web-{port}")
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
                probe.listen(1)
        except OSError:
            if self._reserved is not None:
                self._reserved.close()
            return False
        return True

    def _login(self) -> dict[str, Any]:
        name = "demo_login" if programs.is_demo(self.environment) else "first_login"
        command = [sys.executable, "manage.py", name, "--format", "json", "--name", "launcher"]
        own = self.environment | {"ETF_PROCESS": "worker"}
        with subprocess.Popen(
            command,
            env=own,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as step:
            try:
                while step.poll() is None:
                    self.supervisor.pause(0.05)
                    self.supervisor.watch()
            except BaseException:
                step.kill()
                raise
            answer, complaint = step.communicate()
        if step.returncode:
            raise Failed(f"The users could not be prepared:\n{complaint[-2000:]}")
        document: dict[str, Any] = json.loads(answer.strip().splitlines()[-1])
        return document

    def _await_ready(self) -> None:
        end = time.monotonic() + READY_WITHIN
        while time.monotonic() < end:
            web = self.supervisor.programs["web"]
            if web.pid is not None and self._is_ready() and web.pid is not None:
                return
            self.supervisor.pause(0.1)
            self.supervisor.watch()
        raise Failed(
            f"The pages did not answer within {READY_WITHIN:.0f} s; the last lines of web:\n"
            + self.supervisor.programs["web"].last_lines()
        )

    def _is_ready(self) -> bool:
        line = http.client.HTTPConnection(HOST, self.port, timeout=2)
        try:
            line.request("GET", "/health/ready", headers={"Host": f"localhost:{self.port}"})
            return line.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            line.close()

    @property
    def url(self) -> str:
        """The address of the pages."""
        return f"http://{HOST}:{self.port}/"

    def _announce(self) -> None:
        if self.login is None:
            return
        pids = {name: program.pid for name, program in self.supervisor.programs.items()}
        document = {"url": self.url, "users": self.login["users"], "token": self.login["token"]}
        try:
            self.data.announce_run(document | {"pids": pids})
        except OSError as error:
            # what runs goes on; only run.json is behind
            say(self._unwritable(error))

    def _greet(self) -> None:
        assert self.login is not None
        say("")
        say(f"ETFTrader is ready at {self.url}")
        for user in self.login["users"]:
            password = f"  password {user['password']}" if user["password"] else ""
            say(f"  sign in as {user['username']}{password}")
        say("  Ctrl-C stops everything.")
        say("")


def make_was_interrupted() -> Any:
    """
    Watch a parent `make` that got SIGINT alone.

    On Ctrl-C the terminal tells both of us. A SIGINT sent to make only is not passed on: make
    gives the signal back to its default handling and waits for us for ever. That is visible.
    """
    status = Path(f"/proc/{os.getppid()}/status")

    def catches() -> bool | None:
        try:
            fields = dict(
                line.split(":\t", 1) for line in status.read_text().splitlines() if ":\t" in line
            )
        except OSError:
            return None
        if fields.get("Name", "").strip() not in ("make", "gmake"):
            return None
        return bool(int(fields["SigCgt"], 16) & 2)

    if catches() is not True:
        return lambda: False
    return lambda: catches() is False
