"""Many at once: all or nothing, or each by itself."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, transaction
from rest_framework import serializers
from rest_framework.exceptions import APIException, ParseError, ValidationError
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from etftrader.core.api import parameters
from etftrader.core.api.fields import StrictSerializer, WholeField
from etftrader.core.api.parsers import TooLarge
from etftrader.core.api.problems import ProblemHandler
from etftrader.core.errors import BadInput, DomainError

MAX_ITEMS = 500
MAX_KEY = 100
PARTIAL = {
    "partial": parameters.flag(
        "true answers each item by itself and keeps the good ones; without it one bad item "
        "refuses them all."
    )
}

Document = dict[str, Any]
Done = Document | tuple[Document, int]  # with a status of its own, where the batch is partial


class Keyed(StrictSerializer):
    """Which row an item means: its id, and perhaps the version that was read."""

    id = serializers.CharField(max_length=MAX_KEY)
    version = WholeField(required=False)


def create(
    request: Any,
    *,
    serializer: type[BaseSerializer],
    make: Callable[[dict[str, Any]], Done],
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
    return _each_of(request, _items(request), serializer, make, 201, "created")


def change(
    request: Any,
    *,
    serializer: type[Keyed],
    alter: Callable[[str, int | None, dict[str, Any]], Done],
) -> Response:
    """Change every row a JSON array names: `{"id", "version", …fields}`.

    Parameters
    ----------
    request : Request
        As for `create`.
    serializer : type
        Keyed with the fields that may change, none of them required.
    alter : callable
        Changes the row of (id, version, fields) and returns its document; it may raise
        DomainError, VersionMismatch for a version that has moved on.

    Returns
    -------
    Response
        200 with the documents in order, or 207 with a result per item.
    """

    def one(item: dict[str, Any]) -> Done:
        fields = {name: value for name, value in item.items() if name not in ("id", "version")}
        return alter(item["id"], item.get("version"), fields)

    items = _items(request)
    _once(items)
    return _each_of(request, items, serializer, one, 200, "changed")


def remove(request: Any, *, drop: Callable[[str, int | None], Document]) -> Response:
    """Take out every row a JSON array names, by id or by `{"id", "version"}`.

    Parameters
    ----------
    request : Request
        As for `create`.
    drop : callable
        Takes out the row of (id, version) and returns its last document; it may raise
        DomainError.

    Returns
    -------
    Response
        200 with the documents in order, or 207 with a result per item.
    """
    items = [{"id": each} if isinstance(each, str) else each for each in _items(request)]
    _once(items)
    return _each_of(
        request, items, Keyed, lambda item: drop(item["id"], item.get("version")), 200, "deleted"
    )


def is_partial(request: Any) -> bool:
    """Whether each item stands by itself. Raises BadInput for what is neither true nor false."""
    text = request.query_params.get("partial", "false")
    if text not in ("true", "false"):
        raise BadInput("partial is true or false.", attr="partial")
    return text == "true"


def _items(request: Any) -> list[Any]:
    items = request.data
    if not isinstance(items, list):
        raise ParseError("A batch is a JSON array.")
    if len(items) > MAX_ITEMS:
        raise TooLarge(f"A batch has at most {MAX_ITEMS} items. Use an import for more.")
    return items


def _once(items: list[Any]) -> None:
    """Refuse a row that is named twice: which of the two would count?"""
    seen: set[str] = set()
    for index, item in enumerate(items):
        key = str(item.get("id")) if isinstance(item, dict) else ""
        if key and key in seen:
            raise BadInput("The same id stands in this batch before.", attr=f"{index}.id")
        seen.add(key)


def _each_of(
    request: Any,
    items: list[Any],
    serializer: type[BaseSerializer],
    act: Callable[[dict[str, Any]], Done],
    status: int,
    done: str,
) -> Response:
    if is_partial(request):
        return _each(items, serializer, act, status, done)
    asked = serializer(data=items, many=True, allow_empty=False)
    asked.is_valid(raise_exception=True)
    with transaction.atomic():
        documents = [_named(index, act, item) for index, item in enumerate(asked.validated_data)]
    return Response(documents, status)


def _named(index: int, act: Callable[[dict[str, Any]], Done], item: dict[str, Any]) -> Document:
    try:
        done = act(item)
    except DomainError as error:
        figures = dict(error.figures)
        attr = figures.pop("attr", "")
        raise BadInput(
            error.detail,
            code=error.code,
            attr=f"{index}.{attr}" if attr else str(index),
            **figures,
        ) from error
    return done[0] if isinstance(done, tuple) else done


def _each(
    items: list[Any], serializer: type[BaseSerializer], act: Any, status: int, done: str
) -> Response:
    results = []
    for index, item in enumerate(items):
        asked = serializer(data=item)
        try:
            asked.is_valid(raise_exception=True)
            with transaction.atomic():
                answer = act(asked.validated_data)
        except (DomainError, ValidationError, IntegrityError) as error:
            results.append(_failed(index, error))
        else:
            document, own = answer if isinstance(answer, tuple) else (answer, status)
            results.append({"index": index, "status": own, "object": document})
    good = sum(each["status"] < 300 for each in results)
    return Response({"results": results, "summary": {done: good, "failed": len(items) - good}}, 207)


def _failed(index: int, error: Exception) -> dict[str, Any]:
    handler = ProblemHandler(error, {"view": None, "args": (), "kwargs": {}, "request": None})  # type: ignore[typeddict-item]
    known = handler.convert_known_exceptions(error)
    assert isinstance(known, APIException)
    document = handler.format_exception(known)
    errors = document["errors"] or [
        {"attr": None, "code": document["code"], "detail": document["detail"]}
    ]
    return {"index": index, "status": known.status_code, "errors": errors}
