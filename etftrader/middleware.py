"""What every request passes: a request id, a live session, refusals as answers."""

import logging
import re
import secrets
from collections.abc import Callable

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from etftrader.core import clock, formats
from etftrader.core.api import problems
from etftrader.core.errors import DomainError
from etftrader.logs import request_id
from portfolios.services import browser_sessions

logger = logging.getLogger(__name__)

GetResponse = Callable[[HttpRequest], HttpResponse]
API = "/api/"
_SANE = re.compile(r"[A-Za-z0-9_.:-]{8,64}\Z")


class RequestIdMiddleware:
    """Takes a sane X-Request-Id or makes one; logs, problems and the answer carry it.

    A request speaks of dollars until a door opens a book kept in something else.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Set it around everything else."""
        told = request.headers.get("X-Request-Id", "")
        current = told if _SANE.match(told) else secrets.token_hex(12)
        request.request_id = current  # type: ignore[attr-defined]
        mark, spoken = request_id.set(current), formats.speak("USD")
        try:
            response = self.get_response(request)
        finally:
            request_id.reset(mark)
            formats.silence(spoken)
        response["X-Request-Id"] = current
        return response


class SessionVersionMiddleware:
    """Ends a browser session that is too old, was ended elsewhere, or outlived a password."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """A session that has ended is an anonymous request."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            over = browser_sessions.is_over(
                session=request.session, user=request.user, moment=clock.now()
            )
            if over:
                logout(request)
        return self.get_response(request)


class DomainErrorMiddleware:
    """Refusals that reach the top: a page with the sentence, a problem document for programs."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Whatever answers under /api with an error speaks problem+json."""
        response = self.get_response(request)
        if response.status_code < 400 or not request.path.startswith(API):
            return response
        if response.headers.get("Content-Type", "").startswith(problems.CONTENT_TYPE):
            return response
        told = problems.response(request, status=response.status_code)
        for name in ("Retry-After", "Allow", "WWW-Authenticate"):
            if name in response.headers:
                told[name] = response.headers[name]
        return told

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """What was said for people, and a store that is away or full; all else stays a fault."""
        if not isinstance(exception, DomainError):
            return _store_page(request, exception)
        if request.path.startswith(API):
            return problems.response(
                request,
                status=exception.status,
                code=exception.code,
                detail=exception.detail,
                **exception.figures,
            )
        return refusal_page(request, exception)


def _store_page(request: HttpRequest, exception: Exception) -> HttpResponse | None:
    """A page that asks nothing of the database; the API has its own handler."""
    fault = problems.of_store(exception)
    if fault is None or fault.status_code < 500 or request.path.startswith(API):
        return None
    logger.warning("store failed", extra={"error": str(exception)[:200]})
    page = render_to_string("503.html", {"detail": str(fault.detail), "status": fault.status_code})
    headers = {"Retry-After": str(problems.RETRY_S[503])}
    return HttpResponse(page, status=fault.status_code, headers=headers)


def refusal_page(request: HttpRequest, error: DomainError) -> HttpResponse:
    """A page of its own for a refusal no view has put beside its form."""
    template = {403: "403.html", 404: "404.html"}.get(error.status, "422.html")
    context = {"detail": error.detail, "code": error.code, "status": error.status}
    return render(request, template, context, status=error.status)
