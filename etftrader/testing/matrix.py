"""The access matrix of T-20: every registered operation, asked by every kind of actor.

It reads the registry and the URLconf, so that a new endpoint is covered by being declared.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection, reset_queries, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from etftrader.core import clock
from etftrader.core.actor import Actor, system
from etftrader.core.api.registry import METHODS, Op, registered
from portfolios.models import Account, ApiToken, Membership, Portfolio, User
from portfolios.services import accounts, tokens

BY = system("matrix")
ACTORS = (
    "anonymous",
    "owner",
    "owner_group_viewer",
    "editor_trading",
    "editor",
    "viewer",
    "revoked",
    "stranger",
    "inactive",
    "read_token",
    "expired_token",
    "staff",
    "staff_reader",
    "superuser",
)
UNKNOWN = frozenset({"anonymous", "inactive", "expired_token"})
OUTSIDE = frozenset({"revoked", "stranger", "staff"})
_PARAMETER = re.compile(r"<(?:(\w+):)?(\w+)>")


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one canonical address."""

    method: str
    route: str
    op: Op
    view: Any

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """(converter, name) in the order of the path."""
        return [(kind or "str", name) for kind, name in _PARAMETER.findall(self.route)]

    def path(self, known: dict[str, Any]) -> str:
        """The address with known ids, and made-up ones for the rest."""

        def fill(match: re.Match[str]) -> str:
            kind, name = match.groups()
            if name in known:
                return str(known[name])
            return {"uuid": str(uuid.uuid4()), "int": "1"}.get(kind or "str", "SPY")

        return "/" + _PARAMETER.sub(fill, self.route)

    def __str__(self) -> str:
        return f"{self.method.upper()} /{self.route}"


def operations(prefix: str = "api/v1/") -> Iterator[Operation]:
    """Every declared operation, by its canonical address."""
    for route, view in registered(prefix):
        if route.endswith("/"):
            continue
        for method, op in getattr(view, "operations", {}).items():
            yield Operation(method, route, op, view)


def aliases() -> Iterator[Operation]:
    """Every declared operation by its other addresses: with a slash, and the oldest ones."""
    for route, view in registered("api/"):
        if route.endswith("/") or not route.startswith("api/v1/"):
            for method, op in getattr(view, "operations", {}).items():
                yield Operation(method, route, op, view)


def undeclared(prefix: str = "api/v1/") -> list[str]:
    """Methods of views that nobody declared, and declarations without a method."""
    wrong = []
    for route, view in registered(prefix):
        declared = set(getattr(view, "operations", {}))
        present = {name for name in METHODS if hasattr(view, name)}
        wrong += [f"{name.upper()} /{route}" for name in sorted(declared ^ present)]
        if not declared:
            wrong.append(f"/{route} declares nothing")
    return wrong


@contextmanager
def undone() -> Iterator[None]:
    """Take back whatever happens within."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@dataclass
class Cast:
    """The people of the matrix around one portfolio, and how each shows who they are."""

    portfolio: Portfolio
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    own: dict[str, Portfolio] = field(default_factory=dict)  # books of those outside
    client: Client = field(default_factory=lambda: Client(raise_request_exception=False))

    def ask(self, actor: str, method: str, path: str, body: Any = None) -> Any:
        """Ask and take back whatever it did."""
        with undone():
            return self.ask_kept(actor, method, path, body)

    def ask_kept(self, actor: str, method: str, path: str, body: Any = None) -> Any:
        """Ask, within what the caller takes back."""
        self.client.cookies.clear()  # nobody has another's
        sent = {} if body is None else body
        given = {} if method == "get" else {"data": sent, "content_type": "application/json"}
        return getattr(self.client, method)(path, **given, **self.headers[actor])


def cast() -> Cast:
    """Make the portfolio and everybody around it."""
    owner = _person("owner")
    account = Account.objects.get(customer__user=owner)
    portfolio = Portfolio.objects.create(account=account, name="Matrix")
    people = {"owner": owner, "read_token": owner, "expired_token": owner}
    people["owner_group_viewer"] = _person("owner_group_viewer", groups=("Viewer",))
    for name in ("editor_trading", "editor", "viewer", "revoked", "stranger", "inactive"):
        people[name] = _person(name)
    people["staff"] = _person("staff", is_staff=True)
    people["staff_reader"] = _person("staff_reader", groups=("Viewer",), is_staff=True)
    people["superuser"] = User.objects.create_superuser("superuser@example.com", "x" * 12)
    for name, role in (
        ("owner", "owner"),
        ("owner_group_viewer", "owner"),
        ("editor_trading", "editor"),
        ("editor", "editor"),
        ("viewer", "viewer"),
        ("revoked", "owner"),
        ("inactive", "owner"),
    ):
        Membership.objects.create(
            portfolio=portfolio,
            user=people[name],
            role=role,
            can_trade=name == "editor_trading",
            revoked_at=datetime(2020, 1, 1, tzinfo=UTC) if name == "revoked" else None,
        )
    made = Cast(portfolio, {"anonymous": {}}, own_books(people))
    for name, person in people.items():
        made.headers[name] = {"HTTP_AUTHORIZATION": f"Token {_token(person, name)}"}
    User.objects.filter(pk=people["inactive"].pk).update(is_active=False)
    # used just now: what is taken back after every question would be noted with each
    ApiToken.objects.update(last_used_at=clock.now())
    return made


def own_books(people: dict[str, User]) -> dict[str, Portfolio]:
    """A portfolio of their own for each of those outside."""
    made = {}
    for name in OUTSIDE:
        account = Account.objects.get(customer__user=people[name])
        made[name] = Portfolio.objects.create(account=account, name=f"Own of {name}")
        Membership.objects.create(portfolio=made[name], user=people[name], role="owner")
    return made


def _person(name: str, **how: Any) -> User:
    return accounts.create_user(email=f"{name}@example.com", password="x" * 12, by=BY, **how)


def _token(person: User, name: str) -> str:
    scopes = ["read"] if name == "read_token" else ["read", "trade", "admin"]
    by = Actor.of_user(person)
    row, text = tokens.create_personal(user=person, name=name, scopes=scopes, by=by)
    if name == "expired_token":
        ApiToken.objects.filter(pk=row.pk).update(expires_at=datetime(2020, 1, 1, tzinfo=UTC))
    return text


def answer_of(ask: Callable[[], Any]) -> tuple[int, dict[str, Any], int]:
    """Status, body without what names the request, and the number of queries."""
    reset_queries()  # the log is as long as it may get after some thousand questions
    with CaptureQueriesContext(connection) as queries:
        answer = ask()
    body = answer.json() if answer.content else {}
    if isinstance(body, dict):
        body = {key: body[key] for key in body if key not in ("instance", "request_id")}
    return answer.status_code, body, len(queries)
