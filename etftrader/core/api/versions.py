"""Versions of objects: ETag out, If-Match in."""

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


def check(request: Any, thing: Any, *, required: bool = False) -> None:
    """Refuse a change that was thought out on another version.

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
        return
    if "*" not in tags and etag(thing) not in tags:
        raise VersionMismatch(
            "It was changed since you read it.", current=etag(thing), version=thing.version
        )


def _tags(request: Any, header: str) -> list[str]:
    return [each.strip() for each in request.META.get(header, "").split(",") if each.strip()]
