"""Whoever may only read walks every page: no control is offered that would be refused."""

from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from etftrader.testing import matrix
from etftrader.tests import test_pages_roof
from marketdata.models import Instrument
from marketdata.selectors import calendar, sessions
from portfolios.models import Membership, User
from risk.models import Alert
from risk.services import monitor
from trading.models import Order
from trading.tests import world

pytestmark = pytest.mark.django_db
stage = test_pages_roof.stage
# signing out ends the walk; the reference and the admin are programs of their own
ELSEWHERE = ("/logout/", "/api/", "/admin/", "/static/", "/ws/")
OF_A_BOOK = {"", "positions/", "trade/", "orders/", "trades/", "risk/", "risk/limits/", "greeks/",
             "cash/", "sharing/"}  # fmt: skip
MOST_PAGES = 120
READERS = ("viewer", "viewer, group Viewer", "owner, group Viewer", "editor", "auditor")


class Page(HTMLParser):
    """Links and forms of a page, each form with what a browser would send."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__()
        self.path, self.links, self.forms = path, set(), []  # type: ignore[var-annotated]
        self.open: dict[str, Any] | None = None
        self.choice: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in known:
            self.links.add(urldefrag(urljoin(self.path, known["href"]))[0])
        for name in ("hx-post", "hx-put", "hx-patch", "hx-delete", "formaction"):
            if name in known:
                address = urljoin(self.path, known[name])
                method = name[3:] if name != "formaction" else "post"
                self.forms.append({"address": address, "method": method, "sent": {}})
        if tag == "form":
            address = urljoin(self.path, known.get("action") or self.path)
            method = known.get("method", "get")
            self.open = {"address": address, "method": method, "sent": {}}
            self.forms.append(self.open)
        if self.open is not None:
            self._field(tag, known)

    def _field(self, tag: str, known: dict[str, str]) -> None:
        sent, name = self.open["sent"], known.get("name", "")  # type: ignore[index]
        if tag == "select":
            self.choice = name
        elif tag == "option" and self.choice:
            if "selected" in known or self.choice not in sent:
                sent[self.choice] = known.get("value", "")
        elif name and tag in ("input", "textarea", "button"):
            unset = known.get("type") in ("checkbox", "radio") and "checked" not in known
            if not unset:
                sent[name] = known.get("value", "") or "1"

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self.choice = None
        if tag == "form":
            self.open = None


def reader(stage: SimpleNamespace, name: str) -> Client:
    user = world.make_user("reader@example.com")
    if name == "auditor":
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.groups.set(Group.objects.filter(name="Auditor"))
    else:
        role = name.partition(",")[0]
        Membership.objects.create(portfolio=stage.book, user=user, role=role)
    if name.endswith("group Viewer"):
        user.groups.set(Group.objects.filter(name="Viewer"))
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def busy(stage: SimpleNamespace) -> None:
    """Something of everything that has controls: a waiting order, an alert, a rail with figures."""
    moment = calendar.close_time(world.YESTERDAY)
    Order.objects.create(
        portfolio=stage.book,
        instrument=Instrument.objects.get(symbol="AAA"),
        client_order_id="waits",
        side="buy",
        quantity=1,
        state="accepted",
        placed_as_of=moment,
        session_date=world.YESTERDAY,
    )
    Alert.objects.create(
        portfolio=stage.book,
        kind="limit",
        key="a",
        severity="warning",
        title="A",
        session_date=world.YESTERDAY,
        first_seen=moment,
        last_seen=moment,
        number=1,
    )
    monitor.revalue_one(portfolio_id=stage.book.pk, moment=sessions.moment())


def walk(client: Client, start: str) -> dict[str, Page]:
    """Every page that can be reached by links, each address once without its query."""
    waiting, seen = [start], {}  # type: ignore[var-annotated]
    refused = []
    while waiting and len(seen) < MOST_PAGES:
        path = waiting.pop(0)
        bare = urlsplit(path).path
        if bare in seen or not path.startswith("/") or bare.startswith(ELSEWHERE):
            continue
        with matrix.undone():
            answer = client.get(path, follow=True)
        if answer.status_code >= 400:
            refused.append(f"{path}: {answer.status_code}")
        html = answer.get("Content-Type", "").startswith("text/html")
        seen[bare] = Page(path, answer.content.decode() if html else "")
        waiting += sorted(seen[bare].links)
    assert not refused, refused
    return seen


@pytest.mark.parametrize("name", READERS)
def test_who_reads_finds_no_control_that_would_be_refused(
    stage: SimpleNamespace, name: str
) -> None:
    busy(stage)
    client = reader(stage, name)
    pages = walk(client, "/")
    book = f"/portfolios/{stage.book.pk}/"
    assert {book + tail for tail in OF_A_BOOK} <= set(pages)
    assert f"{book}settings/" not in pages
    wrong, asked = [], 0
    for path, page in pages.items():
        for form in page.forms:
            if form["method"] in ("get", "dialog") or form["address"].startswith(ELSEWHERE):
                continue
            with matrix.undone():
                send = getattr(client, form["method"])
                status = send(form["address"], form["sent"]).status_code
            asked += 1
            if status in (401, 403, 404) or status >= 500:
                wrong.append(f"{path}: {form['method']} {form['address']} answers {status}")
    assert not wrong, "\n".join(sorted(set(wrong)))
    assert asked >= 5


def test_the_walk_notices_a_control_that_is_refused(stage: SimpleNamespace) -> None:
    """The owner's own pages have such controls: sent by a viewer, some are refused."""
    busy(stage)
    owner = Client()
    owner.force_login(stage.owner)
    viewer = reader(stage, "viewer")
    book = f"/portfolios/{stage.book.pk}/"
    found = Page(f"{book}cash/", owner.get(f"{book}cash/").content.decode())
    sent = [each for each in found.forms if each["address"] == found.path]
    assert [viewer.post(each["address"], each["sent"]).status_code for each in sent][:1] == [403]
