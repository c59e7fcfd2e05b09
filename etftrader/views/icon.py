"""The icon programs ask for at the root, whatever page they show."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.templatetags.static import static
from django.views.decorators.cache import cache_control


@cache_control(public=True, max_age=86_400)
def favicon(request: HttpRequest) -> HttpResponse:
    """Lead to the file under its hashed name."""
    return redirect(static("img/mark.ico"))
