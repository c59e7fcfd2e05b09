"""The addresses these tests need, by themselves."""

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from portfolios.account_urls import account_urls
from portfolios.api.auth_urls import auth_urlpatterns


def home(request: HttpRequest) -> HttpResponse:
    """Where a sign-in leads."""
    return HttpResponse(request.user.get_username())


urlpatterns = [
    path("", home, name="dashboard"),
    *account_urls,
    path("api/v1/", include(auth_urlpatterns)),
]
