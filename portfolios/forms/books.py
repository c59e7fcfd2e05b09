"""Forms of the books: a new portfolio, its settings, cash."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms

from etftrader.core.money import MAX_AMOUNT, TOO_LONG, parse_amount
from portfolios.models import Account

KEY = 64


class PortfolioForm(forms.Form):
    """A new portfolio."""

    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(max_length=300, required=False, label="Description")
    cash = forms.CharField(
        max_length=24,
        error_messages={"max_length": f"This number {TOO_LONG}."},
        required=False,
        label="First deposit",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="Leave empty to bring positions in from a file.",
    )
    base_currency = forms.ChoiceField(
        label="Kept in",
        help_text="The currency of its cash and of every figure; it stays.",
    )
    allow_short = forms.BooleanField(required=False, label="Allow short positions")
    account = forms.ChoiceField(
        required=False, label="Account", help_text="Empty: your first paper account."
    )
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        accounts: Iterable[Account],
        currencies: Sequence[str] = ("USD",),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        names = [(str(each.pk), each.name) for each in accounts]
        self.fields["account"].choices = [("", "the usual one"), *names]  # type: ignore[attr-defined]
        field = self.fields["base_currency"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(each, each) for each in currencies]
        field.initial = "USD"
        field.required = len(currencies) > 1

    def clean_base_currency(self) -> str:
        """The one that was chosen; where there is no choice, dollars."""
        return self.cleaned_data["base_currency"] or "USD"

    def clean_cash(self) -> Decimal | None:
        """Nothing, or an amount above zero."""
        text = self.cleaned_data["cash"]
        return read_amount(text) if text else None


class SettingsForm(forms.Form):
    """What the owner can change."""

    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(max_length=300, required=False, label="Description")
    notes = forms.CharField(
        max_length=20_000,
        required=False,
        label="Notes",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    allow_short = forms.BooleanField(required=False, label="Allow short positions")
    tracking_mode = forms.ChoiceField(
        choices=[
            ("ledger", "Ledger: trades make the holdings"),
            ("holdings", "Holdings only: no trades"),
        ],
        label="Kept as",
    )
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class CloseForm(forms.Form):
    """Closing or archiving asks for the name, because it ends all booking."""

    how = forms.ChoiceField(
        choices=[("close", "Close, as it holds nothing"), ("archive", "Archive with its holdings")],
        label="How",
    )
    confirm = forms.CharField(max_length=120, label="Type the portfolio's name")
    reason = forms.CharField(max_length=300, required=False, label="Reason")


def read_amount(text: str) -> Decimal:
    """An amount above zero as people type it. Raises ValidationError."""
    # thousands separators are a common paste
    try:
        value = parse_amount(text.replace(",", ""))
    except ValueError as error:
        raise forms.ValidationError(f"{error}. Give an amount such as 1000.50.") from error
    if value <= 0:
        raise forms.ValidationError("An amount is above zero.")
    if value > MAX_AMOUNT:
        raise forms.ValidationError(f"An amount is at most {MAX_AMOUNT:,}.")
    return value
