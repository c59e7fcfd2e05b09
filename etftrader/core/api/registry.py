"""Who may call an operation: declared beside the view, refused where nothing is declared."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import BasePermission

from etftrader.core.actor import READ, Actor

PUBLIC, SIGNED_IN, STAFF, OPERATOR, PORTFOLIO = (
    "public",
    "signed_in",
    "staff",
    "operator",
    "portfolio",
)
CLASSES = frozenset({PUBLIC, SIGNED_IN, STAFF, OPERATOR, PORTFOLIO})
OPERATORS = frozenset({"Operator", "Admin"})
METHODS = ("get", "post", "put", "patch", "delete")
# what an operation does with entity tags: sends one; answers 304 to one that is known; finds out
# a change that was thought out on another version; does so, and wants to be told the version;
# nothing, as it is of a fact that stays as it was written
TAGGED, UNCHANGED, CHECKED, REQUIRED = "tagged", "unchanged", "checked", "required"
FACT = "fact"
VERSIONS = frozenset({"", TAGGED, UNCHANGED, CHECKED, REQUIRED, FACT})

ViewClass = TypeVar("ViewClass", bound=type)


@dataclass(frozen=True, slots=True)
class Op:
    """One method of one address.

    `access` is a class, or a class and a word: `public`, `signed_in` (scope read),
    `signed_in:trade`, `signed_in:admin`, `staff`, `operator` (writes: `operator:trade`),
    `portfolio:<action>`.
    """

    access: str
    summary: str = ""
    # further query parameters, each with the sentence that describes it
    query: Mapping[str, str] | tuple[str, ...] = ()
    lists: bool = False  # pages, filters and ordering of the view apply
    limit: str = ""  # a named scope of RATE_LIMITS beside the default
    money: bool = False  # a twin within ten seconds is suspicious
    # for the description alone: a test compares it with what views do
    needs: tuple[str, ...] = ()  # query parameters without which the answer is 400
    keyed: bool = True  # a POST keeps its answer under the request's Idempotency-Key
    versions: str = ""  # see VERSIONS; empty: what a row with PATCH does (see `tags_of`)
    refuses: tuple[int, ...] = ()  # statuses its method alone does not tell of
    operators: str = ""  # what of it is left to operators, in a sentence

    @property
    def kind(self) -> str:
        """The access class without its word."""
        return self.access.partition(":")[0]

    @property
    def word(self) -> str:
        """The scope of a token, the action of `portfolio`."""
        return self.access.partition(":")[2]


def operation(**methods: "Op | str") -> Callable[[ViewClass], ViewClass]:
    """Declare a view's operations: `@operation(get="signed_in", post=Op("portfolio:trade"))`."""
    declared = {name: Op(each) if isinstance(each, str) else each for name, each in methods.items()}
    for name, each in declared.items():
        if name not in METHODS or each.kind not in CLASSES:
            raise ValueError(f"{name}={each.access} is no access class")
        if each.versions not in VERSIONS or not set(each.needs) <= set(each.query):
            raise ValueError(f"{name} is not declared consistently")
        if name != "get" and each.kind in (STAFF, OPERATOR) and not each.word:
            # without a scope of its own a token that may only read could write
            raise ValueError(f"{name}={each.access} names no scope")

    def declare(view: ViewClass) -> ViewClass:
        view.operations = declared  # type: ignore[attr-defined]
        return view

    return declare


def declared(view: Any, method: str) -> Op | None:
    """What the view says of a method; HEAD is a GET without a body."""
    name = method.lower()
    operations: Mapping[str, Op] = getattr(view, "operations", {})
    return operations.get("get" if name == "head" else name)


def tags_of(view: Any, method: str, address: str) -> str:
    """What an operation does with entity tags: as declared, else as rows with PATCH do."""
    wanted = declared(view, method)
    if wanted is None or wanted.versions == FACT:
        return ""
    if wanted.versions:
        return wanted.versions
    is_row = address.endswith("}") and "patch" in getattr(view, "operations", {})
    if not is_row or method.upper() == "POST":
        return ""
    return UNCHANGED if method.upper() == "GET" else CHECKED


class Registered(BasePermission):
    """Default deny: an operation nobody declared is nobody's."""

    def has_permission(self, request: Any, view: Any) -> bool:
        """Check class and scope; which portfolio is the business of the view's selector."""
        wanted = declared(view, request.method)
        if wanted is None:
            # a method the view does not have goes on to its 405
            return not hasattr(view, request.method.lower())
        if wanted.kind == PUBLIC:
            return True
        actor = Actor.of(request)
        return actor.is_authenticated and _may(actor, wanted)


def _may(actor: Actor, wanted: Op) -> bool:
    if wanted.kind == PORTFOLIO:
        return True
    scope = wanted.word or READ
    if scope not in actor.scopes:
        # the framework's own class: the description asks this question too and expects it
        raise PermissionDenied(f"This token has no {scope} scope.")
    if wanted.kind == STAFF:
        return actor.reads_all
    if wanted.kind == OPERATOR:
        return actor.is_superuser or bool(actor.groups & OPERATORS)
    return True


def registered(prefix: str = "api/v1/") -> Iterator[tuple[str, Any]]:
    """Every (route, view class) of the URLconf under a prefix."""
    yield from _walk(get_resolver().url_patterns, "", prefix)


def _walk(patterns: Any, before: str, prefix: str) -> Iterator[tuple[str, Any]]:
    for entry in patterns:
        route = before + str(entry.pattern)
        if isinstance(entry, URLResolver):
            yield from _walk(entry.url_patterns, route, prefix)
        elif isinstance(entry, URLPattern) and route.startswith(prefix):
            callback: Any = entry.callback
            yield route, getattr(callback, "cls", getattr(callback, "view_class", callback))
