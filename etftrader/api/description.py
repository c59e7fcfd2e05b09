"""The API described: /api/v1/schema for programs, /api/v1/docs and /api/v1/redoc for people."""

import json
import tomllib
from pathlib import Path
from typing import Any

from csp.constants import UNSAFE_INLINE
from csp.decorators import csp_update
from django.contrib.auth.views import redirect_to_login
from django.http import HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.decorators import method_decorator
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotAcceptable, NotAuthenticated
from rest_framework.response import Response

from etftrader import glossary
from etftrader.core.api import shapes, words
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.routes import route
from etftrader.core.api.views import ApiView
from etftrader.core.api.words import Word

DOCS = Path(__file__).resolve().parents[1] / "docs"


class _ForPeople(ApiView):
    """A browser that is not signed in is led to the sign-in page; programs get their problem."""

    def handle_exception(self, exc: Exception) -> Any:
        """Refusals of a visitor who asks for a page."""
        plain = self.request._request
        nobody = isinstance(exc, (NotAuthenticated, NotAcceptable)) and (
            not plain.user.is_authenticated
        )
        if nobody and "text/html" in plain.headers.get("Accept", ""):
            return redirect_to_login(plain.get_full_path())
        return super().handle_exception(exc)


@operation(get=Op("signed_in", summary="This description, as OpenAPI 3.1"))
class Description(_ForPeople):
    """GET /api/v1/schema: what the caller may call; staff operations for staff only."""

    renderer_classes = (OpenApiJsonRenderer, OpenApiYamlRenderer)

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """The document."""
        return Response(SchemaGenerator().get_schema(request=request, public=False))


@operation(get=Op("signed_in", summary="The description, to read and try"))
class Docs(_ForPeople):
    """GET /api/v1/docs: the page that draws the description."""

    @extend_schema(exclude=True)
    def get(self, request: Any) -> HttpResponse:
        """A page; calls made from it are the reader's own."""
        # without the frame of our pages, which reads books and prices
        context = {"csrf_token": get_token(request._request)}
        return HttpResponse(render_to_string("etftrader/api_docs.html", context))


@operation(get=Op("signed_in", summary="The description, to read in one piece"))
class Redoc(_ForPeople):
    """GET /api/v1/redoc: the description as a reference with its examples beside it."""

    @extend_schema(exclude=True)
    @method_decorator(csp_update({"style-src": [UNSAFE_INLINE]}))
    def get(self, request: Any) -> HttpResponse:
        """A page; its program writes style sheets of its own, which no other page may."""
        return HttpResponse(render_to_string("etftrader/api_redoc.html"))


def learn() -> None:
    """What the description says of fields and documents: the glossary, fields.toml, examples.

    The glossary's texts are those of the pages; a field that is no term of it, or means something
    of its own somewhere, stands in fields.toml as `[text, unit]` under the places it is said of.
    """
    terms = glossary.terms().values()
    words.learn({each.key: Word(each.tooltip, each.unit) for each in terms})
    fields = tomllib.loads((DOCS / "fields.toml").read_text(encoding="utf-8"))
    for places, said in fields.items():
        known = {name: _word(each) for name, each in said.items()}
        words.learn(known, () if places == "all" else places.split())
    shapes.tell(json.loads((DOCS / "examples.json").read_text(encoding="utf-8")))


def _word(said: str | list[str]) -> Word:
    return Word(said) if isinstance(said, str) else Word(*said)


learn()

description_urlpatterns = [
    *route("schema", Description, "api-schema"),
    *route("docs", Docs, "api-docs"),
    *route("redoc", Redoc, "api-redoc"),
]
