"""Pages, filters and ordering of lists; a query parameter nobody declared is refused."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django_filters import ModelChoiceFilter, ModelMultipleChoiceFilter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import NotFound as PageNotFound
from rest_framework.pagination import CursorPagination, LimitOffsetPagination

from etftrader.core.api.registry import declared
from etftrader.core.errors import BadInput

DEFAULT_LIMIT, MAX_LIMIT = 100, 1000
MAX_OFFSET = 10_000_000


def bounded(request: Any, name: str, default: int, *, low: int, high: int) -> int:
    """A whole number of the query within bounds. Raises BadInput."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and low <= int(text) <= high):
        raise BadInput(f"{name} is a whole number from {low} to {high}.", attr=name)
    return int(text)


class Pages(LimitOffsetPagination):
    """limit and offset, for sets people browse."""

    default_limit, max_limit = DEFAULT_LIMIT, MAX_LIMIT
    names = ("limit", "offset")

    def get_limit(self, request: Any) -> int:
        """1 to 1,000; beyond is refused rather than cut."""
        return bounded(request, "limit", DEFAULT_LIMIT, low=1, high=MAX_LIMIT)

    def get_offset(self, request: Any) -> int:
        """Where the page begins."""
        return bounded(request, "offset", 0, low=0, high=MAX_OFFSET)


class CursorPages(CursorPagination):
    """A cursor, for lists that only grow; the view's `cursor_ordering` ends in a unique field."""

    page_size, max_page_size = DEFAULT_LIMIT, MAX_LIMIT
    page_size_query_param = "limit"
    ordering = ("-pk",)
    names = ("limit", "cursor")

    def get_page_size(self, request: Any) -> int:
        """1 to 1,000."""
        return bounded(request, "limit", DEFAULT_LIMIT, low=1, high=MAX_LIMIT)

    def get_ordering(self, request: Any, queryset: Any, view: Any) -> tuple[str, ...]:
        """The view's own, never the client's: a cursor belongs to one order."""
        return tuple(getattr(view, "cursor_ordering", self.ordering))

    def decode_cursor(self, request: Any) -> Any:
        """A made-up cursor is a bad value."""
        try:
            return super().decode_cursor(request)
        except (PageNotFound, OverflowError) as error:
            raise BadInput("This cursor is not one of ours.", attr="cursor") from error


class StrictFilters(DjangoFilterBackend):
    """The view's filter set, then its ordering from an allow-list."""

    def get_filterset_class(self, view: Any, queryset: Any = None) -> Any:
        """The view's filters. A filter that looks a related row up would tell which ids exist."""
        found = super().get_filterset_class(view, queryset)
        for name, each in found.base_filters.items() if found else ():
            if isinstance(each, ModelChoiceFilter | ModelMultipleChoiceFilter):
                raise ImproperlyConfigured(f"{view.__class__.__name__}: {name} is a relation")
        return found

    def filter_queryset(self, request: Any, queryset: Any, view: Any) -> Any:
        """Filter and order."""
        if getattr(view, "filterset_class", None) or getattr(view, "filterset_fields", None):
            queryset = super().filter_queryset(request, queryset, view)
        wanted = ordering(request, view)
        return queryset.order_by(*wanted, "pk") if wanted else queryset


def ordering(request: Any, view: Any) -> tuple[str, ...]:
    """What `ordering=` asks, from the view's `ordering_fields`. Raises BadInput."""
    text = request.query_params.get("ordering")
    if not text:
        return tuple(getattr(view, "ordering", ()))
    allowed = tuple(getattr(view, "ordering_fields", ()))
    wanted = tuple(word.strip() for word in text.split(",") if word.strip())
    unknown = [word for word in wanted if word.removeprefix("-") not in allowed]
    if unknown:
        raise BadInput(
            f"Cannot order by {unknown[0][:60]}.",
            code="unknown_parameter",
            attr="ordering",
            valid=sorted(allowed),
        )
    return wanted


def known_parameters(view: Any, method: str) -> tuple[str, ...]:
    """Every query parameter an operation understands."""
    wanted = declared(view, method)
    names = list(wanted.query) if wanted else []
    if wanted and wanted.lists and method in ("GET", "HEAD"):
        names += getattr(view.pagination_class, "names", ())
        names += filters_of(view)
        names += ["ordering"] if getattr(view, "ordering_fields", ()) else []
        names += ["format"]
    return tuple(dict.fromkeys(names))


def filters_of(view: Any) -> list[str]:
    """The filters a list of this view understands."""
    filterset = getattr(view, "filterset_class", None)
    if filterset is not None:
        return list(filterset.base_filters)
    fields = getattr(view, "filterset_fields", None) or ()
    if not isinstance(fields, dict):
        return list(fields)
    return [
        name if lookup == "exact" else f"{name}__{lookup}"
        for name, lookups in fields.items()
        for lookup in lookups
    ]


def check_parameters(request: Any, view: Any) -> None:
    """Refuse unknown and repeated query parameters: a typing error must not widen an answer."""
    valid = known_parameters(view, request.method)
    for name, values in request.query_params.lists():
        if name not in valid:
            raise BadInput(
                f"{name[:60]} is not a parameter here.",
                code="unknown_parameter",
                attr=name[:60],
                valid=sorted(valid),
            )
        if any("\x00" in value for value in values):
            raise BadInput("Text must not contain the zero character.", attr=name)
