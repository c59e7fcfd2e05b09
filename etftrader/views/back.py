"""Where a button stood: the page that is shown again after its act, or the panel in its place."""

from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils.http import url_has_allowed_host_and_scheme

from etftrader.core.pages import is_fragment


def back(request: HttpRequest, otherwise: str) -> str:
    """The path and query of our own page that sent this request, else another address."""
    told = request.headers.get("Referer", "")
    safe = url_has_allowed_host_and_scheme(
        told, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not safe:
        return otherwise
    parts = urlsplit(told)
    if not parts.path.startswith("/") or parts.path.startswith("//"):
        return otherwise
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def in_place(request: HttpRequest, target: str) -> bool:
    """Whether the answer is put into one element of the page, rather than be a page."""
    return is_fragment(request) and request.headers.get("HX-Target") == target
