"""One URL, two renderings: the page, or the one panel htmx asks for; refusals as messages."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.core.paginator import Page
from django.forms import BaseForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from etftrader.core import table_files
from etftrader.core.errors import DomainError

UNPROCESSABLE = 422
SEE_OTHER = 303


def is_fragment(request: HttpRequest) -> bool:
    """True for an htmx request that is not a history restore (which needs the whole page)."""
    headers = request.headers
    return headers.get("HX-Request") == "true" and (
        headers.get("HX-History-Restore-Request") != "true"
    )


def paged(
    page: Page,
    *,
    key: str,
    caption: str,
    columns: Sequence[Mapping[str, Any]],
    row: Callable[[Any], Mapping[str, Any]],
    query: str = "",
    empty: str,
) -> dict[str, Any]:
    """One page of rows as the table partial draws it; `query` keeps the filter while paging."""
    return {
        "id": key,
        "caption": caption,
        "columns": columns,
        "rows": [row(each) for each in page.object_list],
        "page": page,
        "query": query,
        "empty": {"text": empty},
    }


def render_page(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    *,
    panels: Mapping[str, str] | None = None,
    status: int = 200,
) -> HttpResponse:
    """Answer with the page, or with the panel named by `?panel=` when htmx asks.

    `?export=` names a table of the page: the answer is that table as a file.

    Parameters
    ----------
    request : HttpRequest
        A browser that follows the same address without htmx gets the whole page.
    template : str
        The page.
    context : mapping
        For both renderings.
    panels : mapping of str to str, optional
        Name of a panel to its template.
    status : int
        Of the answer.

    Returns
    -------
    HttpResponse
        With `Vary: HX-Request`, because caches must keep the two apart.

    Raises
    ------
    Http404
        htmx asked for a panel this page does not have.
    """
    if status < UNPROCESSABLE and table_files.wanted(request):
        return table_files.answer(request, context)
    name = request.GET.get("panel", "")
    if name and is_fragment(request):
        if name not in (panels or {}):
            raise Http404(f"This page has no panel {name}.")
        template = (panels or {})[name]
    response = render(request, template, dict(context), status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def render_refusal(
    request: HttpRequest,
    template: str,
    context: Mapping[str, Any],
    error: DomainError,
    *,
    form: BaseForm | None = None,
    panels: Mapping[str, str] | None = None,
) -> HttpResponse:
    """The page again with what was refused and why; the form keeps what was typed.

    The sentence goes beside the field it names, else on the form, and is a message without one.
    The template also gets `refusal` (code, detail, figures).
    """
    if form is None:
        messages.error(request, error.detail)
    else:
        name = str(error.figures.get("attr", ""))
        shown = name in form.fields and not form[name].is_hidden
        form.add_error(name if shown else None, error.detail)
    refusal = {"code": error.code, "detail": error.detail, "figures": error.figures}
    told = {**context, "refusal": refusal}
    return render_page(request, template, told, panels=panels, status=UNPROCESSABLE)


def done(request: HttpRequest, url: str, message: str = "") -> HttpResponse:
    """After a write: go to `url` (303, or `HX-Redirect` for htmx) and say what happened."""
    if message:
        messages.success(request, message)
    if is_fragment(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponse(status=SEE_OTHER, headers={"Location": url})
