"""A running product and people in front of it, for journeys in a real browser."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Response, expect, sync_playwright

from etftrader.testing.services import ROOT

READY_WITHIN, STOP_WITHIN = 180.0, 60.0
# how long a journey waits for what must come: what is right may be slow on a busy machine
SEEN_WITHIN_MS = 30_000
TRIES, TOO_MANY = 3, 429
SWITCHES = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
)
# what the test plugin set for this process; the product chooses its own
OF_THE_PLUGIN = (
    "ETF_TESTING",
    "ETF_EMBEDDED",
    "ETF_TEST_REDIS_OWN",
    "DATABASE_URL",
    "REDIS_URL",
    "BROKER_URL",
    "CACHE_URL",
    "CHANNELS_URL",
    "SECRET_KEY",
    "JWT_SIGNING_KEYS",
    "DEMO_PASSWORD",
    "ALLOWED_HOSTS",
)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port: int = line.getsockname()[1]
        return port


def _wait_for_ready(process: "subprocess.Popen[bytes]", log: Path, where: Path) -> dict[str, Any]:
    end = time.monotonic() + READY_WITHIN
    while "ETFTrader is ready at" not in (text := log.read_text(errors="replace")):
        assert process.poll() is None, f"the launcher ended: {text[-3000:]}"
        assert time.monotonic() < end, f"not ready in {READY_WITHIN:.0f} s: {text[-3000:]}"
        time.sleep(0.2)
    document: dict[str, Any] = json.loads((where / "run.json").read_text())
    return document


@contextmanager
def running(folder: Path, settings: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Start the product as its command does, give the content of its run.json, stop it."""
    log = folder / "launcher.log"
    environment = {name: os.environ[name] for name in os.environ if name not in OF_THE_PLUGIN}
    environment |= {"ETF_VAR": str(folder / "var"), **settings}
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "etftrader/deploy/dev.py", "run", "--port", str(_free_port())],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield _wait_for_ready(process, log, folder / "var")
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=STOP_WITHIN) == 0, log.read_text(errors="replace")[-3000:]
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=STOP_WITHIN)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium without a window; skips where there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("chromium is not installed: nothing to drive the pages with")
    expect.set_options(timeout=SEEN_WITHIN_MS)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=list(SWITCHES))
        yield browser
        browser.close()


class Person:
    """Somebody in front of a browser, and what its console complained about."""

    def __init__(
        self, browser: Browser, product: Mapping[str, Any], name: str, like: "Person | None" = None
    ) -> None:
        """Sign in as the user whose name begins so; `like` lends its sign-in to a second window."""
        self.base: str = product["url"].rstrip("/")
        self.user = next(u for u in product["users"] if u["username"].startswith(name))
        self.complaints: list[str] = []
        context = browser.new_context(
            viewport={"width": 1280, "height": 900},
            storage_state=like.page.context.storage_state() if like else None,
        )
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SEEN_WITHIN_MS)
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        if like is None:
            self._sign_in()

    def _heard(self, message: ConsoleMessage) -> None:
        # a broken content security policy is reported as an error too
        if message.type == "error":
            about = message.location.get("url", "")
            self.complaints.append(f"{self.page.url}: {message.text} {about}")

    def _sign_in(self) -> None:
        # an address may try five times a minute: who comes too soon waits as the page says
        for _ in range(TRIES):
            self.open("/")
            self.page.get_by_label("E-mail").fill(self.user["username"])
            self.page.get_by_label("Password").fill(self.user["password"])
            with self.page.expect_response(lambda answer: answer.request.method == "POST") as sent:
                self.page.get_by_role("button", name="Sign in").click()
            if sent.value.status != TOO_MANY:
                break
            self.complaints.clear()
            self.page.wait_for_timeout(1_000 * (int(sent.value.headers["retry-after"]) + 1))
        self.page.wait_for_url(self.base + "/")

    def open(self, path: str) -> Response | None:
        """Go to a path of the product."""
        return self.page.goto(self.base + path)

    def portfolios(self) -> dict[str, str]:
        """Give the addresses of the portfolios on the dashboard by name."""
        self.open("/")
        found: dict[str, str] = {}
        for link in self.page.locator("main a[href^='/portfolios/']").all():
            address = link.get_attribute("href") or ""
            if re.fullmatch(r"/portfolios/[0-9a-f-]{36}/", address):
                found.setdefault(address, link.inner_text().strip())
        return {name: address for address, name in found.items()}
