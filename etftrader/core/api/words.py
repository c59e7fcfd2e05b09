"""Words for fields: a sentence and a unit, put beside every field that says nothing of itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_MEASURED = ("number", "integer", "string")
_SPOKEN = {"description"}


@dataclass(frozen=True, slots=True)
class Word:
    """What a field is, and what it is counted in."""

    text: str
    unit: str = ""


# by the field's name, wherever it stands
WORDS: dict[str, Word] = {}
# by field and place, where the name means something of its own there
AT: dict[str, dict[str, Word]] = {}


def learn(words: Mapping[str, Word], places: Iterable[str] = ()) -> None:
    """Add words of fields.

    Parameters
    ----------
    words : mapping
        By the field's name.
    places : iterable of str
        Where they hold; everywhere without it. A place is a component, or an object within one:
        `PortfolioRisk.data.limits`, lists left out. `*` stands for any part: `PreTrade*`.
    """
    if not places:
        WORDS.update(words)
    for place in places:
        for field, word in words.items():
            AT.setdefault(field, {})[place] = word


def say(result: dict[str, Any]) -> None:
    """Describe the fields of every component."""
    for name, schema in result["components"]["schemas"].items():
        _fields(name, schema)


def word_for(place: str, field: str) -> Word | None:
    """What is said of a field: at exactly that place, by the longest pattern, or by its name."""
    known = AT.get(field, {})
    if place in known:
        return known[place]
    fits = [(len(each), each) for each in known if fnmatchcase(place, each)]
    return known[max(fits)[1]] if fits else WORDS.get(field)


def _fields(place: str, schema: dict[str, Any]) -> None:
    for name, each in schema.get("properties", {}).items():
        word = word_for(place, name)
        if word:
            _put(each, word)
        _fields(f"{place}.{name}", each)
    ways = (schema.get("items"), schema.get("additionalProperties"), *schema.get("anyOf", ()))
    for inner in ways:
        if isinstance(inner, dict):
            _fields(place, inner)


def _put(field: dict[str, Any], word: Word) -> None:
    before = field.get("description", "")
    anything = not set(field) - _SPOKEN  # null in its example: a figure all the same
    if not before:
        field["description"] = word.text
    elif before.startswith("* `"):  # the library's list of choices
        field["description"] = f"{word.text}\n\n{before}"
    kinds = field.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if word.unit and (anything or any(kind in _MEASURED for kind in kinds)):
        field["x-unit"] = word.unit
