"""The product and its people in a browser, shared by all journeys of one run."""

import json
import os
from pathlib import Path

import pytest

from etftrader.testing import browser
from etftrader.testing.browser import Person


@pytest.fixture(scope="session")
def product(tmp_path_factory):
    """The content of run.json; ETF_BROWSER_RUN names that of a server which already runs."""
    if running := os.environ.get("ETF_BROWSER_RUN"):
        yield json.loads(Path(running).read_text())
        return
    with browser.running(tmp_path_factory.mktemp("product"), {"REPLAY_BAR_SECONDS": "2"}) as run:
        yield run


@pytest.fixture(scope="session")
def chromium(product):
    with browser.chromium() as started:
        yield started


@pytest.fixture(scope="session")
def growth(chromium, product):
    return Person(chromium, product, "demo_growth")


@pytest.fixture(scope="session")
def balanced(chromium, product):
    return Person(chromium, product, "demo_balanced")


@pytest.fixture(scope="session")
def value(chromium, product):
    return Person(chromium, product, "demo_value")
