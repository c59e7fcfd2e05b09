"""Forms of sign-in, password, settings and tokens."""

from typing import Any

from django import forms

from portfolios.forms.fields import PortfolioField
from portfolios.services.accounts import MAX_PASSWORD

SCOPES = [
    ("read", "Read: books, risk, prices"),
    ("trade", "Trade: orders, cash, imports"),
    ("admin", "Admin: limits, sharing, tokens"),
]
LIVES = [("30", "30 days"), ("90", "90 days"), ("365", "One year"), ("", "Until revoked")]


class SignInForm(forms.Form):
    """Address and password."""

    username = forms.CharField(
        max_length=254,
        label="E-mail",
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "inputmode": "email", "autofocus": True}
        ),
    )
    password = forms.CharField(
        max_length=MAX_PASSWORD,
        strip=False,
        label="Password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class PasswordForm(forms.Form):
    """The old password, and the new one twice."""

    old_password = forms.CharField(
        max_length=MAX_PASSWORD,
        strip=False,
        label="Old password",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password", "autofocus": True}),
    )
    new_password = forms.CharField(
        max_length=MAX_PASSWORD,
        strip=False,
        label="New password",
        help_text="At least 12 characters; not a common one.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        max_length=MAX_PASSWORD,
        strip=False,
        label="New password again",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """The two must be the same."""
        said = super().clean() or {}
        if said.get("new_password") != said.get("again"):
            self.add_error("again", "The two new passwords differ.")
        return said


class ProfileForm(forms.Form):
    """Name and habits."""

    name = forms.CharField(max_length=120, required=False, label="Name")
    default_portfolio = PortfolioField(
        required=False, label="Default portfolio", empty_label="The oldest"
    )
    notifications_enabled = forms.BooleanField(required=False, label="Show alerts as they open")
    shortcuts_enabled = forms.BooleanField(required=False, label="Keyboard shortcuts")

    def __init__(self, *args: Any, portfolios: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["default_portfolio"].queryset = portfolios  # type: ignore[attr-defined]


class TokenForm(forms.Form):
    """A new personal token."""

    name = forms.CharField(
        max_length=80, label="Name", widget=forms.TextInput(attrs={"placeholder": "Notebook"})
    )
    scopes = forms.MultipleChoiceField(
        choices=SCOPES, initial=["read"], widget=forms.CheckboxSelectMultiple, label="Scopes"
    )
    life = forms.ChoiceField(choices=LIVES, required=False, initial="90", label="Ends after")
