"""ApiView: what every endpoint inherits."""

import re
from typing import Any

from django.http import Http404
from rest_framework.exceptions import APIException
from rest_framework.generics import GenericAPIView
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from etftrader.core.actor import Actor
from etftrader.core.api import exports, idempotent, lists
from etftrader.core.errors import DomainError, VersionMismatch

_VERSION = re.compile(r'"v(\d+)[".]')  # at the start of a tag; a digest may follow


class ApiView(GenericAPIView):
    """One address. Counts before it asks who may, refuses unknown query parameters, tells limits.

    Lists: set `filterset_class` or `filterset_fields`, `ordering_fields`, `pagination_class`
    (`Pages` or `CursorPages` with `cursor_ordering`) and answer with `self.listing(...)`.
    """

    tells_as_of = True  # False where the members of the answer are names of data

    @property
    def actor(self) -> Actor:
        """Who is asking."""
        return Actor.of(self.request)

    def perform_authentication(self, request: Any) -> None:
        """Count first: a wrong token costs a request too."""
        try:
            super().perform_authentication(request)
        except APIException:
            self.check_throttles(request)
            raise
        self.check_throttles(request)

    def initial(self, request: Any, *args: Any, **kwargs: Any) -> None:
        """After the framework's checks: the query, and a key under which nothing is kept."""
        super().initial(request, *args, **kwargs)
        lists.check_parameters(request, self)
        idempotent.check_unused(request, self)

    def handle_exception(self, exc: Exception) -> Response:
        """A 412 carries the object as it stands now, where the address can be read."""
        if isinstance(exc, VersionMismatch) and "object" not in exc.figures:
            try:
                exc = self._with_current(exc)
            except (DomainError, APIException, Http404) as reason:
                exc = reason  # it was deleted meanwhile
        return super().handle_exception(exc)

    def _with_current(self, refusal: VersionMismatch) -> VersionMismatch:
        read = getattr(self, "get", None)
        answer = read(self.request, *self.args, **self.kwargs) if read else None
        tag = answer["ETag"] if answer is not None and "ETag" in answer else ""
        named = _VERSION.match(tag)
        if answer is None or named is None or not answer.data:
            return refusal
        told: dict[str, Any] = {"current": tag, "version": int(named[1])}
        figures: dict[str, Any] = {**refusal.figures, **told, "object": answer.data}
        return VersionMismatch(refusal.detail, **figures)

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Every answer tells how much is left."""
        response = super().finalize_response(request, response, *args, **kwargs)
        plain = getattr(request, "_request", request)
        standing = getattr(plain, "rate_standing", None)
        for name, value in standing.headers().items() if standing else ():
            response.headers.setdefault(name, value)
        self._tell_as_of(plain, response)
        if "Cache-Control" not in response.headers:
            response.headers["Cache-Control"] = "private, no-store"
        return response

    def _tell_as_of(self, request: Any, response: Any) -> None:
        """Which moment an answer speaks of, where one was asked for."""
        said = getattr(request, "as_of_told", None)
        if said is None or response.status_code >= 400:
            return
        response.headers["X-As-Of"] = said
        document = getattr(response, "data", None)
        if self.tells_as_of and isinstance(document, dict):
            document.setdefault("as_of", said)

    def checked(self, serializer: type[BaseSerializer], **given: Any) -> dict[str, Any]:
        """The validated body. Raises ValidationError."""
        asked = serializer(data=self.request.data, **given)
        asked.is_valid(raise_exception=True)
        return asked.validated_data

    def shown(self, rows: Any) -> None:
        """Hear which rows a list is about to tell; views that keep account of it override this."""

    # a Response, or the plain answer that carries a file
    def listing(self, rows: Any, serializer: type[BaseSerializer], **context: Any) -> Any:
        """A page of a queryset or a list: filtered, ordered, cut; or all of it as a file."""
        told = {**self.get_serializer_context(), **context}

        def tell(part: Any) -> Any:
            self.shown(part)
            return serializer(part, many=True, context=told).data

        return self.listed(rows, tell)

    def listed(self, rows: Any, tell: exports.Tell) -> Any:
        """The same, with the documents of some rows told by a function; it says what is shown."""
        kind = exports.asked(self.request)
        if hasattr(rows, "order_by"):
            rows = self.filter_queryset(rows)
        if kind != exports.JSON:
            path = self.request.path
            return exports.answer(rows=rows, tell=tell, by=self.actor, path=path, kind=kind)
        return self.get_paginated_response(tell(self.paginate_queryset(rows) or []))
