"""Forms of tags and of saved views."""

from typing import Any, ClassVar

from django import forms

from portfolios.choices import TagKind
from portfolios.constants import TAG_COLOUR, TAG_PALETTE

OTHER = "other"


class TagForm(forms.Form):
    """Name, kind, colour of the palette or another, a sentence."""

    name = forms.CharField(max_length=70, label="Name")
    kind = forms.ChoiceField(
        choices=TagKind.choices,
        initial=TagKind.REGULAR,
        help_text="A strategy groups the legs of one idea.",
    )
    description = forms.CharField(max_length=200, required=False)
    palette = forms.ChoiceField(
        choices=[*((code, name) for name, code in TAG_PALETTE), (OTHER, "Other")],
        initial=TAG_COLOUR,
        widget=forms.RadioSelect,
        label="Colour",
    )
    other = forms.RegexField(
        r"^#[0-9a-fA-F]{6}\Z",
        required=False,
        initial=TAG_COLOUR,
        widget=forms.TextInput(attrs={"type": "color"}),
        label="Other colour",
        error_messages={"invalid": "A colour is written #RRGGBB."},
    )
    version = forms.IntegerField(required=False, min_value=1, widget=forms.HiddenInput)
    known: ClassVar = {code for _, code in TAG_PALETTE}

    @classmethod
    def of(cls, row: Any) -> "TagForm":
        """The form filled with a tag."""
        palette = row.colour if row.colour in cls.known else OTHER
        return cls(
            initial={
                "name": row.name,
                "kind": row.kind,
                "description": row.description,
                "palette": palette,
                "other": row.colour,
                "version": row.version,
            },
            auto_id="id_tag_%s",
        )

    def fields_said(self) -> dict[str, Any]:
        """What the service is told."""
        said = self.cleaned_data
        colour = said["other"] if said["palette"] == OTHER else said["palette"]
        return {
            "name": said["name"],
            "kind": said["kind"],
            "description": said["description"],
            "colour": colour or TAG_COLOUR,
        }
