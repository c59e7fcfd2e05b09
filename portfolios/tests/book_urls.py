"""The addresses the tests of the books need: their own, and names their pages link to."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from portfolios.api.urls import urlpatterns as api_urls
from portfolios.urls import urlpatterns as page_urls


def elsewhere(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """A page of another app."""
    return HttpResponse("elsewhere")


OF_A_PORTFOLIO = ("overview", "positions", "trade", "orders", "trades", "risk", "costs")
ALONE = ("dashboard", "data", "jobs", "advance", "glossary", "alerts")
urlpatterns = [
    *page_urls,
    path("api/v1/", include(api_urls)),
    path("quotes/<str:symbol>/", elsewhere, name="quote"),
    path("p/<uuid:portfolio_id>/trades/<uuid:trade_id>/", elsewhere, name="trade_detail"),
    *(path(f"p/<uuid:portfolio_id>/{name}/", elsewhere, name=name) for name in OF_A_PORTFOLIO),
    *(path(f"{name}/", elsewhere, name=name) for name in ALONE),
]
