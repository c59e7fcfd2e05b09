"""Smoke of `make run` in a copy of the product: ready, log in, a pushed message, a trade, Ctrl-C.

Usage: python .ci/smoke.py COPY DATA PORT [USER]   (as root, USER is who runs it)
The launcher runs in COPY with the data folder DATA; DATABASE_URL and REDIS_URL are unset.
"""

import json
import os
import pwd
import re
import signal
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path

import requests
from websockets.sync.client import connect

READY_FIRST, READY_LATER, PUSH_WITHIN = 300.0, 60.0, 20.0


def say(text):
    """Write one line."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def check(holds, text):
    """Say what was seen; end the smoke when it does not hold."""
    say(f"  {'ok  ' if holds else 'FAIL'} {text}")
    if not holds:
        raise SystemExit(1)


class Run:
    """One `make run` in a session of its own."""

    def __init__(self, copy, data, port, user):
        self.copy, self.data, self.port = copy, data, port
        keep = {"PATH", "LANG", "TERM"} | {n for n in os.environ if n.startswith(("PIP_", "SSL_"))}
        self.environment = {n: os.environ[n] for n in keep if n in os.environ}
        self.environment |= {"ETF_VAR": str(data), "REPLAY_BAR_SECONDS": "1"}
        self.how = {}
        self.environment["HOME"] = os.environ.get("HOME", "/")
        if user:
            entry = pwd.getpwnam(user)
            self.how = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
            self.environment["HOME"] = str(data.parent)
            self.environment["PATH"] = "/usr/local/bin:/usr/bin:/bin"
        self.log = (data.parent / f"run-{port}.log").open("w+")

    def start(self, within):
        """Start and wait for the ready line."""
        begun = time.monotonic()
        self.process = subprocess.Popen(
            ["make", "run", f"ARGS=--port {self.port}"],
            cwd=self.copy, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True, **self.how,
        )  # fmt: skip
        while "ETFTrader is ready at" not in self.text():
            if self.process.poll() is not None or time.monotonic() - begun > within:
                say(self.text()[-6000:])
                check(False, f"ready within {within:.0f} s")
            time.sleep(0.2)
        check(True, f"ready after {time.monotonic() - begun:.1f} s")
        return json.loads((self.data / "run.json").read_text())

    def text(self):
        """Give everything the run has printed."""
        return Path(self.log.name).read_text(errors="replace")

    def launcher_pid(self):
        """Find the launcher below make."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return int(children.split()[0])

    def interrupt(self):
        """Ctrl-C as the terminal does it, to the launcher; give its exit code through make."""
        os.kill(self.launcher_pid(), signal.SIGINT)
        return self.process.wait(timeout=60)

    def end(self):
        """Leave nothing behind, whatever happened."""
        if self.process.poll() is None:
            try:
                os.kill(self.launcher_pid(), signal.SIGTERM)
                self.process.wait(timeout=60)
            except (OSError, IndexError, subprocess.TimeoutExpired):
                os.killpg(self.process.pid, signal.SIGKILL)


def sign_in(document):
    """Log in through the form as a browser does; give the session."""
    user, browser = document["users"][0], requests.Session()
    page = browser.get(document["url"], timeout=20)
    hidden = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    check(page.status_code == 200 and bool(hidden), f"the sign-in page opens ({page.url})")
    form = {"csrfmiddlewaretoken": hidden[0], "username": user["username"]}
    answer = browser.post(
        page.url, data=form | {"password": user["password"]}, headers={"Referer": page.url},
        timeout=20,
    )  # fmt: skip
    check(answer.ok and answer.url != page.url, f"signed in as {user['username']} ({answer.url})")
    return browser


def call(document, method, path, **how):
    """Ask the API with the personal token."""
    headers = {"Authorization": f"Token {document['token']}"} | how.pop("headers", {})
    url = document["url"].rstrip("/") + "/api/v1" + path
    return requests.request(method, url, headers=headers, timeout=30, **how)


def pushed_message(document, browser, portfolio):
    """Open the socket with cookie and Origin; wait until a message is pushed."""
    base = document["url"].rstrip("/")
    cookies = "; ".join(f"{c.name}={c.value}" for c in browser.cookies)
    channels = ["market", f"portfolio.{portfolio}.value", f"portfolio.{portfolio}.risk"]
    end = time.monotonic() + PUSH_WITHIN
    with connect(
        base.replace("http", "ws", 1) + "/ws/stream",
        origin=base, additional_headers={"Cookie": cookies}, open_timeout=10,
    ) as line:  # fmt: skip
        line.send(json.dumps({"type": "subscribe", "id": "1", "channels": channels}))
        while time.monotonic() < end:
            message = json.loads(line.recv(timeout=max(0.1, end - time.monotonic())))
            if message["type"] == "update":
                return message
    return None


def trade(document, portfolios):
    """Buy one share of SPY in the first portfolio that may."""
    body = {"symbol": "SPY", "side": "buy", "quantity": "1"}
    for portfolio in portfolios:
        key = {"Idempotency-Key": str(uuid.uuid4())}
        path = f"/portfolios/{portfolio['id']}/orders"
        answer = call(document, "POST", path, json=body, headers=key)
        if answer.status_code in (200, 201, 202):
            again = call(document, "POST", path, json=body, headers=key)
            same = again.json().get("id") == answer.json().get("id")
            check(same, "the same key again gives the same order")
            return answer
        say(f"       {portfolio.get('name')}: {answer.status_code} {answer.text[:200]}")
    return None


def left_behind(pids):
    """Name the programs that still run."""
    alive = []
    for name, pid in pids.items():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            alive.append(name)
    return alive


def exposed_files(data):
    """Name what in the data folder others could read."""
    found = []
    for path in [data, *data.rglob("*")]:
        if not path.is_symlink() and stat.S_IMODE(path.stat().st_mode) & 0o077:
            found.append(str(path.relative_to(data)))
    return found


def main():
    """Start, use, stop; then once more, quicker."""
    copy, data, port = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    user = sys.argv[4] if len(sys.argv) > 4 else ""
    say(f"smoke of make run in {str(copy)!r} as {user or 'the current user'}")
    run = Run(copy, data, port, user)
    try:
        document = run.start(READY_FIRST)
        check(set(document) == {"url", "users", "token", "pids"}, "run.json has its four parts")
        check(exposed_files(data) == [], "nothing in the data folder is readable by others")
        browser = sign_in(document)
        answer = call(document, "GET", "/portfolios")
        check(answer.ok, f"the API lists portfolios ({answer.status_code})")
        portfolios = answer.json()["results"]
        check(bool(portfolios), f"{len(portfolios)} portfolios")
        message = pushed_message(document, browser, portfolios[0]["id"])
        check(message is not None, f"a message was pushed: {(message or {}).get('channel')}")
        done = trade(document, portfolios)
        check(done is not None, "one order was taken")
        say(f"       {done.json().get('state')}")
        check(run.interrupt() == 0, "Ctrl-C: exit 0")
        check(left_behind(document["pids"]) == [], "no program is left")
        check(not (data / "run.json").exists(), "run.json is gone")
        run.log.truncate(0)
        document = run.start(READY_LATER)
        check(run.interrupt() == 0, "a later start stops with exit 0 too")
        check(left_behind(document["pids"]) == [], "and leaves no program")
    except BaseException:
        say(run.text()[-6000:])
        raise
    finally:
        run.end()
        run.log.close()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    main()
