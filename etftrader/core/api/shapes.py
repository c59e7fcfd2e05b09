"""Documents by example: one value says what an answer looks like, and its schema follows.

Views whose documents are written by functions have no serializer to describe them. An example of
such a document is its description; tests hold it against what the functions really write, and its
figures against the bundled prices: what was made up is NEWCO's or NEWETF's.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from etftrader.core.api.lists import CursorPages

_FORMATS = (
    ("uuid", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    ("date-time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
)
# elsewhere any figure or word may be unknown; a null among these is marked in the example
NEVER_NULL = frozenset(
    {
        "count",
        "created_at",
        "currency",
        "id",
        "kind",
        "session_date",
        "status",
        "symbol",
        "updated_at",
        "url",
        "version",
    }
)


class ByKey(dict[str, Any]):
    """An object whose members are named by data, such as symbols: one of them stands for all."""


class Parts(dict[str, Any]):
    """An object of which some members may be left out."""

    loose: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Maybe:
    """A value that may be null although its name says otherwise."""

    value: Any


@dataclass(frozen=True, slots=True)
class Either:
    """One of several values; the first is the example."""

    values: tuple[Any, ...]


class Of(str):
    """The place of another document, by the name of its component."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A document: the name of its component, and an example."""

    name: str
    example: Any


@dataclass
class Known:
    """What the apps told: documents by operation, bodies and parts by their component's name."""

    answers: dict[str, Shape] = field(default_factory=dict)
    bodies: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Shape] = field(default_factory=dict)

    def example(self, name: str) -> Any:
        """The example of a component. Raises KeyError for one nobody told of."""
        shape = None if name in self.bodies else self.shape(name)
        return self.bodies[name] if shape is None else shape.example

    def shape(self, name: str) -> Shape | None:
        """What is told of a component that no serializer describes."""
        told = (JOB, *self.parts.values(), *self.answers.values())
        return next((each for each in told if each.name == name), None)


KNOWN = Known()
# every 202 without a document of its own is a job
JOB = Shape(
    "Job",
    {
        "id": "7d3f0a52-5c1e-4d0c-9a51-1f2b3c4d5e6f",
        "url": "/api/v1/jobs/7d3f0a52-5c1e-4d0c-9a51-1f2b3c4d5e6f",
        "kind": "portfolios.take_snapshots",
        "status": "running",
        "session_date": "2016-06-24",
        "progress": {"done": 1, "total": 4, "fraction": 0.25, "step": "Snapshots"},
        "items": {"ok": 1, "skipped": 0, "failed": 0},
        "created_at": "2016-06-24T20:15:00.000Z",
        "started_at": "2016-06-24T20:15:01.000Z",
        "finished_at": None,
        "result_url": None,
        "cancel_url": "/api/v1/jobs/7d3f0a52-5c1e-4d0c-9a51-1f2b3c4d5e6f/cancel",
        "error": None,
    },
)


def tell(told: Mapping[str, Any]) -> None:
    """Add what is known of documents, as a file tells it.

    Parameters
    ----------
    told : mapping
        `answers`: a name and an example by what they are of: `bonds` for all that concerns one
        row of a resource, `get quotes` for one operation, `post prices 202` for one of its
        answers, with addresses as in the description, without `/api/v1/`; or `$same` with another
        key. `bodies`: an example by the name of a serializer's component. Within examples `$by`
        marks an object whose members are named by data, `$of` the place of another component,
        `$maybe` a value that may be null, `$either` the values of which one stands there, and a
        name that ends in `?` a member that may be left out; `$with` names the document whose
        members an object has beside its own. `parts`: documents that stand only within others.
    """
    read = {key: each for key, each in told["answers"].items() if "$same" not in each}
    known = told["parts"] | {each["name"]: each["example"] for each in read.values()}
    known[JOB.name] = JOB.example
    for name, each in told["parts"].items():
        KNOWN.parts[name] = Shape(name, _marked(_whole(each, known)))
    for key, each in told["answers"].items():
        source = read[each.get("$same", key)]
        KNOWN.answers[key] = Shape(source["name"], _marked(_whole(source["example"], known)))
    KNOWN.bodies.update(told["bodies"])
    KNOWN.answers |= dict.fromkeys(("jobs", "post jobs/{job_id}/cancel"), JOB)


def shown(value: Any) -> Any:
    """An example as it is read, with other documents in their places."""
    if isinstance(value, Of):
        return shown(KNOWN.example(value))
    if isinstance(value, Maybe):
        return shown(value.value)
    if isinstance(value, Either):
        return shown(value.values[0])
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, list) else value


def refers(value: Any) -> Iterator[str]:
    """The components an example refers to."""
    if isinstance(value, Of):
        yield str(value)
    inner: Iterable[Any] = ()
    if isinstance(value, dict):
        inner = value.values()
    elif isinstance(value, Either):
        inner = value.values
    elif isinstance(value, Maybe):
        inner = (value.value,)
    elif isinstance(value, list):
        inner = value
    for each in inner:
        yield from refers(each)


def _whole(value: Any, known: Mapping[str, Any]) -> Any:
    """An example with the members of the documents it is told with."""
    if isinstance(value, list):
        return [_whole(each, known) for each in value]
    if not isinstance(value, dict):
        return value
    base = _whole(known[value["$with"]], known) if "$with" in value else {}
    own = {key: each for key, each in value.items() if key != "$with"}
    return base | {key: _whole(each, known) for key, each in own.items()}


def _marked(value: Any) -> Any:
    if isinstance(value, list):
        return [_marked(each) for each in value]
    if not isinstance(value, dict):
        return value
    marks: dict[str, Callable[[Any], Any]] = {
        "$of": Of,
        "$by": _by,
        "$maybe": _maybe,
        "$either": _either,
    }
    mark = next(iter(value), "")
    if mark in marks:
        return marks[mark](value[mark])
    found = Parts({key.removesuffix("?"): _marked(each) for key, each in value.items()})
    found.loose = frozenset(key[:-1] for key in value if key.endswith("?"))
    return found


def _by(members: Any) -> ByKey:
    return ByKey({key: _marked(each) for key, each in members.items()})


def _maybe(value: Any) -> Maybe:
    return Maybe(_marked(value))


def _either(values: Any) -> Either:
    return Either(tuple(_marked(each) for each in values))


def of_answer(method: str, address: str, status: str) -> Shape | None:
    """The document of an answer; None where nobody told."""
    here, verb = address.removeprefix("/api/v1/"), method.lower()
    for key in (f"{verb} {here} {status}", f"{verb} {here}"):
        if key in KNOWN.answers and not (status == "202" and not key.endswith("202")):
            return KNOWN.answers[key]
    if status == "202":
        return JOB
    noun = re.sub(r"/(batch|\{[^/]+\})$", "", here)
    return KNOWN.answers.get(noun)


def page(row: dict[str, Any], cursor: bool) -> dict[str, Any]:
    """The schema of a page of rows."""
    address = {"type": ["string", "null"], "format": "uri"}
    ends = {
        "next": address | {"description": "The next page; null on the last one."},
        "previous": address | {"description": "The page before; null on the first one."},
        "results": {"type": "array", "items": row},
    }
    count = {"type": "integer", "description": "Rows of all pages together."}
    properties = ends if cursor else {"count": count} | ends
    return {"type": "object", "required": sorted(properties), "properties": properties}


def page_example(row: Any, cursor: bool) -> dict[str, Any]:
    """A page with one row, the last of its list."""
    ends = {"next": None, "previous": None, "results": [row]}
    return ends if cursor else {"count": 1} | ends


def is_cursor(view: Any) -> bool:
    """Whether the view's lists only grow."""
    return issubclass(view.pagination_class, CursorPages)


def partial(row: dict[str, Any]) -> dict[str, Any]:
    """The schema of a batch in which each item stands by itself."""
    whole = {"type": "integer"}
    errors = {"type": "array", "items": {"type": "object", "additionalProperties": True}}
    item = {
        "type": "object",
        "required": ["index", "status"],
        "properties": {
            "index": whole | {"description": "Place of the item in the request, from 0."},
            "status": whole | {"description": "What it would have been answered alone."},
            "object": row,
            "errors": errors | {"description": "Instead of `object`: why it was refused."},
        },
    }
    counts = {"type": "object", "additionalProperties": whole}
    return {
        "type": "object",
        "required": ["results", "summary"],
        "properties": {"results": {"type": "array", "items": item}, "summary": counts},
    }


def partial_example(row: Any) -> dict[str, Any]:
    """A batch of two new rows of which one was refused."""
    told = {"attr": "symbol", "code": "unknown_symbol", "detail": "SPYY is not known."}
    return {
        "results": [
            {"index": 0, "status": 201, "object": row},
            {"index": 1, "status": 400, "errors": [told]},
        ],
        "summary": {"created": 1, "failed": 1},
    }


def schema_of(value: Any, name: str = "") -> dict[str, Any]:
    """The schema an example follows; whatever may be unknown may be null."""
    if isinstance(value, Of):
        return {"$ref": f"#/components/schemas/{value}"}
    if isinstance(value, Maybe):
        return _or_null(value.value)
    if isinstance(value, Either):
        return {"anyOf": [schema_of(each) for each in value.values]}
    if isinstance(value, ByKey):
        member = schema_of(next(iter(value.values()), ""))
        return {"type": "object", "additionalProperties": member}
    if isinstance(value, dict):
        return _object(value)
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    if value is None:
        return {}
    return _plain(value, nullable=name not in NEVER_NULL)


def _object(value: dict[str, Any]) -> dict[str, Any]:
    """An object with the members of its example, which are all there but the loose ones."""
    kind: list[str] = ["object", "null"]
    if not value:
        return {"type": kind, "additionalProperties": True}
    loose = value.loose if isinstance(value, Parts) else frozenset()
    needed = sorted(set(value) - loose)
    properties = {key: schema_of(each, key) for key, each in value.items()}
    return {"type": kind, "properties": properties} | ({"required": needed} if needed else {})


def _or_null(value: Any) -> dict[str, Any]:
    found = schema_of(value)
    kind = found.get("type")
    if kind is None:
        return {"anyOf": [found, {"type": "null"}]}
    return found | ({"type": [kind, "null"]} if isinstance(kind, str) else {})


def _plain(value: Any, *, nullable: bool) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"type": "boolean"}
    kind = {int: "integer", float: "number"}.get(type(value), "string")
    found: dict[str, Any] = {"type": [kind, "null"] if nullable else kind}
    if kind == "string":
        fits = (each for each, pattern in _FORMATS if pattern.fullmatch(value))
        given = next(fits, None)
        found |= {"format": given} if given else {}
    return found
