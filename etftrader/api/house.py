"""The house itself: audit, search, version, glossary, health."""

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response

from etftrader import glossary
from etftrader.core import audit
from etftrader.core.api import parameters
from etftrader.core.api.fields import MomentField
from etftrader.core.api.lists import CursorPages, bounded
from etftrader.core.api.registry import Op, operation
from etftrader.core.api.views import ApiView
from etftrader.core.errors import BadInput
from etftrader.core.records import AuditEvent
from etftrader.views import health
from marketdata.selectors import instruments
from portfolios.api.owned import OwnedView
from portfolios.models import Portfolio

PAGES = {
    "dashboard": "Dashboard",
    "portfolios": "Portfolios",
    "imports": "Imports",
    "alerts": "Alerts",
    "watchlists": "Watchlists",
    "data": "Data",
    "jobs": "Jobs",
    "quarantine": "Quarantine",
    "schedules": "Schedules",
    "glossary": "Glossary",
}
MAX_WORDS = 100
CHAIN = {"chain": "The chain to recheck: a portfolio's id, or site; all of them without it."}
WORDS = {
    "q": parameters.Parameter(
        "The words to look for, 1 to 100 characters.", minLength=1, maxLength=MAX_WORDS
    ),
    "limit": parameters.Parameter(
        "Hits of each kind, 1 to 50; 12 without it.",
        type="integer",
        minimum=1,
        maximum=50,
        default=12,
    ),
}


class AuditRow(serializers.ModelSerializer):
    """Who did what to which object."""

    recorded_at = MomentField()

    class Meta:
        model = AuditEvent
        fields = (
            "id",
            "chain",
            "seq",
            "actor_id",
            "actor_label",
            "action",
            "object_type",
            "object_id",
            "before",
            "after",
            "reason",
            "request_id",
            "recorded_at",
            "previous_hash",
            "hash",
        )


@operation(get=Op("staff", summary="The audit trail", lists=True))
class Audit(ApiView):
    """GET /audit: newest first."""

    serializer_class = AuditRow
    queryset = AuditEvent.objects.none()
    pagination_class = CursorPages
    cursor_ordering = ("-pk",)
    filterset_fields = {
        "chain": ["exact"],
        "action": ["exact"],
        "object_type": ["exact"],
        "object_id": ["exact"],
        "actor_id": ["exact"],
        "recorded_at": ["gte", "lt"],
    }

    def get(self, request: Any) -> Response:
        """A page of lines."""
        return self.listing(AuditEvent.objects.for_actor(self.actor), AuditRow)


@operation(get=Op("staff", summary="Recheck the audit chains", query=CHAIN, limit="export"))
class AuditVerify(ApiView):
    """GET /audit/verify: all chains, or one."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Whether every link holds; each broken chain by its first bad line."""
        chain = request.query_params.get("chain") or None
        problems = audit.verify(chain=chain)
        return Response({"chain": chain, "whole": not problems, "problems": problems})


@operation(get=Op("signed_in", summary="Search everything by words", query=WORDS, needs=("q",)))
class Search(OwnedView):
    """GET /search?q=: instruments, the portfolios you may see, pages."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """At most `limit` hits of each kind."""
        words = request.query_params.get("q", "").strip()
        if not 1 <= len(words) <= MAX_WORDS:
            raise BadInput(f"Search for 1 to {MAX_WORDS} characters.", attr="q")
        limit = bounded(request, "limit", 12, low=1, high=50)
        books = Portfolio.objects.for_actor(self.actor).open().filter(name__icontains=words)
        found = list(books.order_by("name", "pk")[:limit])
        self.shown(found)
        return Response(
            {
                "q": words,
                "instruments": [
                    {
                        "symbol": each.symbol,
                        "name": each.name,
                        "kind": each.kind,
                        "url": reverse("api-instrument", args=[each.symbol]),
                    }
                    for each in instruments.search(words, self.actor, limit=limit)
                ],
                "portfolios": [
                    {
                        "id": str(each.pk),
                        "name": each.name,
                        "url": reverse("api-portfolio", args=[each.pk]),
                    }
                    for each in found
                ],
                "pages": [
                    {"name": title, "url": reverse(name)}
                    for name, title in PAGES.items()
                    if words.lower() in title.lower()
                ][:limit],
            }
        )


@operation(get=Op("signed_in", summary="The version that answers"))
class Version(ApiView):
    """GET /version."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """Of the program and of the API."""
        return Response({"version": settings.CODE_VERSION, "api": "v1"})


@operation(get=Op("signed_in", summary="Every term with unit, sign and formula"))
class Glossary(ApiView):
    """GET /glossary."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> Response:
        """In the order of the page."""
        found = [asdict(term) for term in glossary.terms().values()]
        return Response({"count": len(found), "results": found})


@operation(get=Op("public", summary="Can it serve?"))
class Health(ApiView):
    """GET /health: the same answer as /health/ready."""

    @extend_schema(responses={200: dict})
    def get(self, request: Any) -> HttpResponse:
        """200, or 503 with the reason."""
        return health.ready(request._request)
