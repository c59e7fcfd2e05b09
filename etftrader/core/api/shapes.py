"""Documents by example: one value says what an answer looks like, and its schema follows.

Views whose documents are written by functions have no serializer to describe them. An example of
such a document, with figures that are clearly made up, is its description; a test holds it against
what the functions really write.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from etftrader.core.api.lists import CursorPages

_FORMATS = (
    ("uuid", re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")),
    ("date-time", re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")),
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
)
_NEVER_NULL = frozenset({"version", "created_at", "updated_at", "currency", "count"})


class ByKey(dict[str, Any]):
    """An object whose members are named by data, such as symbols: one of them stands for all."""


class Of(str):
    """The place of another document, by the name of its component."""


@dataclass(frozen=True, slots=True)
class Shape:
    """A document: the name of its component, and an example."""

    name: str
    example: Any


@dataclass
class Known:
    """What the apps told: documents by operation, bodies by the name of their component."""

    answers: dict[str, Shape] = field(default_factory=dict)
    bodies: dict[str, Any] = field(default_factory=dict)

    def example(self, name: str) -> Any:
        """The example of a component. Raises KeyError for one nobody told of."""
        if name in self.bodies:
            return self.bodies[name]
        return next(each for each in (JOB, *self.answers.values()) if each.name == name).example


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
        marks an object whose members are named by data, `$of` the place of another component.
    """
    read = {key: each for key, each in told["answers"].items() if "$same" not in each}
    for key, each in told["answers"].items():
        source = read[each.get("$same", key)]
        KNOWN.answers[key] = Shape(source["name"], _marked(source["example"]))
    KNOWN.bodies.update(told["bodies"])
    KNOWN.answers |= dict.fromkeys(("jobs", "post jobs/{job_id}/cancel"), JOB)


def shown(value: Any) -> Any:
    """An example as it is read, with other documents in their places."""
    if isinstance(value, Of):
        return shown(KNOWN.example(value))
    if isinstance(value, dict):
        return {key: shown(each) for key, each in value.items()}
    return [shown(each) for each in value] if isinstance(value, list) else value


def _marked(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"$of"}:
        return Of(value["$of"])
    if isinstance(value, dict) and set(value) == {"$by"}:
        return ByKey(_marked(value["$by"]))
    if isinstance(value, dict):
        return {key: _marked(each) for key, each in value.items()}
    return [_marked(each) for each in value] if isinstance(value, list) else value


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
    if isinstance(value, ByKey):
        member = schema_of(next(iter(value.values()), ""))
        return {"type": "object", "additionalProperties": member}
    if isinstance(value, dict):
        if not value:
            return {"type": ["object", "null"], "additionalProperties": True}
        properties = {key: schema_of(each, key) for key, each in value.items()}
        return {"type": ["object", "null"], "properties": properties}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    if value is None:
        return {}
    return _plain(value, nullable=name not in _NEVER_NULL)


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
