"""T-22: sockets of a real server: who may enter, what they hear, and when they lose it.

Seeded faults it must catch: no origin check, group joined without check, no re-check while open.
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import Group
from django.test import Client
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from etftrader.core import clock, push
from etftrader.core.actor import Actor
from etftrader.deploy import stores
from etftrader.deploy.programs import commands
from etftrader.testing import services
from portfolios.models import ApiToken, Membership, Portfolio, User
from portfolios.services import accounts, memberships, signing, tokens
from portfolios.tests import factories

pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a-long-Secret-9"
CLOSED_WITHIN = 5.5  # the promise is five seconds; the rest is this machine's
PAST = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass
class Server:
    """A real web process on a free port."""

    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(
        self, *, origin: str | None = None, cookie: str = "", path: str = "/ws/stream"
    ) -> ClientConnection:
        headers = {"Cookie": f"{settings.SESSION_COOKIE_NAME}={cookie}"} if cookie else {}
        return connect(
            f"ws://127.0.0.1:{self.port}{path}", origin=origin, additional_headers=headers
        )


@pytest.fixture(scope="module")
def server(django_db_setup: None) -> Iterator[Server]:
    """One process for all tests here; their rows and live records come and go under it."""
    port = stores.free_port()
    process = subprocess.Popen(
        [sys.executable, *commands("127.0.0.1", port)["web"]],
        env=services.child_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _until_it_listens(port, process)
        yield Server(port)
    finally:
        process.kill()
        process.wait()


def _until_it_listens(port: int, process: Any) -> None:
    import socket

    for _ in range(300):
        assert process.poll() is None
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return
        time.sleep(0.1)
    raise AssertionError("the web process never listened")


# --- the people ---------------------------------------------------------------------------------


@dataclass
class Person:
    """One actor: how it shows who it is, and what it may hear of the book."""

    user: User | None = None
    cookie: str = ""
    token: str = ""
    may_enter: bool = True
    may_hear: bool = False


@dataclass
class Cast:
    """Everybody around one book."""

    book: Portfolio
    other: Portfolio
    people: dict[str, Person] = field(default_factory=dict)


def browser(user: User) -> Client:
    """Signed in by the page, as people are."""
    client = Client()
    answer = client.post("/login/", {"username": user.email, "password": PASSWORD})
    assert answer.status_code == 302, answer.content
    return client


def cookie_of(client: Client) -> str:
    return client.cookies[settings.SESSION_COOKIE_NAME].value


def token_of(user: User, *scopes: str) -> tuple[ApiToken, str]:
    by = Actor.of_user(user)
    return tokens.create_personal(user=user, name="t", scopes=scopes or ["read"], by=by)


def member(book: Portfolio, name: str, role: str = "", **fields: Any) -> User:
    user = factories.make_user(f"{name}@example.com", **fields)
    if role:
        Membership.objects.create(portfolio=book, user=user, role=role)
    return user


@pytest.fixture
def cast(settings: Any) -> Cast:
    settings.RATE_LIMITS = dict.fromkeys(settings.RATE_LIMITS, (1_000_000, 1))
    owner = factories.make_user()
    made = Cast(
        factories.make_portfolio(owner=owner),
        factories.make_portfolio(owner=factories.make_user("other@example.com")),
    )
    made.people = _insiders(made, owner) | _outsiders(made, owner)
    return made


def _insiders(made: Cast, owner: User) -> dict[str, Person]:
    staff = member(made.book, "staff", is_staff=True)
    staff.groups.set(Group.objects.filter(name="Operator"))
    people = {
        "owner": owner,
        "editor": member(made.book, "editor", "editor"),
        "viewer": member(made.book, "viewer", "viewer"),
        "staff": staff,
        "superuser": member(made.book, "root", is_staff=True, is_superuser=True),
    }
    found = {
        name: Person(user, cookie_of(browser(user)), token_of(user)[1], may_hear=True)
        for name, user in people.items()
    }
    pair = tokens.issue(user=owner)
    found["read token"] = Person(owner, token=token_of(owner, "read")[1], may_hear=True)
    found["access token"] = Person(owner, token=pair.access, may_hear=True)
    return found


def _outsiders(made: Cast, owner: User) -> dict[str, Person]:
    def person(name: str, **fields: Any) -> Person:
        user = member(made.book, name, **fields)
        return Person(user, cookie_of(browser(user)), token_of(user)[1])

    found = {name: person(name) for name in ("stranger", "revoked", "foreign operator")}
    Membership.objects.create(
        portfolio=made.book, user=found["revoked"].user, role="owner", revoked_at=PAST
    )
    operators = Group.objects.get(name="Operator")
    found["foreign operator"].user.groups.set([operators])
    for name in ("inactive", "changed password", "signed out everywhere"):
        found[name] = person(name.replace(" ", "-"))
        Membership.objects.create(portfolio=made.book, user=found[name].user, role="owner")
        found[name].may_enter = False
    gone = found["inactive"].user
    accounts.deactivate(user_id=gone.pk, reason="left", by=Actor.of_user(gone))
    # personal tokens outlive these two; their browsers do not
    changed, everywhere = found["changed password"], found["signed out everywhere"]
    accounts.change_password(
        user=changed.user, old=PASSWORD, new="another-Secret-12", by=Actor.of_user(changed.user)
    )
    accounts.end_everywhere(user_id=everywhere.user.pk, by=Actor.of_user(everywhere.user))
    changed.token = everywhere.token = tokens.PREFIX + "of-nobody"
    found |= _spoilt(owner)
    return found


def _spoilt(owner: User) -> dict[str, Person]:
    """The owner with something that does not count any more."""
    away = browser(owner)
    cookie = cookie_of(away)
    assert away.post("/logout/").status_code == 302
    ended = browser(owner)
    tokens.end_sign_in(user_id=owner.pk, family_id=ended.session["fam"])
    (revoked, revoked_text), (expired, expired_text) = token_of(owner), token_of(owner)
    ApiToken.objects.filter(pk=revoked.pk).update(revoked_at=PAST)
    ApiToken.objects.filter(pk=expired.pk).update(expires_at=PAST)
    old = signing.Access(tokens.issue(user=owner).access)
    old.set_exp(from_time=PAST)
    pair = tokens.issue(user=owner)
    return {
        "anonymous": Person(may_enter=False),
        "signed out": Person(owner, cookie=cookie, may_enter=False),
        "sign-in ended elsewhere": Person(owner, cookie=cookie_of(ended), may_enter=False),
        "revoked token": Person(owner, token=revoked_text, may_enter=False),
        "expired token": Person(owner, token=expired_text, may_enter=False),
        "expired access token": Person(owner, token=str(old), may_enter=False),
        "refresh token": Person(owner, token=pair.refresh, may_enter=False),
    }


# --- talking ------------------------------------------------------------------------------------


def until(ws: ClientConnection, wanted: Callable[[Any], bool], within: float = 8.0) -> Any:
    """The first message for which `wanted` holds."""
    deadline = time.monotonic() + within
    seen = []
    while time.monotonic() < deadline:
        with contextlib.suppress(TimeoutError):
            message = json.loads(ws.recv(timeout=max(0.05, deadline - time.monotonic())))
            seen.append(message)
            if wanted(message):
                return message
    raise AssertionError(f"not heard; heard {seen}")


def closing_code(ws: ClientConnection, within: float = CLOSED_WITHIN) -> int:
    """The code it is closed with, and nothing but greetings before."""
    with pytest.raises(ConnectionClosed) as closed:
        until(ws, lambda m: m["type"] in ("snapshot", "update", "subscribed"), within)
    assert closed.value.rcvd is not None
    return closed.value.rcvd.code


def tell(ws: ClientConnection, **message: Any) -> None:
    ws.send(json.dumps(message))


def subscribe(ws: ClientConnection, *channels: str) -> Any:
    tell(ws, type="subscribe", id="1", channels=list(channels))
    return until(ws, lambda m: m["type"] == "subscribed")


def say(channel: str, **data: str) -> None:
    assert push.send_now(channel, "risk.updated", data)


def enter(server: Server, person: Person, stack: contextlib.ExitStack, by: str) -> Any:
    """An open socket of somebody who may, by browser or by program."""
    origin = server.origin if by == "cookie" else None
    ws = stack.enter_context(
        server.open(origin=origin, cookie=person.cookie if by == "cookie" else "")
    )
    if by == "token":
        tell(ws, type="auth", token=person.token)
    until(ws, lambda m: m["type"] == "authenticated")
    return ws


# --- who may enter ------------------------------------------------------------------------------

FOREIGN = (
    "https://evil.example",
    "null",
    "file://",
    "http://127.0.0.1.evil.example",
    "http://127.0.0.1",
    "https://127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://evil.example:{port}",
    "http://x@127.0.0.1:{port}",
)
# what nobody may say before saying who it is, and the code it is answered with
FIRST_WORDS: list[tuple[Any, int]] = [
    ({"type": "subscribe", "channels": ["market"]}, 4401),
    ({"type": "subscribe", "symbols": ["SPY"]}, 4401),
    ({"type": "update", "channels": ["market"]}, 4401),
    ({"type": "unsubscribe", "channels": ["market"]}, 4401),
    ({"type": "resync", "channel": "market", "since": 0}, 4401),
    ({"type": "resync", "channel": "market"}, 4401),
    ({"type": "nonsense"}, 4401),
    ({"type": "auth", "token": "etf_nobody"}, 4401),
    ({"type": "auth", "token": ["etf_nobody"]}, 4401),
    ({"type": "auth"}, 4401),
    ({"type": 7}, 4400),
    ({}, 4400),
    ([], 4400),
    ("no json", 4400),
    (b"\x00\xff", 4400),
]


def test_a_foreign_origin_is_turned_away_whoever_it_is(server: Server, cast: Cast) -> None:
    for each in FOREIGN:
        origin = each.format(port=server.port)
        for name, person in cast.people.items():
            with (
                pytest.raises(InvalidStatus) as refusal,
                server.open(origin=origin, cookie=person.cookie),
            ):
                pass
            assert refusal.value.response.status_code == 403, (origin, name)


@pytest.mark.parametrize("path", ["/ws/stream", "/ws/quotes", "/ws/alerts", "/ws/portfolios/{}"])
def test_who_may_not_enter_gets_nothing_on_any_path(server: Server, cast: Cast, path: str) -> None:
    where = path.format(cast.book.pk)
    tried = 0
    for name, person in cast.people.items():
        # a cookie without our origin is a program's, and a program has to say who it is
        for origin in (server.origin, None):
            if person.may_enter and origin:
                continue
            with server.open(origin=origin, cookie=person.cookie, path=where) as ws:
                if person.may_enter:
                    tell(ws, type="subscribe", channels=["market"])
                else:
                    _show(ws, person)
                assert closing_code(ws) == 4401, (name, origin)
                tried += 1
    assert tried >= 20


def _show(ws: ClientConnection, person: Person) -> None:
    """Everything this actor has, and then a wish."""
    with contextlib.suppress(ConnectionClosed):
        if person.token:
            tell(ws, type="auth", token=person.token)
        tell(ws, type="subscribe", channels=["market"])


@pytest.mark.parametrize(("words", "code"), FIRST_WORDS, ids=lambda each: str(each)[:40])
def test_before_it_is_known_who_asks_nothing_is_answered(
    server: Server, db: None, words: Any, code: int
) -> None:
    for origin in (server.origin, None):
        with server.open(origin=origin) as ws:
            until(ws, lambda m: m["type"] == "welcome")
            tell(ws, type="ping", id="p")
            assert until(ws, lambda m: m["type"] == "pong")["id"] == "p"
            ws.send(words if isinstance(words, str | bytes) else json.dumps(words))
            assert closing_code(ws) == code


def test_a_ticket_opens_one_socket(server: Server, cast: Cast) -> None:
    ticket = tokens.make_ticket(user_id=cast.people["viewer"].user.pk)
    path = f"/ws/stream?ticket={ticket}"
    with server.open(path=path) as ws:
        until(ws, lambda m: m["type"] == "authenticated")
    for again in (path, "/ws/stream?ticket=invented"):
        with server.open(path=again) as ws:
            assert closing_code(ws) == 4401


# --- what they hear -----------------------------------------------------------------------------


def test_everybody_hears_what_is_theirs_and_nothing_else(server: Server, cast: Cast) -> None:
    kinds = ("value", "risk", "limits", "orders", "alerts")
    mine = [f"portfolio.{cast.book.pk}.{kind}" for kind in kinds]
    foreign = [f"portfolio.{cast.other.pk}.{kind}" for kind in kinds]
    owner = cast.people["owner"].user
    nobody = ["portfolio.nonsense.risk", f"{mine[0]}.more", "user.1.jobs", "push:hints"]
    sees_all = {"staff", "superuser"}
    with contextlib.ExitStack() as stack:
        open_now = []
        for name, person in cast.people.items():
            for by in ("cookie", "token"):
                if not person.may_enter or not getattr(person, by):
                    continue
                ws = enter(server, person, stack, by)
                answer = subscribe(ws, *mine, *foreign, *nobody, f"user.{owner.pk}.jobs")
                wanted = {*(mine if person.may_hear else ())}
                wanted |= {*(foreign if name in sees_all else ())}
                wanted |= {f"user.{owner.pk}.jobs"} if person.user == owner else set()
                assert set(answer["channels"]) == wanted, (name, by)
                # a foreign channel and one that does not exist are refused in the same words
                assert {each["code"] for each in answer["rejected"]} == {"not_found"}
                tell(ws, type="resync", id="2", channel=foreign[1], since=0)
                if name not in sees_all:
                    error = until(ws, lambda m: m["type"] == "error")
                    assert error["code"] == "not_subscribed", (name, by)
                open_now.append((name, by, person, ws))
        say(foreign[1], var="1.00")
        say(mine[1], var="2.00")
        for name, by, person, ws in open_now:
            if person.may_hear:
                heard = until(ws, lambda m: m["type"] == "update" and m["channel"] == mine[1])
                assert heard["data"] == {"var": "2.00"}, (name, by)
        for name, by, _, ws in open_now:
            if name not in sees_all:
                assert not _updates(ws), (name, by)
    assert len(open_now) >= 12


def _updates(ws: ClientConnection) -> list[Any]:
    """Updates that still come."""
    heard = []
    with contextlib.suppress(TimeoutError):
        while True:
            heard.append(json.loads(ws.recv(timeout=0.1)))
    return [each for each in heard if each["type"] == "update"]


# --- when they lose it --------------------------------------------------------------------------


def _sign_out(client: Client) -> Callable[[], Any]:
    return lambda: client.post("/logout/")


def test_whoever_loses_the_right_is_closed_within_five_seconds(server: Server, cast: Cast) -> None:
    """Six people lose it at the same time, each in another way; the owner stays."""
    people = {name: member(cast.book, f"p{name}", "viewer") for name in "abcdefgh"}
    leaves, ends = browser(people["a"]), browser(people["b"])
    (revoked, revoked_text), (expired, expired_text) = token_of(people["f"]), token_of(people["g"])
    pair = tokens.issue(user=people["h"])
    family = tokens.of_access(token=pair.access).family_id
    shown = {
        "a": Person(cookie=cookie_of(leaves)),
        "b": Person(cookie=cookie_of(ends)),
        "c": Person(cookie=cookie_of(browser(people["c"]))),
        "d": Person(cookie=cookie_of(browser(people["d"]))),
        "e": Person(cookie=cookie_of(browser(people["e"]))),
        "f": Person(token=revoked_text),
        "g": Person(token=expired_text),
        "h": Person(token=pair.access),
    }
    by = {name: Actor.of_user(user) for name, user in people.items()}
    acts: dict[str, Callable[[], Any]] = {
        "a": _sign_out(leaves),
        "b": lambda: tokens.end_sign_in(user_id=people["b"].pk, family_id=ends.session["fam"]),
        "c": lambda: accounts.change_password(
            user=people["c"], old=PASSWORD, new="another-Secret-12", by=by["c"]
        ),
        "d": lambda: accounts.deactivate(user_id=people["d"].pk, reason="left", by=by["d"]),
        "e": lambda: accounts.end_everywhere(user_id=people["e"].pk, by=by["e"]),
        "f": lambda: tokens.revoke_personal(token_id=revoked.pk, by=by["f"]),
        "g": lambda: ApiToken.objects.filter(pk=expired.pk).update(
            expires_at=clock.now() - timedelta(seconds=1)
        ),
        "h": lambda: tokens.end_sign_in(user_id=people["h"].pk, family_id=family),
    }
    channel = f"portfolio.{cast.book.pk}.risk"
    with contextlib.ExitStack() as stack:
        sockets = {}
        for name, person in shown.items():
            way = "cookie" if person.cookie else "token"
            sockets[name] = enter(server, person, stack, way)
            subscribe(sockets[name], channel)
            until(sockets[name], lambda m: m["type"] == "snapshot")
        stays = enter(server, cast.people["owner"], stack, "cookie")
        subscribe(stays, channel)
        until(stays, lambda m: m["type"] == "snapshot")

        for act in acts.values():
            act()
        done = time.monotonic()
        for name, ws in sockets.items():
            left = CLOSED_WITHIN - (time.monotonic() - done)
            assert closing_code(ws, max(left, 0.1)) == 4401, name

        say(channel, var="4.00")
        assert until(stays, lambda m: m["type"] == "update")["data"] == {"var": "4.00"}


def test_a_token_that_runs_out_closes_its_socket(server: Server, cast: Cast) -> None:
    soon = signing.Access(tokens.issue(user=cast.people["owner"].user).access)
    soon.set_exp(lifetime=timedelta(seconds=2))
    with contextlib.ExitStack() as stack:
        ws = enter(server, Person(token=str(soon)), stack, "token")

        assert closing_code(ws, 2 + CLOSED_WITHIN) == 4401


def test_a_revoked_member_hears_nothing_more_and_stays_connected(
    server: Server, cast: Cast
) -> None:
    viewer = cast.people["viewer"]
    channel = f"portfolio.{cast.book.pk}.risk"
    with contextlib.ExitStack() as stack:
        ws = enter(server, viewer, stack, "cookie")
        subscribe(ws, channel, "market")
        until(ws, lambda m: m["type"] == "snapshot" and m["channel"] == "market")

        memberships.revoke(
            portfolio_id=cast.book.pk,
            member_id=Membership.objects.get(portfolio=cast.book, user=viewer.user).pk,
            by=Actor.of_user(cast.people["owner"].user),
        )
        error = until(ws, lambda m: m["type"] == "error", within=CLOSED_WITHIN)
        say(channel, var="3.00")
        push.send_now("market", "market.updated", {"state": "open"})

        heard = until(ws, lambda m: m["type"] == "update")
        assert heard["channel"] == "market"
        assert not _updates(ws)
    assert (error["code"], error["channel"]) == ("revoked", channel)


def test_one_that_never_says_who_it_is_is_closed_and_an_idle_one_stays(
    server: Server, cast: Cast
) -> None:
    """Twelve seconds without a word: longer than any time-out of a client library."""
    with contextlib.ExitStack() as stack:
        idle = enter(server, cast.people["owner"], stack, "cookie")
        subscribe(idle, "market")
        begun = time.monotonic()
        silent = stack.enter_context(server.open(origin=None))
        assert closing_code(silent, 9) == 4408
        assert 4 <= time.monotonic() - begun <= 7
        time.sleep(max(0.0, begun + 12 - time.monotonic()))

        push.send_now("market", "market.updated", {"state": "open"})
        update = until(idle, lambda m: m["type"] == "update" and m["channel"] == "market")

    assert update["data"]["state"] == "open"


def test_a_flood_of_messages_closes_the_socket(server: Server, cast: Cast) -> None:
    with contextlib.ExitStack() as stack:
        ws = enter(server, cast.people["owner"], stack, "cookie")
        begun = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            for _ in range(60):
                ws.send('{"type":"ping"}')

        assert closing_code(ws) == 4429
        assert time.monotonic() - begun <= 2
