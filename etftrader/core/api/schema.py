"""The machine-readable description: what the registry knows goes into OpenAPI."""

from typing import Any

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from etftrader.core.api import batch, lists, parameters
from etftrader.core.api.registry import PUBLIC, declared

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_NUMBERS = frozenset({"limit", "offset"})
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

    _dropping = False  # a batch's DELETE is being described

    def get_summary(self) -> str | None:
        """The operation's sentence."""
        wanted = declared(self.view, self.method)
        return (wanted.summary if wanted else "") or super().get_summary()

    def get_tags(self) -> list[str]:
        """The first word of the path."""
        words = [word for word in self.path.split("/") if word and not word.startswith("{")]
        return [words[2] if len(words) > 2 else "api"]

    def get_operation_id(self) -> str:
        """The method and the path's words: stable, and no two alike."""
        words = [word for word in self.path.split("/") if word][2:]
        plain = [f"by_{word.strip('{}')}" if "{" in word else word for word in words]
        return "_".join([self.method.lower(), *plain]).replace("-", "_")

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Any one of the three ways to be known."""
        wanted = declared(self.view, self.method)
        return [] if wanted and wanted.kind == PUBLIC else [{name: []} for name in _SECURITY]

    def get_override_parameters(self) -> list[Any]:
        """Every query parameter the view would accept."""
        names = lists.known_parameters(self.view, self.method)
        return [
            OpenApiParameter(
                name,
                OpenApiTypes.INT if name in _NUMBERS else OpenApiTypes.STR,
                OpenApiParameter.QUERY,
                required=False,
                description=parameters.of_query(self.view, self.method, name),
            )
            for name in names
        ]

    def _resolve_path_parameters(self, variables: Any) -> list[dict[str, Any]]:
        """The parts of the path, each with its sentence."""
        found = super()._resolve_path_parameters(variables)
        for each in found:
            each["description"] = parameters.of_path(self.view, each["name"])
        return found

    def get_request_serializer(self) -> Any:
        """A DELETE of many rows names them in its body, whatever they are."""
        return batch.Keyed(many=True) if self._dropping else super().get_request_serializer()

    def _get_request_body(self, direction: str = "request") -> Any:
        """The library describes no body of a DELETE: for a batch it is asked as for a POST."""
        if self.method != "DELETE" or not self.path.endswith("/batch"):
            return super()._get_request_body(direction)
        self.method, self._dropping = "POST", True
        try:
            return super()._get_request_body(direction)
        finally:
            self.method, self._dropping = "DELETE", False

    def get_filter_backends(self) -> list[Any]:
        """Filters are declared above."""
        return []

    def _get_paginator(self) -> Any:
        wanted = declared(self.view, self.method)
        return super()._get_paginator() if wanted and wanted.lists else None

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        """The operation with the refusals it can give."""
        found = super().get_operation(*args, **kwargs)
        wanted = declared(self.view, self.method)
        if found is None or wanted is None:
            return found
        found["x-access"] = wanted.access
        codes = ["400", "404", "429"] + ([] if wanted.kind == PUBLIC else ["401", "403"])
        codes += ["409", "412", "413", "415", "422", "428"] if self.method != "GET" else []
        for code in codes:
            found["responses"].setdefault(
                code,
                {
                    "description": "A problem document.",
                    "content": {"application/problem+json": {"schema": _PROBLEM}},
                },
            )
        return found


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
        for each in node.values():
            _widen(each)
    elif isinstance(node, list):
        for each in node:
            _widen(each)


def only_canonical(endpoints: list[Any], **later: Any) -> list[Any]:
    """Spectacular's first hook: our own paths, without the twins that end in a slash."""
    return [each for each in endpoints if each[0].startswith("/api/v1") and each[0][-1] != "/"]


def with_problem(result: dict[str, Any], **later: Any) -> dict[str, Any]:
    """Spectacular's last hook: the shape of every refusal, and the ways to be known."""
    result.setdefault("components", {})["securitySchemes"] = _SECURITY
    text = {"type": "string"}
    error = {
        "type": "object",
        "properties": {
            "attr": {"type": ["string", "null"]},
            "code": text,
            "detail": text,
            "hint": text,
        },
    }
    result["components"].setdefault("schemas", {})["Problem"] = {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail", "instance", "request_id"],
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "code": text,
            "detail": text,
            "instance": text,
            "request_id": text,
            "errors": {"type": "array", "items": error},
        },
        "additionalProperties": True,
    }
    return result
