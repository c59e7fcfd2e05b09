"""The page for a request that was refused before any view saw it."""

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from etftrader.core.pages import UNPROCESSABLE, is_fragment


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """413 with its sentence for what is larger than we read, else 400.

    Inside a page it is 422, which is put where the answer was awaited.
    """
    large = isinstance(exception, RequestDataTooBig)
    detail = "A file may have 10 MB." if large else "The request is malformed."
    if is_fragment(request):
        context = {"level": "bad", "text": detail}
        answer = render(request, "ui/banner.html", context, status=UNPROCESSABLE)
        answer["HX-Reswap"] = "innerHTML"
        return answer
    status = 413 if large else 400
    return render(request, "422.html", {"detail": detail, "status": status}, status=status)
