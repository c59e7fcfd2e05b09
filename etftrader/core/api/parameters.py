"""A sentence for every parameter: beside the operation where it is special, by rule elsewhere.

What an operation declares in `Op.query` and a view in `path_words` is said there; pages,
ordering and filters describe themselves.
"""

from collections.abc import Mapping
from typing import Any

from django_filters import rest_framework as filters

from etftrader.core.api import lists
from etftrader.core.api.registry import declared

MOST_CHOICES = 14
_PAGES = {
    "limit": f"Rows a page, 1 to {lists.MAX_LIMIT:,}; {lists.DEFAULT_LIMIT} without it.",
    "offset": "How many rows to leave out before the page begins.",
    "cursor": "Where the page begins: take it from `next` or `previous` of the page before.",
}
_LOOKUPS = {
    "exact": "Only rows with this {of}.",
    "iexact": "Only rows with this {of}, in upper or lower case.",
    "contains": "Only rows whose {of} contains this text.",
    "icontains": "Only rows whose {of} contains this text, in upper or lower case.",
    "istartswith": "Only rows whose {of} begins with this text, in upper or lower case.",
    "in": "Only rows whose {of} is one of these, separated by commas.",
    "gte": "Only rows whose {of} is this or {later}.",
    "gt": "Only rows whose {of} is {later} than this.",
    "lte": "Only rows whose {of} is this or {earlier}.",
    "lt": "Only rows whose {of} is {earlier} than this.",
    "isnull": "true: only rows without {of}; false: only rows with it.",
}
_SWITCH = "true: only rows that are {of}; false: only those that are not."
_IN_TIME = (filters.DateFilter, filters.DateTimeFilter, filters.IsoDateTimeFilter)


def of_path(view: Any, name: str) -> str:
    """What stands at this place of the path."""
    said = getattr(view, "path_words", {}).get(name)
    if said:
        return said
    thing = name.removesuffix("_id").replace("_", " ")
    return f"Id of the {thing}." if name.endswith("_id") else f"The {thing}."


def of_query(view: Any, method: str, name: str) -> str:
    """What this query parameter does; empty where nobody says."""
    wanted = declared(view, method)
    said = wanted.query if wanted else ()
    if isinstance(said, Mapping) and name in said:
        return said[name]
    if name == "ordering":
        fields = ", ".join(f"`{each}`" for each in view.ordering_fields)
        return f"Order of the rows: {fields}, several with commas; a leading minus turns it round."
    if name in _PAGES:
        return _PAGES[name]
    return _of_filter(view, name)


def _of_filter(view: Any, name: str) -> str:
    if name not in lists.filters_of(view):
        return ""
    known = lists.StrictFilters().get_filterset_class(view, _rows(view))
    found = known.base_filters.get(name) if known else None
    if found is None:  # a view that names fields and no model
        field, _, lookup = name.rpartition("__") if "__" in name else (name, "", "exact")
        return _sentence(field, lookup if lookup in _LOOKUPS else "exact")
    lookup = str(found.lookup_expr)
    of = name if lookup in ("exact", "iexact") else str(found.field_name)
    if isinstance(found, filters.BooleanFilter):
        return _SWITCH.format(of=of)
    words = _sentence(of, lookup, isinstance(found, _IN_TIME))
    choices = found.extra.get("choices") or ()
    values = [] if callable(choices) else [str(value) for value, _ in choices]
    if 0 < len(values) <= MOST_CHOICES and lookup == "exact":
        words += f" One of {', '.join(values)}."
    return words


def _rows(view: Any) -> Any:
    """An empty set of what the view lists, by which the filters know their fields."""
    found = getattr(view, "queryset", None)
    if found is None:
        model = getattr(getattr(view.serializer_class, "Meta", None), "model", None)
        found = model._default_manager.none() if model else None
    return found


def _sentence(of: str, lookup: str, in_time: bool = False) -> str:
    later, earlier = ("later", "earlier") if in_time else ("larger", "smaller")
    plain = of.replace("__", " ").replace("_", " ")
    return _LOOKUPS.get(lookup, _LOOKUPS["exact"]).format(of=plain, later=later, earlier=earlier)
