"""Every refusal and failure as a problem document (RFC 9457): one shape, one map."""

import errno
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from django.core import exceptions as django_errors
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.db.models import ProtectedError, RestrictedError
from django.http import HttpRequest, JsonResponse
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler, exception_handler
from drf_standardized_errors.types import ErrorResponse
from rest_framework import exceptions
from rest_framework.response import Response

from etftrader.core.errors import BadInput, DomainError
from etftrader.core.livestate import LiveError
from etftrader.core.money import plain

CONTENT_TYPE = "application/problem+json"
RETRY_S = {503: 2, 409: 1}
_OUTER = frozenset(
    {"type", "title", "status", "detail", "instance", "code", "request_id", "errors"}
)
_OWN_CODES = frozenset({"unknown_parameter", "parse_error"})
_TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Not permitted",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    412: "Version mismatch",
    413: "Too large",
    415: "Unsupported media type",
    422: "Refused",
    428: "Version required",
    429: "Too many requests",
    503: "Unavailable",
    507: "Storage full",
}
_CODES = {
    400: "bad_request",
    401: "not_authenticated",
    403: "permission_denied",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    429: "throttled",
    503: "upstream_unavailable",
    507: "storage_full",
}


class Refusal(exceptions.APIException):
    """A DomainError in the framework's words; the figures stay beside it, `errors` are told."""

    def __init__(self, error: DomainError) -> None:
        super().__init__(detail=error.detail, code=error.code)
        self.status_code = error.status
        self.figures = error.figures
        if error.status == 401:
            self.auth_header = 'Bearer realm="api"'
        wait = error.figures.get("retry_after")
        if isinstance(wait, int | float):
            self.wait: float | None = math.ceil(wait)
        elif error.status == 503 or error.code == "idempotency_in_progress":
            self.wait = RETRY_S[error.status]


def _fault(status: int, code: str, detail: str) -> exceptions.APIException:
    fault = exceptions.APIException(detail=detail, code=code)
    fault.status_code = status
    fault.wait = RETRY_S.get(status) if status == 503 else None  # type: ignore[attr-defined]
    return fault


class ProblemHandler(ExceptionHandler):
    """DomainErrors become refusals, known failures of libraries get their status."""

    def convert_known_exceptions(self, exc: Exception) -> Exception:
        """Map an exception to one the formatter can write."""
        if isinstance(exc, DomainError):
            return Refusal(exc)
        if isinstance(exc, django_errors.ValidationError):
            return exceptions.ValidationError(exc.messages)
        found = of_store(exc) or _of_input(exc)
        return found or super().convert_known_exceptions(exc)

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        """The document with its own media type."""
        response = super().get_response(exc, data)
        response.content_type = CONTENT_TYPE
        return response


def of_store(exc: Exception) -> exceptions.APIException | None:
    """What a failure of a store is told as: away or busy 503, full 507, conflict 409, range 400."""
    text = str(exc)
    if (isinstance(exc, OSError) and exc.errno == errno.ENOSPC) or "disk is full" in text:
        return _fault(507, "storage_full", "There is no room to store this.")
    if isinstance(exc, IntegrityError | ProtectedError | RestrictedError):
        return _fault(409, "conflict", "Something else already stands there or depends on it.")
    if isinstance(exc, DataError):
        return _fault(400, "validation_error", "A value is out of range.")
    if isinstance(exc, OperationalError | InterfaceError):
        return _fault(503, "upstream_unavailable", "The database is busy or away. Try again.")
    if isinstance(exc, LiveError):
        return _fault(503, "upstream_unavailable", "The live store is away. Try again.")
    return None


def _of_input(exc: Exception) -> exceptions.APIException | None:
    if isinstance(exc, OverflowError | RecursionError | UnicodeError):
        return _fault(400, "validation_error", "A value is out of range or not plain text.")
    if isinstance(exc, django_errors.RequestDataTooBig):
        return _fault(413, "too_large", "The request is larger than allowed.")
    if isinstance(exc, django_errors.SuspiciousOperation):
        return _fault(400, "bad_request", "The request is malformed.")
    return None


class ProblemFormatter(ExceptionFormatter):
    """Writes the outer members; the figures of a refusal become extension members."""

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        """The document of this exception."""
        status = self.exc.status_code
        figures = dict(getattr(self.exc, "figures", {}))
        errors = [
            {"attr": each.attr, "code": each.code, "detail": each.detail}
            for each in error_response.errors
        ]
        code, detail = errors[0]["code"], errors[0]["detail"]
        if isinstance(self.exc, exceptions.ValidationError):
            code, detail = "validation_error", _count(len(errors), detail)
        elif isinstance(self.original_exc, BadInput):
            errors[0] |= _field(figures)
            code = code if code in _OWN_CODES else BadInput.code
        elif status >= 500 and not isinstance(self.exc, Refusal):
            code = "internal_error" if status == 500 else code
            errors = []
            detail = "Something failed on our side." if status == 500 else detail
        elif not isinstance(self.exc, Refusal):
            code, errors = _CODES.get(status, code) if status != 400 else code, []
        else:
            errors = list(figures.pop("errors", ()))
        request = self.context.get("request")
        return document(
            request, status=status, code=str(code), detail=str(detail), errors=errors, **figures
        )


def _count(number: int, detail: Any) -> str:
    return str(detail) if number == 1 else f"{number} fields are invalid."


def _field(figures: dict[str, Any]) -> dict[str, Any]:
    """The place of a bad value, and what was probably meant."""
    found: dict[str, Any] = {"attr": figures.pop("attr", None)}
    suggestions = figures.get("suggestions")
    if suggestions:
        found["hint"] = f"Did you mean {', '.join(map(str, suggestions[:3]))}?"
    elif "hint" in figures:
        found["hint"] = figures.pop("hint")
    return found


def document(
    request: Any,
    *,
    status: int,
    code: str = "",
    detail: str = "",
    errors: list[dict[str, Any]] | None = None,
    **figures: Any,
) -> dict[str, Any]:
    """A problem document.

    Parameters
    ----------
    request : HttpRequest or Request
        Gives `instance` and `request_id`.
    status : int
        The answer's HTTP status.
    code, detail : str
        A stable word and a sentence; the status's own where they are empty.
    errors : list of dict, optional
        Per field: attr, code, detail and perhaps hint.
    **figures
        Extension members; amounts become decimal strings.

    Returns
    -------
    dict
        Ready for JSON.
    """
    code = code or _CODES.get(status, "error")
    title = "Validation failed" if code == "validation_error" else _TITLES.get(status, "Failed")
    extra = {name: _plain(value) for name, value in figures.items() if name not in _OUTER}
    return {
        "type": f"/api/problems/{code.removesuffix('_error').replace('_', '-').lower()}",
        "title": title,
        "status": status,
        "code": code,
        "detail": detail or title,
        "instance": getattr(request, "path", ""),
        "request_id": getattr(request, "request_id", ""),
        "errors": errors or [],
        **extra,
    }


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return plain(value) if value.is_finite() else None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def response(request: HttpRequest, *, status: int, **parts: Any) -> JsonResponse:
    """A problem answer outside the framework: unknown address, middleware, failed CSRF."""
    return JsonResponse(
        document(request, status=status, **parts),
        status=status,
        content_type=CONTENT_TYPE,
        encoder=DjangoJSONEncoder,
    )


def handle(exc: Exception, context: Any) -> Response | None:
    """The framework's EXCEPTION_HANDLER."""
    return exception_handler(exc, context)
