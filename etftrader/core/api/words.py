"""Words for fields: a sentence and a unit by name, put beside every field that says nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_MEASURED = ("number", "integer", "string")


@dataclass(frozen=True, slots=True)
class Word:
    """What a field is, and what it is counted in."""

    text: str
    unit: str = ""


# by the field's name
WORDS: dict[str, Word] = {}
# by field and part of a component's name, where the name means something of its own there
OF: dict[str, dict[str, Word]] = {}


def learn(words: Mapping[str, Word]) -> None:
    """Add words: `theta`, or `Option.theta` for every component whose name has Option in it."""
    for name, word in words.items():
        component, _, field = name.rpartition(".")
        if component:
            OF.setdefault(field, {})[component] = word
        else:
            WORDS[field] = word


def say(result: dict[str, Any]) -> None:
    """Describe the fields of every component."""
    for name, schema in result["components"]["schemas"].items():
        _fields(name, schema)


def word_for(component: str, field: str) -> Word | None:
    """What is said of a field; the longest part of a component's name counts."""
    own = [(len(part), part) for part in OF.get(field, {}) if part in component]
    return OF[field][max(own)[1]] if own else WORDS.get(field)


def _fields(component: str, schema: dict[str, Any]) -> None:
    for name, each in schema.get("properties", {}).items():
        word = word_for(component, name)
        if word:
            _put(each, word)
        _fields(component, each)
    for inner in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(inner, dict):
            _fields(component, inner)


def _put(field: dict[str, Any], word: Word) -> None:
    before = field.get("description", "")
    if not before:
        field["description"] = word.text
    elif before.startswith("* `"):  # the library's list of choices
        field["description"] = f"{word.text}\n\n{before}"
    kinds = field.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if word.unit and any(kind in _MEASURED for kind in kinds):
        field["x-unit"] = word.unit
