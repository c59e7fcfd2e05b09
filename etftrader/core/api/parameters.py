"""A sentence and a type for every parameter: beside the operation if special, else by rule.

What an operation declares in `Op.query` and a view in `path_words` is said there; pages,
ordering and filters describe themselves.
"""

from collections.abc import Mapping
from typing import Any

from django_filters import rest_framework as filters

from etftrader.core.api import exports, lists
from etftrader.core.api.registry import declared

MOST_CHOICES = 14
_PAGES = {
    "limit": f"Rows a page, 1 to {lists.MAX_LIMIT:,}; {lists.DEFAULT_LIMIT} without it.",
    "offset": "How many rows to leave out before the page begins.",
    "format": "json, or every row of the filtered list as a file: csv, xlsx.",
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
_DATE = {"type": "string", "format": "date"}
_BY_NAME: dict[str, dict[str, Any]] = {
    "limit": {
        "type": "integer",
        "minimum": 1,
        "maximum": lists.MAX_LIMIT,
        "default": lists.DEFAULT_LIMIT,
    },
    "format": {"type": "string", "enum": list(exports.FORMATS), "default": exports.JSON},
    "offset": {"type": "integer", "minimum": 0, "maximum": lists.MAX_OFFSET, "default": 0},
}
# the first that fits; what is not here is text
_BY_FILTER: tuple[tuple[type, dict[str, Any]], ...] = (
    (filters.BaseInFilter, {"type": "array", "items": {"type": "string"}}),
    (filters.BooleanFilter, {"type": "boolean"}),
    (filters.UUIDFilter, {"type": "string", "format": "uuid"}),
    (filters.DateFilter, _DATE),
    (filters.DateTimeFilter, {"type": "string", "format": "date-time"}),
    (filters.NumberFilter, {"type": "number"}),
)


class Parameter(str):
    """The sentence of a query parameter, and its type: `Parameter("The day.", format="date")`."""

    schema: dict[str, Any]

    def __new__(cls, words: str, **schema: Any) -> "Parameter":
        """Keep the words as the text; `type` is string where nothing is said."""
        made = super().__new__(cls, words)
        made.schema = {"type": "string"} | schema
        return made


def flag(words: str) -> Parameter:
    """A parameter that is true or false."""
    return Parameter(words, type="boolean", default=False)


def day(words: str) -> Parameter:
    """A parameter that is a date."""
    return Parameter(words, format="date")


def several(words: str, most: int | None = None, **of: Any) -> Parameter:
    """A parameter of texts separated by commas."""
    bound = {"maxItems": most} if most else {}
    return Parameter(words, type="array", items={"type": "string"} | of, **bound)


def schema_of(view: Any, method: str, name: str) -> dict[str, Any]:
    """The type of a query parameter, as OpenAPI writes it."""
    wanted = declared(view, method)
    said = wanted.query if wanted else ()
    text = said.get(name) if isinstance(said, Mapping) else None
    if isinstance(text, Parameter):
        return dict(text.schema)
    if text is not None:
        return {"type": "string"}
    if name in _BY_NAME:
        return dict(_BY_NAME[name])
    if name == "ordering":
        ways = [f"{sign}{each}" for each in view.ordering_fields for sign in ("", "-")]
        return {"type": "array", "items": {"type": "string", "enum": ways}}
    return _of_column(_filter(view, name))


def _of_column(found: Any) -> dict[str, Any]:
    """The type of a filter."""
    kind = next((schema for each, schema in _BY_FILTER if isinstance(found, each)), None)
    values = _choices(found)
    if kind is None and values:
        return {"type": "string", "enum": values}
    if isinstance(found, filters.BaseInFilter) and values:
        return {"type": "array", "items": {"type": "string", "enum": values}}
    return dict(kind or {"type": "string"})


def _choices(found: Any) -> list[str]:
    choices = (found.extra.get("choices") or ()) if found is not None else ()
    return [] if callable(choices) else [str(value) for value, _ in choices]


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
    found = _filter(view, name)
    if found is None:  # a view that names fields and no model
        field, _, lookup = name.rpartition("__") if "__" in name else (name, "", "exact")
        return _sentence(field, lookup if lookup in _LOOKUPS else "exact")
    lookup = str(found.lookup_expr)
    of = name if lookup in ("exact", "iexact") else str(found.field_name)
    if isinstance(found, filters.BooleanFilter):
        return _SWITCH.format(of=of)
    words = _sentence(of, lookup, isinstance(found, _IN_TIME))
    values = _choices(found)
    if 0 < len(values) <= MOST_CHOICES and lookup == "exact":
        words += f" One of {', '.join(values)}."
    return words


def _filter(view: Any, name: str) -> Any:
    """The filter of this name; None where the view has none."""
    if name not in lists.filters_of(view):
        return None
    known = lists.StrictFilters().get_filterset_class(view, _rows(view))
    return known.base_filters.get(name) if known else None


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
