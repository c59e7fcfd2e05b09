"""What the description says around every answer: headers asked for and sent, and the refusals."""

from typing import Any

from drf_spectacular.utils import OpenApiParameter

from etftrader.core.api import parsers, registry
from etftrader.core.api.registry import PUBLIC, Op

_PROBLEM = {"$ref": "#/components/schemas/Problem"}
_LIMITS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Scope")
_WHOLE = {"type": "integer"}
_TEXT = {"type": "string"}

HEADERS: dict[str, tuple[dict[str, Any], str]] = {
    "X-RateLimit-Limit": (_WHOLE, "Requests allowed in the window of the scope."),
    "X-RateLimit-Remaining": (_WHOLE, "Requests left in it."),
    "X-RateLimit-Reset": (_WHOLE, "When the next one is free, in Unix seconds."),
    "X-RateLimit-Scope": (_TEXT, "Which limit that is: default, burst or a named one."),
    "Retry-After": (_WHOLE, "Seconds until asking again makes sense."),
    "ETag": (_TEXT, 'Names what was read, such as `"v17"`: send it back as If-Match.'),
    "Location": (_TEXT, "The address of what was made, or of the job that makes it."),
    "X-As-Of": (
        {"type": "string", "format": "date-time"},
        "Only where `as_of` was asked: the close, or the present moment, the answer speaks of.",
    ),
    "Idempotent-Replayed": (
        {"type": "string", "enum": ["true"]},
        "The key was known: this is the first answer again, and nothing was done twice.",
    ),
}

# status: name of the component, code of its example, what it means
REFUSALS: dict[int, tuple[str, str, str]] = {
    400: ("BadRequest", "validation_error", "A value, a parameter or the JSON is wrong."),
    401: ("NotAuthenticated", "not_authenticated", "Nobody is signed in, or the token has ended."),
    403: ("NotPermitted", "permission_denied", "You see it, and may not do this."),
    404: ("NotFound", "not_found", "It does not exist, or it is not yours."),
    409: ("Conflict", "conflict", "It contradicts what is there; `code` and `detail` say what."),
    412: (
        "VersionMismatch",
        "version_mismatch",
        "It was changed since you read it; `object` is what stands now.",
    ),
    413: ("TooLarge", "too_large", "More bytes, rows or items than are read."),
    415: ("UnsupportedMediaType", "unsupported_media_type", "The body is of a kind not read here."),
    422: (
        "Refused",
        "insufficient_data",
        "Understood and refused: too little data, a failed check, a reused key or bad rows.",
    ),
    428: ("VersionRequired", "precondition_required", "Send If-Match with the ETag you read."),
    429: ("TooManyRequests", "throttled", "A rate limit is reached: X-RateLimit-Scope says which."),
    503: (
        "Unavailable",
        "upstream_unavailable",
        "The database, the live store or a source is away or busy. Nothing was done.",
    ),
}
_WAITS = (429, 503)
# of the conflicts only one passes by itself
_IN_PROGRESS = {
    "description": "Only with `code` idempotency_in_progress: seconds until the request that came "
    "first, with the same key, has ended. No other conflict goes away by waiting.",
    "schema": _WHOLE,
}
_GIVEN = {
    "200": "What is there, or was done.",
    "201": "What was made.",
    "202": "Taken up, not done yet.",
    "207": "A result for each item.",
}

_KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^(?!auto-)[A-Za-z0-9_-]{8,64}$"},
    OpenApiParameter.HEADER,
    description="A name of your own for this request: sent again, it gives the first answer again "
    "and does nothing twice. With another body it is refused with 422.",
)
_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match",
    {"type": "string"},
    OpenApiParameter.HEADER,
    description="The ETag you have: the answer is 304 without a body where it still stands.",
)
_IF_MATCH = "The ETag you read: a row that was changed since then answers 412."


def asked(wanted: Op, method: str, tags: str) -> list[OpenApiParameter]:
    """The request headers an operation understands."""
    found = []
    if method == "POST" and wanted.keyed:
        found.append(_KEY)
    if tags == registry.UNCHANGED:
        found.append(_IF_NONE_MATCH)
    if tags in (registry.CHECKED, registry.REQUIRED):
        required = tags == registry.REQUIRED
        words = _IF_MATCH + (" Required." if required else " Any version without it.")
        found.append(
            OpenApiParameter(
                "If-Match",
                {"type": "string"},
                OpenApiParameter.HEADER,
                required=required,
                description=words,
            )
        )
    return found


def refusals(wanted: Op, method: str, tags: str) -> list[int]:
    """The statuses with which an operation can refuse."""
    codes = {400, 404, 429, 503, *wanted.refuses}
    if wanted.kind != PUBLIC:
        codes |= {401, 403}
    if method != "GET":
        codes |= {409, 413, 415, 422}
    if tags in (registry.CHECKED, registry.REQUIRED):
        codes.add(412)
    if tags == registry.REQUIRED:
        codes.add(428)
    return sorted(codes)


def complete(found: dict[str, Any], wanted: Op, method: str, tags: str) -> None:
    """Add headers, 304 and refusals to the answers of an operation."""
    answers = found["responses"]
    if tags == registry.UNCHANGED:
        answers["304"] = {"description": "What you have still stands."}
    for status, answer in answers.items():
        answer["description"] = answer.get("description") or _GIVEN.get(status, "")
        names = list(_LIMITS)
        if tags and status in ("200", "304"):
            names.append("ETag")
        if "as_of" in wanted.query and status[0] == "2":
            names.append("X-As-Of")
        if method == "POST" and wanted.keyed and status[0] == "2":
            names.append("Idempotent-Replayed")
        answer.setdefault("headers", {}).update({name: _header(name) for name in names})
    for code in refusals(wanted, method, tags):
        answers.setdefault(str(code), {"$ref": f"#/components/responses/{REFUSALS[code][0]}"})


def lead(answer: dict[str, Any], *names: str) -> None:
    """Add headers to one answer."""
    answer.setdefault("headers", {}).update({name: _header(name) for name in names})


def who_may(wanted: Op) -> str:
    """Who may call an operation, in a sentence."""
    scope = f"; a token needs scope `{wanted.word}`" if wanted.kind != "portfolio" else ""
    scope = scope if wanted.word else ""
    told = {
        "public": "Anybody may ask.",
        "signed_in": f"Anybody who is signed in{scope}.",
        "staff": f"Staff only{scope}. Others get 403.",
        "operator": f"Operators only{scope}. Others get 403.",
        "portfolio": "Whoever sees the portfolio; for others it does not exist.",
    }[wanted.kind]
    if wanted.kind == "portfolio" and wanted.word != "view":
        told = (
            f"Whoever may `{wanted.word}` in the portfolio. Those who only see it get 403; for "
            "others it does not exist."
        )
    return f"{told} {wanted.operators}".strip()


def components() -> dict[str, Any]:
    """The headers and refusals every operation points to."""
    headers = {
        name: {"description": words, "schema": dict(schema)}
        for name, (schema, words) in HEADERS.items()
    }
    return {"headers": headers, "responses": {each[0]: _refusal(s) for s, each in REFUSALS.items()}}


def limits_of(wanted: Op, limits: dict[str, tuple[int, int]]) -> str:
    """The rate limit of its own an operation has, in a sentence."""
    if not wanted.limit:
        return ""
    most, span = limits[wanted.limit]
    within = {60: "a minute", 3600: "an hour", 86_400: "a day"}.get(span, f"in {span} s")
    return f"Rate limit `{wanted.limit}`: {most} {within}."


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _refusal(status: int) -> dict[str, Any]:
    _, code, words = REFUSALS[status]
    names = [*_LIMITS, *(["Retry-After"] if status in _WAITS else [])]
    example: dict[str, Any] = {
        "type": f"/api/problems/{code.removesuffix('_error').replace('_', '-')}",
        "title": words.partition(":")[0].rstrip("."),
        "status": status,
        "code": code,
        "detail": words,
        "instance": "/api/v1/…",
        "request_id": "01JD8EXAMPLE",
        "errors": [],
    }
    if status == 400:
        example["errors"] = [
            {"attr": "quantity", "code": "above_zero", "detail": "Must be greater than 0."}
        ]
    if status == 413:
        words += f" JSON has at most {parsers.MAX_BYTES // 1_000_000} MB."
    headers: dict[str, Any] = {name: _header(name) for name in names}
    if status == 409:
        headers["Retry-After"] = dict(_IN_PROGRESS)
    return {
        "description": words,
        "headers": headers,
        "content": {"application/problem+json": {"schema": _PROBLEM, "example": example}},
    }
