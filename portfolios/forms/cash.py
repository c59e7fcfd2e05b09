"""Forms of cash: a movement, a transfer to another book, a reversal."""

from decimal import Decimal
from typing import Any

from django import forms

from etftrader.core.money import TOO_LONG
from portfolios.forms.books import KEY, read_amount
from portfolios.forms.fields import PortfolioField

TYPES = (
    ("deposit", "Deposit"),
    ("withdrawal", "Withdrawal"),
    ("interest", "Interest received"),
    ("fee", "Fee"),
    ("tax", "Tax"),
    ("borrow_fee", "Borrow fee"),
)
UNITS = "units:"  # before a symbol, which may read cash
DECIMAL = {"inputmode": "decimal", "autocomplete": "off"}


def number(label: str, **more: Any) -> forms.CharField:
    """A field for a plain decimal number."""
    return forms.CharField(
        max_length=24,
        error_messages={"max_length": f"This number {TOO_LONG}."},
        label=label,
        widget=forms.TextInput(attrs=DECIMAL),
        **more,
    )


class CashForm(forms.Form):
    """Cash in or out, for one of these reasons."""

    type = forms.ChoiceField(choices=TYPES, initial="deposit", label="Type")
    amount = number("Amount, USD")
    reason = forms.CharField(max_length=300, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def clean_amount(self) -> Decimal:
        """An amount above zero."""
        return read_amount(self.cleaned_data["amount"])


class TransferForm(forms.Form):
    """Cash, or units of a holding, to another book of the same owner."""

    to = PortfolioField(label="To portfolio")
    what = forms.ChoiceField(label="What")
    size = number("Amount in USD, or units")
    note = forms.CharField(max_length=300, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def __init__(self, *args: Any, portfolios: Any, symbols: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_transfer_%s", **kwargs})
        self.fields["to"].queryset = portfolios  # type: ignore[attr-defined]
        held = [(f"{UNITS}{symbol}", symbol) for symbol in symbols]
        self.fields["what"].choices = [("cash", "Cash"), *held]  # type: ignore[attr-defined]

    @property
    def symbol(self) -> str:
        """Of what units go over; empty for cash."""
        what: str = self.cleaned_data["what"]
        return what.removeprefix(UNITS) if what.startswith(UNITS) else ""

    def clean_size(self) -> Decimal:
        """A number above zero."""
        return read_amount(self.cleaned_data["size"])


class ReversalForm(forms.Form):
    """Why a booking is taken back."""

    reason = forms.CharField(max_length=300, label="Reason")
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"auto_id": "id_reversal_%s", **kwargs})
