"""The glossary: one text per term, for tooltips, the glossary page and the API's descriptions."""

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "docs" / "glossary.toml"


@dataclass(frozen=True, slots=True)
class Term:
    """One entry: what it is in a sentence, its unit and sign, how this product computes it."""

    key: str
    label: str
    tooltip: str
    unit: str = ""
    sign: str = ""
    formula: str = ""
    group: str = ""


@cache
def terms() -> dict[str, Term]:
    """Every term by its key, in the order of the file."""
    entries = tomllib.loads(SOURCE.read_text(encoding="utf-8"))
    return {
        key: Term(key=key, **{name: text.strip() for name, text in entry.items()})
        for key, entry in entries.items()
    }


def term(key: str) -> Term | None:
    """The entry of one key; None for a key nobody has written."""
    return terms().get(key)


def grouped() -> dict[str, list[Term]]:
    """The terms under their headings, as the page prints them."""
    groups: dict[str, list[Term]] = {}
    for entry in terms().values():
        groups.setdefault(entry.group or "Other", []).append(entry)
    return groups
