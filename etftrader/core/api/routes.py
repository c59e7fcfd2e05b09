"""Addresses of the API: written without a final slash, answered with and without one."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path, re_path
from django.views.decorators.csrf import csrf_exempt

from etftrader.core.api import problems


def route(address: str, view: Any, name: str) -> list[URLPattern]:
    """Two patterns of one view: the named one is canonical, neither redirects."""
    answer = view.as_view() if hasattr(view, "as_view") else view
    return [path(address, answer, name=name), path(f"{address}/", answer)]


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    """There is no such address; said without drawing a page."""
    return problems.response(request, status=404, detail="There is no such address.")


nowhere = re_path(r"^api/", unknown)  # the last pattern of the root
