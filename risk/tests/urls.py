"""The addresses the tests of risk need: its own, and names its pages link to."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from risk.api.urls import urlpatterns as api_urls
from risk.urls import urlpatterns as page_urls


def elsewhere(request: HttpRequest, **kwargs: object) -> HttpResponse:
    """A page of another app."""
    return HttpResponse("elsewhere")


OF_BOOKS = {"cash": "portfolio_cash", "greeks": "greeks", "settings": "portfolio_settings"}
NAMES = ("overview", "positions", "trade", "orders", "trades", "performance", "sharing")
urlpatterns = [
    *page_urls,
    path("api/v1/", include(api_urls)),
    *(path(f"portfolios/<uuid:portfolio_id>/{name}/", elsewhere, name=name) for name in NAMES),
    *(
        path(f"portfolios/<uuid:portfolio_id>/{tail}/", elsewhere, name=name)
        for tail, name in OF_BOOKS.items()
    ),
    *(
        path(f"{name}/", elsewhere, name=name)
        for name in (
            "dashboard",
            "data",
            "jobs",
            "advance",
            "glossary",
            "login",
            "logout",
            "import",
            "accounts",
        )
    ),
]
