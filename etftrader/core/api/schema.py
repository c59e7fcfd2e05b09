"""The machine-readable description: what the registry knows goes into OpenAPI."""

from typing import Any

from django.conf import settings
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from drf_spectacular.utils import OpenApiParameter

from etftrader.core.api import answers, batch, exports, lists, parameters, samples, shapes, words
from etftrader.core.api.registry import PUBLIC, declared, tags_of
from etftrader.core.api.shapes import Of, Shape

_JSON = "application/json"
_FREE = {"type": "object", "additionalProperties": True}
_ROW = {"description": "One row of the list."}
# components of answers whose Location is told
_FOLLOWED = ("Job", "HeldBack")
_SECURITY = {
    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
    "token": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "Token etf_…: a personal token.",
    },
    "session": {"type": "apiKey", "in": "cookie", "name": "__Host-session"},
}


class Schema(AutoSchema):
    """Summaries, query parameters and problem answers from the operation's declaration."""

    _dropping = False  # a DELETE with a body is being described

    def get_summary(self) -> str | None:
        """The operation's sentence."""
        wanted = declared(self.view, self.method)
        return (wanted.summary if wanted else "") or super().get_summary()

    def get_description(self) -> str:  # type: ignore[override]  # the library asks it so
        """What it answers, who may ask, and how often."""
        wanted = declared(self.view, self.method)
        said = super().get_description()
        if wanted is None:
            return said
        limit = answers.limits_of(wanted, settings.RATE_LIMITS)
        return "\n\n".join(each for each in (said, answers.who_may(wanted), limit) if each)

    def get_tags(self) -> list[str]:
        """The first word of the path."""
        found = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return [found[2] if len(found) > 2 else "api"]

    def get_operation_id(self) -> str:
        """The method and the path's words: stable, and no two alike."""
        found = [word for word in self.path.split("/") if word][2:]
        plain = [f"by_{word.strip('{}')}" if "{" in word else word for word in found]
        return "_".join([self.method.lower(), *plain]).replace("-", "_")

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Any one of the three ways to be known."""
        wanted = declared(self.view, self.method)
        return [] if wanted and wanted.kind == PUBLIC else [{name: []} for name in _SECURITY]

    def get_override_parameters(self) -> list[Any]:
        """Every query parameter the view would accept, and every header."""
        wanted = declared(self.view, self.method)
        needed = wanted.needs if wanted else ()
        found = []
        for name in lists.known_parameters(self.view, self.method):
            schema = parameters.schema_of(self.view, self.method, name)
            several = schema.get("type") == "array"
            found.append(
                OpenApiParameter(
                    name,
                    schema,
                    OpenApiParameter.QUERY,
                    required=name in needed,
                    description=str(parameters.of_query(self.view, self.method, name)),
                    # one name, values with commas
                    style="form" if several else None,
                    explode=False if several else None,
                )
            )
        if wanted:
            found += answers.asked(wanted, self.method, self._tags)
        return found

    @property
    def _tags(self) -> str:
        return tags_of(self.view, self.method, self.path)

    def _resolve_path_parameters(self, variables: Any) -> list[dict[str, Any]]:
        """The parts of the path, each with its sentence."""
        found = super()._resolve_path_parameters(variables)
        for each in found:
            each["description"] = parameters.of_path(self.view, each["name"])
        return found

    def get_request_serializer(self) -> Any:
        """A DELETE of many rows names them in its body; another has the body it declares."""
        if self.method != "DELETE" and not self._dropping:
            return super().get_request_serializer()
        return batch.Keyed(many=True) if self.path.endswith("/batch") else None

    def get_response_serializers(self) -> Any:
        """Where a document is known by example, the view's serializer is only that of its body."""
        if self.method != "DELETE" and shapes.of_answer(self.method, self.path, "200"):
            return {"200": _FREE}
        return super().get_response_serializers()

    def _get_request_body(self, direction: str = "request") -> Any:
        """The library describes no body of a DELETE; for one it is asked as for a POST."""
        if self.method != "DELETE" or self.get_request_serializer() is None:
            return super()._get_request_body(direction)
        self.method, self._dropping = "POST", True
        try:
            return super()._get_request_body(direction)
        finally:
            self.method, self._dropping = "DELETE", False

    def get_filter_backends(self) -> list[Any]:
        """Filters are declared above."""
        return []

    def _get_response_headers_for_code(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Headers are added below."""
        return {}

    def _get_paginator(self) -> Any:
        """Pages are wrapped around rows below: the library does so for serializers alone."""
        return None

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation with its documents, examples, headers, samples and refusals."""
        found = super().get_operation(*args, **kwargs)
        wanted = declared(self.view, self.method)
        if found is None or wanted is None:
            return found
        found["x-access"] = wanted.access
        for status, answer in found["responses"].items():
            self._document(status, answer, lists_rows=wanted.lists and status == "200")
        body = self._example_of_body(found)
        answers.complete(found, wanted, self.method, self._tags)
        found["x-codeSamples"] = samples.of_operation(self.method, self.path, found, body)
        return found

    def _document(self, status: str, answer: dict[str, Any], *, lists_rows: bool) -> None:
        """The schema and the example of one answer, in a page or a batch where it is one."""
        shape = shapes.of_answer(self.method, self.path, status) if status != "204" else None
        said = answer.get("content", {}).get(_JSON)
        if lists_rows and said is None:
            said = answer.setdefault("content", {}).setdefault(_JSON, {"schema": _FREE | _ROW})
        if said is None:
            return
        answer["description"] = answer.get("description", "").replace("No response body", "")
        row, example = said["schema"], self._known_example(said["schema"])
        if shape:
            row, example = self._row(shape), shape
        if row.get("type") == "array" and lists_rows:
            row = row["items"]
            example = self._known_example(row)
        name = row.get("$ref", "").rpartition("/")[2]
        if lists_rows:
            cursor = shapes.is_cursor(self.view)
            said["schema"] = self._page(name, row, cursor)
            for kind in (exports.CSV, exports.XLSX):
                file = {"schema": {"type": "string", "format": "binary"}}
                answer["content"].setdefault(exports.TYPES[kind].partition(";")[0], file)
            example = example and Shape(
                f"{example.name}Page", shapes.page_example(example.example, cursor)
            )
        elif self.path.endswith("/batch"):
            example = self._batched(status, said, row, example)
        else:
            said["schema"] = row
        if example:
            said["examples"] = {"example": self._example(example)}
        self._follow(status, answer, name)

    def _batched(
        self, status: str, said: dict[str, Any], row: dict[str, Any], example: Shape | None
    ) -> Shape | None:
        """The answer of a batch: the documents in order, or a result for each item."""
        if status == "207":
            said["schema"] = shapes.partial(row)
            if example is None or self.method != "POST":
                return None
            return Shape(f"{example.name}Results", shapes.partial_example(example.example))
        said["schema"] = {"type": "array", "items": row}
        return example and Shape(f"{example.name}Batch", [example.example])

    def _follow(self, status: str, answer: dict[str, Any], name: str) -> None:
        """The headers that lead on from an answer."""
        if self.method == "GET" and name == shapes.JOB.name:
            answers.lead(answer, "Retry-After")
        if self.method != "POST" or self.path.endswith("/batch"):
            return
        if status == "202" and name in _FOLLOWED:
            answers.lead(answer, "Location", "Retry-After")
        known = ResolvedComponent(name, ResolvedComponent.SCHEMA, object=Shape)
        if status == "201" and name and "url" in self.registry[known].schema["properties"]:
            answers.lead(answer, "Location")

    def _row(self, shape: Shape) -> dict[str, Any]:
        """The component of a document known by example, and those it is put together from."""
        for name in shapes.refers(shape.example):
            part = shapes.KNOWN.shape(name)
            if part and not isinstance(part.example, Of):
                self._row(part)
        if isinstance(shape.example, Of):
            return shapes.schema_of(shape.example)
        schema = shapes.schema_of(shape.example) | {"type": "object"}
        return self._kept(shape.name, ResolvedComponent.SCHEMA, schema)

    def _page(self, name: str, row: dict[str, Any], cursor: bool) -> dict[str, Any]:
        """The component of a page of such rows."""
        page = shapes.page(row, cursor)
        if not name:
            return page
        kind = "Cursor" if cursor else ""
        return self._kept(f"Paginated{name}{kind}List", ResolvedComponent.SCHEMA, page)

    def _known_example(self, schema: dict[str, Any]) -> Shape | None:
        """The example an app told of a serializer's component."""
        name = schema.get("$ref", "").rpartition("/")[2]
        told = shapes.KNOWN.bodies.get(name)
        return None if told is None else Shape(name, told)

    def _example(self, shape: Shape) -> dict[str, Any]:
        return self._kept(
            shape.name, ResolvedComponent.EXAMPLE, {"value": shapes.shown(shape.example)}
        )

    def _kept(self, name: str, kind: str, schema: dict[str, Any]) -> dict[str, Any]:
        """A reference to the component, which is made when it is first asked for."""
        made = ResolvedComponent(name, kind, schema, object=Shape)
        self.registry.register_on_missing(made)
        return made.ref

    def _example_of_body(self, found: dict[str, Any]) -> Any:
        """Put the example into the request body; the body itself, for the samples."""
        said = found.get("requestBody", {}).get("content", {}).get(_JSON)
        if said is None:
            return None
        schema = said["schema"]
        many = schema.get("type") == "array"
        example = self._known_example(schema["items"] if many else schema)
        if example is None:
            return None
        if many:
            example = Shape(f"{example.name}Batch", [example.example])
        said["examples"] = {"example": self._example(example)}
        return example.example


_COLUMN_BOUNDS = frozenset({32767, 2147483647, 9223372036854775807})


def without_engine(result: dict[str, Any], **later: Any) -> dict[str, Any]:
    """Spectacular's hook: integers without the width of their column, which engines choose."""
    _widen(result)
    return result


def _widen(node: Any) -> None:
    if isinstance(node, dict):
        whole = node.get("type") in ("integer", ["integer", "null"])
        if whole and node.get("maximum") in _COLUMN_BOUNDS:
            del node["maximum"]
            node.pop("format", None)
            if node.get("minimum", 0) < 0:
                del node["minimum"]
        if {} in node.get("oneOf", ()):  # anything, or null: both fit null, so neither counts
            del node["oneOf"]
        for each in node.values():
            _widen(each)
    elif isinstance(node, list):
        for each in node:
            _widen(each)


def only_canonical(endpoints: list[Any], **later: Any) -> list[Any]:
    """Spectacular's first hook: our own paths, without the twins that end in a slash."""
    return [each for each in endpoints if each[0].startswith("/api/v1") and each[0][-1] != "/"]


def with_problem(result: dict[str, Any], **later: Any) -> dict[str, Any]:
    """Spectacular's last hook: what all operations share, and the words of their fields."""
    result.setdefault("components", {})["securitySchemes"] = _SECURITY
    result["components"].update(answers.components())
    result["info"]["description"] = f"{result['info'].get('description', '')}\n\n{samples.HOW}"
    error = {"attr": ["string", "null"], "code": "string", "detail": "string", "hint": "string"}
    known = ("type", "title", "status", "code", "detail", "instance", "request_id")
    kinds = dict.fromkeys(known, "string") | {"status": "integer"}
    told = {"type": "object", "properties": _typed(error)}
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "required": list(known),
        "properties": _typed(kinds) | {"errors": {"type": "array", "items": told}},
        "additionalProperties": True,
    }
    words.say(result)
    return result


def _typed(kinds: dict[str, Any]) -> dict[str, Any]:
    return {name: {"type": kind} for name, kind in kinds.items()}
