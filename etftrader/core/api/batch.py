"""Many at once: all or nothing, or each by itself."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from etftrader.core.api.parsers import TooLarge
from etftrader.core.api.problems import ProblemHandler
from etftrader.core.errors import BadInput, DomainError

MAX_ITEMS = 500


def create(
    request: Any,
    *,
    serializer: type[BaseSerializer],
    make: Callable[[dict[str, Any]], dict[str, Any]],
) -> Response:
    """Create every item of a JSON array.

    Parameters
    ----------
    request : Request
        `?partial=true` gives each item its own savepoint; declare `partial` in the operation.
    serializer : type
        Checks one item.
    make : callable
        Creates one item and returns its document; it may raise DomainError.

    Returns
    -------
    Response
        201 with the documents in order, or 207 with a result per item.
    """
    items = request.data
    if not isinstance(items, list):
        raise ParseError("A batch is a JSON array.")
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"A batch has at most {MAX_ITEMS} items. Use an import for more.")
    if request.query_params.get("partial") == "true":
        return _each(items, serializer, make)
    asked = serializer(data=items, many=True, allow_empty=False)
    asked.is_valid(raise_exception=True)
    with transaction.atomic():
        documents = [_named(index, make, item) for index, item in enumerate(asked.validated_data)]
    return Response(documents, 201)


def _named(
    index: int, make: Callable[[dict[str, Any]], dict[str, Any]], item: dict[str, Any]
) -> dict[str, Any]:
    try:
        return make(item)
    except DomainError as error:
        attr = error.figures.pop("attr", "")
        raise BadInput(
            error.detail,
            code=error.code,
            attr=f"{index}.{attr}" if attr else str(index),
            **error.figures,
        ) from error


def _each(items: list[Any], serializer: type[BaseSerializer], make: Any) -> Response:
    results = []
    for index, item in enumerate(items):
        asked = serializer(data=item)
        try:
            asked.is_valid(raise_exception=True)
            with transaction.atomic():
                document = make(asked.validated_data)
        except (DomainError, ValidationError, IntegrityError) as error:
            results.append(_failed(index, error))
        else:
            results.append({"index": index, "status": 201, "object": document})
    created = sum(each["status"] == 201 for each in results)
    summary = {"created": created, "failed": len(items) - created}
    return Response({"results": results, "summary": summary}, 207)


def _failed(index: int, error: Exception) -> dict[str, Any]:
    handler = ProblemHandler(error, {"view": None, "args": (), "kwargs": {}, "request": None})  # type: ignore[typeddict-item]
    known = handler.convert_known_exceptions(error)
    assert isinstance(known, APIException)
    document = handler.format_exception(known)
    errors = document["errors"] or [
        {"attr": None, "code": document["code"], "detail": document["detail"]}
    ]
    return {"index": index, "status": known.status_code, "errors": errors}
