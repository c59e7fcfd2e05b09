"""The glossary: every term, its unit and sign, how it is computed here."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse

from etftrader import glossary as terms
from etftrader.core.pages import render_page


@login_required
def glossary(request: HttpRequest) -> HttpResponse:
    """All terms by group."""
    return render_page(request, "etftrader/glossary.html", {"groups": terms.grouped()})
