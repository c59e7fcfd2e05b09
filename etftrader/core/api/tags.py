"""Entity tags of documents with figures: the row's version, and a digest of what is served.

Their figures change from session to session while the row stays as it is, so its version alone
would be one tag for different documents. A change goes by the version, which every such tag names.
"""

import json
import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from rest_framework.response import Response

from etftrader.core.api import versions

_DIGEST = 8  # bytes
_TAG = re.compile(r'(?<!W/)"v(\d+)\.[0-9a-f]+"')


@dataclass(frozen=True, slots=True)
class _Served:
    version: str


def read(request: Any, row: Any, document: dict[str, Any]) -> Response:
    """The document of a row under its tag; 304 where the client has just that."""
    served = _served(row, document)
    if versions.is_unchanged(request, served):
        return versions.tagged(Response(status=304), served)
    return versions.tagged(Response(document), served)


def tagged(response: Response, row: Any, document: dict[str, Any]) -> Response:
    """The answer to a change, under the tag of the document that it carries."""
    return versions.tagged(response, _served(row, document))


def check(request: Any, row: Any, *, required: bool = False) -> int | None:
    """Refuse a change that was thought out on another version; the rest as `versions.check`."""
    named = _TAG.findall(request.META.get("HTTP_IF_MATCH", ""))
    if str(row.version) in named:
        return row.version
    return versions.check(request, row, required=required)


def _served(row: Any, document: dict[str, Any]) -> _Served:
    text = json.dumps(document, sort_keys=True, default=str)
    return _Served(f"{row.version}.{blake2b(text.encode(), digest_size=_DIGEST).hexdigest()}")
