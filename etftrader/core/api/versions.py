"""Versions of objects: ETag out, If-Match in."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rest_framework.response import Response

from etftrader.core.errors import PreconditionRequired, VersionMismatch


def etag(thing: Any) -> str:
    """The entity tag of a row with a version."""
    return f'"v{thing.version}"'


def tagged(response: Response, thing: Any) -> Response:
    """The answer with the row's entity tag."""
    response["ETag"] = etag(thing)
    return response


def is_unchanged(request: Any, thing: Any) -> bool:
    """Whether the client has this version already; answer 304 then."""
    return etag(thing) in _tags(request, "HTTP_IF_NONE_MATCH")


def check(request: Any, thing: Any, *, required: bool = False) -> int | None:
    """Refuse a change that was thought out on another version.

    Returns
    -------
    int or None
        The version the service has to find again under its lock; None where any will do.

    Raises
    ------
    PreconditionRequired
        `required`, and no If-Match was sent.
    VersionMismatch
        The row has moved on; `current` is its entity tag.
    """
    tags = _tags(request, "HTTP_IF_MATCH")
    if not tags:
        if required:
            raise PreconditionRequired("Send If-Match with the ETag you read.")
        return None
    if "*" in tags:
        return None
    if etag(thing) not in tags:
        raise VersionMismatch(
            "It was changed since you read it.", current=etag(thing), version=thing.version
        )
    return thing.version


@contextmanager
def telling(current: Callable[[], tuple[Any, Any]]) -> Iterator[None]:
    """Let a VersionMismatch from within carry the object as it stands now.

    Parameters
    ----------
    current : callable
        Answers the row (or whatever has its version) and the object's document, read anew.
    """
    try:
        yield
    except VersionMismatch as error:
        thing, document = current()
        told: dict[str, Any] = {"current": etag(thing), "version": thing.version}
        figures: dict[str, Any] = {**error.figures, **told, "object": document}
        raise VersionMismatch(error.detail, **figures) from error


def _tags(request: Any, header: str) -> list[str]:
    return [each.strip() for each in request.META.get(header, "").split(",") if each.strip()]
