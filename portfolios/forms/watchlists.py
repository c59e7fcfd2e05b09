"""Forms of the watchlists: a list's name, symbols pasted at once, the order and the notes."""

import re
from typing import Any
from uuid import UUID

from django import forms
from django.http import QueryDict

from portfolios.constants import MAX_WATCHED

LONGEST = 8_000  # characters pasted at once
_BETWEEN = re.compile(r"[\s,;|]+")


class NameForm(forms.Form):
    """What a list is called."""

    name = forms.CharField(max_length=60, label="Name")


class SymbolsForm(forms.Form):
    """Symbols in any separation."""

    symbols = forms.CharField(
        max_length=LONGEST,
        label="Symbols",
        widget=forms.Textarea(
            attrs={"rows": 3, "autocapitalize": "characters", "spellcheck": "false"}
        ),
        help_text="One or many, as they come from a sheet: commas, spaces or lines between them.",
    )

    def clean_symbols(self) -> list[str]:
        """Each symbol once, in upper case, in the order it came."""
        words = _BETWEEN.split(self.cleaned_data["symbols"])
        found = list(dict.fromkeys(word.lstrip("$").upper() for word in words if word.strip("$")))
        if len(found) > MAX_WATCHED:
            raise forms.ValidationError(f"A list holds {MAX_WATCHED} symbols; paste fewer.")
        return found


class SymbolForm(forms.Form):
    """The symbol that was meant."""

    symbol = forms.CharField(max_length=32)


class ArrangeForm(forms.Form):
    """The whole list as the page sends it: ids in their order, notes, what is ticked off."""

    version = forms.IntegerField(min_value=1, required=False)

    def clean(self) -> dict[str, Any]:
        """Order, notes and removed, by id; what is no id of ours is left out by the service."""
        said = QueryDict(mutable=True)
        said.update(self.data)
        ids = [found for text in said.getlist("item") if (found := _id(text))]
        cleaned = super().clean() or {}
        cleaned["order"] = _moved(ids, said.get("move", ""))
        cleaned["removed"] = {each for each in map(_id, said.getlist("remove")) if each}
        cleaned["notes"] = {each: self._note(each) for each in ids}
        return cleaned

    def _note(self, key: UUID) -> str:
        field = forms.CharField(max_length=200, required=False, label="Note")
        try:
            return field.clean(self.data.get(f"note-{key}", ""))
        except forms.ValidationError as error:
            self.add_error(None, f"A note: {error.messages[0]}")
            return ""


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _moved(ids: list[UUID], move: str) -> list[UUID]:
    """The order after one press of a button: `<id>:-1` is one up, `<id>:1` one down."""
    key, _, step = move.partition(":")
    wanted = _id(key)
    if wanted not in ids or step not in ("-1", "1"):
        return ids
    at = ids.index(wanted)
    to = min(max(at + int(step), 0), len(ids) - 1)
    ids.insert(to, ids.pop(at))
    return ids
