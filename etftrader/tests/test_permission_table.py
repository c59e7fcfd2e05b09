"""The table of permissions, row by row and actor by actor, asked through the API.

What stands here is written out, not read from the product: `yes` is an answer of the 200s.
"""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from etftrader.core.actor import Actor
from etftrader.core.records import AuditEvent, JobRun
from etftrader.testing import matrix
from portfolios.constants import Action
from portfolios.models import Membership, User
from portfolios.selectors import access, permissions
from portfolios.services import tokens
from risk.models import Alert
from trading.tests import world

pytestmark = pytest.mark.django_db
FILE = "ticker,quantity,entry_price,entry_date\nBBB,10,50,2016-06-22\n"
BUY = {"symbol": "AAA", "side": "buy", "quantity": "1"}
LIMIT = {"measure": "gross", "value": "2", "reason": "a tighter book"}
PARTS: dict[str, tuple[str, bool]] = {
    "owner": ("owner", True),
    "owner, group Viewer": ("owner", True),
    "editor who may trade": ("editor", True),
    "editor": ("editor", False),
    "viewer": ("viewer", False),
}
STAFF = ("Risk manager", "Operator", "Admin", "Auditor")
ACTORS = (*PARTS, *STAFF, "stranger")
P = "/api/v1/portfolios/{portfolio}"
SEE = {name: "yes" for name in ACTORS} | {"stranger": 404}


def only(*allowed: str) -> dict[str, Any]:
    """Those may; other members and staff are told no, a stranger finds nothing."""
    return {name: "yes" if name in allowed else 403 for name in ACTORS} | {"stranger": 404}


EDITORS = ("owner", "editor who may trade", "editor")
TRADERS = ("owner", "editor who may trade")
MEMBERS = tuple(PARTS)
# row of the table: method, address, body, who may
TABLE: dict[str, tuple[str, str, Any, dict[str, Any]]] = {
    "see the portfolio": ("get", f"{P}/summary", None, SEE),
    "see positions": ("get", f"{P}/positions", None, SEE),
    "see risk": ("get", f"{P}/risk/limits", None, SEE),
    "see what each role can do": ("get", f"{P}/permissions", None, SEE),
    "see members": ("get", f"{P}/members", None, only("owner", "owner, group Viewer", *STAFF)),
    "note": ("post", "/api/v1/alerts/{alert}/acknowledge", {"note": "seen"}, only(*EDITORS)),
    "trade": ("post", f"{P}/orders", BUY, only(*TRADERS)),
    "move cash": ("post", f"{P}/cash", {"type": "deposit", "amount": "5"}, only(*TRADERS)),
    "import": ("post", f"{P}/imports", {"content": FILE}, only(*TRADERS)),
    "limits": ("post", f"{P}/risk/limits", LIMIT, only("owner", "Risk manager")),
    "settings": ("patch", P, {"name": "Other"}, only("owner")),
    "close": ("delete", P, {}, only("owner")),
    "share": (
        "post",
        f"{P}/invitations",
        {"email": "new@example.com", "role": "viewer"},
        only("owner"),
    ),
    "change a part": ("patch", f"{P}/members/{{member}}", {"role": "editor"}, only("owner")),
    "revoke": ("delete", f"{P}/members/{{member}}", {"reason": "gone"}, only("owner", "Admin")),
    "batch": (
        "post",
        "/api/v1/admin/batch/snapshots",
        {"portfolio_id": "{portfolio}"},
        only("owner", "Operator", "Admin"),
    ),
    "data refresh of everything": (
        "post",
        "/api/v1/admin/batch/snapshots",
        {},
        only("Operator", "Admin") | {"stranger": 403},
    ),
    "halt": (
        "post",
        f"{P}/halt",
        {"reason": "a look"},
        only("owner", "Risk manager", "Admin"),
    ),
}


@pytest.fixture
def stage(settings: Any) -> SimpleNamespace:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    world.make_market()
    book = world.make_portfolio()
    world.lift_var_limit(book)
    owner = book.account.customer.user
    people = {"owner": owner, "stranger": world.make_user("stranger@example.com")}
    for number, (name, (role, can_trade)) in enumerate(PARTS.items()):
        if name == "owner":
            continue
        people[name] = world.make_user(f"member{number}@example.com")
        Membership.objects.create(portfolio=book, user=people[name], role=role, can_trade=can_trade)
    people["owner, group Viewer"].groups.set(Group.objects.filter(name="Viewer"))
    for number, name in enumerate(STAFF):
        user = world.make_user(f"staff{number}@example.com")
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.groups.set(Group.objects.filter(name=name))
        assert user.groups.count() == 1, f"no migration makes the group {name}"
        people[name] = User.objects.get(pk=user.pk)
    moment = datetime(2016, 6, 22, 20, tzinfo=UTC)
    alert = Alert.objects.create(
        portfolio=book,
        kind="limit",
        key="a",
        severity="warning",
        title="A",
        session_date=moment.date(),
        first_seen=moment,
        last_seen=moment,
        number=1,
    )
    known = {
        "portfolio": book.pk,
        "alert": alert.pk,
        "member": Membership.objects.get(portfolio=book, user=people["viewer"]).pk,
    }
    return SimpleNamespace(
        book=book,
        people=people,
        known=known,
        headers={name: header(user) for name, user in people.items()},
    )


def header(user: User) -> dict[str, str]:
    row = tokens.create_personal(
        user=user, name="t", scopes=["read", "trade", "admin"], by=Actor.of_user(user)
    )
    return {"HTTP_AUTHORIZATION": f"Token {row[1]}"}


def ask(stage: SimpleNamespace, actor: str, row: str) -> Any:
    method, address, body, _ = TABLE[row]
    path = address.format(**stage.known)
    if isinstance(body, dict):
        body = {
            name: value.format(**stage.known) if name == "portfolio_id" else value
            for name, value in body.items()
        }
    more = stage.headers[actor] | ({"HTTP_IF_MATCH": "*"} if method in ("patch", "delete") else {})
    given = {} if method == "get" else {"data": body, "content_type": "application/json"}
    return getattr(Client(raise_request_exception=False), method)(path, **given, **more)


@pytest.mark.parametrize("row", TABLE)
def test_a_row_of_the_table_holds_for_every_actor(stage: SimpleNamespace, row: str) -> None:
    wrong = []
    for actor in ACTORS:
        expected = TABLE[row][3][actor]
        with matrix.undone():
            answer = ask(stage, actor, row)
        fits = answer.status_code in ((200, 201, 202, 204) if expected == "yes" else (expected,))
        if not fits:
            wrong.append(f"{actor}: {answer.status_code}, not {expected}: {answer.content[:150]!r}")
    assert not wrong, "\n".join(wrong)


def test_an_owner_takes_a_snapshot_again_once_in_five_minutes(stage: SimpleNamespace) -> None:
    path = f"/api/v1/portfolios/{stage.book.pk}/snapshots"

    def take(actor: str) -> Any:
        return Client().post(path, {}, "application/json", **stage.headers[actor])

    first = take("owner").json()["id"]
    assert take("owner").json()["id"] == first  # while it is open it is the same wish
    JobRun.objects.filter(pk=first).update(status="succeeded")
    again = take("owner")
    assert (again.status_code, again.json()["code"]) == (409, "asked_recently")
    assert take("Operator").status_code == 202


@pytest.mark.parametrize("actor", STAFF)
def test_staff_who_look_leave_a_line(stage: SimpleNamespace, actor: str) -> None:
    ask(stage, actor, "see positions")
    line = AuditEvent.objects.get(action="staff.read")
    assert (line.actor_id, line.chain) == (stage.people[actor].pk, str(stage.book.pk))


def test_an_owner_asks_for_a_batch_once_in_five_minutes(stage: SimpleNamespace) -> None:
    assert ask(stage, "owner", "batch").status_code == 202
    again = ask(stage, "owner", "batch")
    assert (again.status_code, again.json()["code"]) == (409, "asked_recently")
    assert ask(stage, "Operator", "batch").status_code == 202
    assert ask(stage, "Operator", "batch").status_code == 202


def test_the_page_s_table_says_what_the_doors_do(stage: SimpleNamespace) -> None:
    """Every word of the shown table against the door, for every action there is."""
    told = {line.action: line for line in permissions.table()}
    assert set(told) == set(Action)
    for action, line in told.items():
        for column, actor, trading in (
            ("owner", "owner", ""),
            ("editor", "editor who may trade", "editor"),
            ("viewer", "viewer", ""),
        ):
            may = access.may(Actor.of_user(stage.people[actor]), stage.book, action)
            word = getattr(line, column)
            # the door lets an owner ask to leave; the answer is to hand over first
            assert may == (word != "no") or (action, column) == (Action.LEAVE, "owner")
            if word == "if allowed to trade":
                other = Actor.of_user(stage.people[trading])
                assert not access.may(other, stage.book, action)
        named = {
            name
            for name in STAFF
            if access.may(Actor.of_user(stage.people[name]), stage.book, action)
        }
        shown = set(STAFF) if line.staff == "yes, audited" else {*line.staff.split(", ")} - {"no"}
        assert named == shown, action
