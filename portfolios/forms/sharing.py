"""Forms of sharing: an invitation, a part, the end of one, handing over."""

from typing import Any

from django import forms

from portfolios.constants import MAX_MESSAGE

PARTS = [
    ("viewer", "Viewer: sees everything, changes nothing"),
    ("editor", "Editor: tags and takes notes"),
    ("trader", "Editor who may trade: orders, cash, imports"),
]
KEY = forms.CharField(max_length=64, widget=forms.HiddenInput)


class PartField(forms.ChoiceField):
    """Role and the right to trade, asked as one thing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(choices=PARTS, label="Part", **kwargs)


def part_of(choice: str) -> dict[str, Any]:
    """Role and `can_trade` of a choice."""
    role = "viewer" if choice == "viewer" else "editor"
    return {"role": role, "can_trade": choice == "trader"}


def choice_of(role: str, can_trade: bool) -> str:
    """The choice that shows a part."""
    return "trader" if role == "editor" and can_trade else role


class InviteForm(forms.Form):
    """Whom, to what, with which words."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    part = PartField(initial="viewer")
    message = forms.CharField(
        max_length=MAX_MESSAGE,
        required=False,
        label="Message",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    idempotency_key = KEY


class ChangeForm(forms.Form):
    """Another part for a member."""

    part = PartField()
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class EndForm(forms.Form):
    """The end of a part; staff say why."""

    reason = forms.CharField(max_length=300, required=False, label="Reason")
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class HandOverForm(forms.Form):
    """A new owner; asks for the portfolio's name, because it cannot be taken back."""

    email = forms.EmailField(
        max_length=254,
        label="E-mail of the new owner",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    confirm = forms.CharField(max_length=120, label="Type the portfolio's name")
    idempotency_key = KEY

    def __init__(self, *args: Any, name: str, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "over_%s", **kwargs})
        self.name = name

    def clean_confirm(self) -> str:
        """The name exactly."""
        if self.cleaned_data["confirm"] != self.name:
            raise forms.ValidationError("Type the name exactly as it stands above.")
        return self.name
