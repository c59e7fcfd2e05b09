"""Forms of the books: a new portfolio, its settings, cash, a file."""

from decimal import Decimal

from django import forms

from etftrader.core.money import MAX_AMOUNT, TOO_LONG, parse_amount
from etftrader.core.tables import MAX_BYTES
from portfolios.models import Portfolio

KEY = 64


class PortfolioForm(forms.Form):
    """A new portfolio."""

    name = forms.CharField(max_length=120, label="Name")
    description = forms.CharField(max_length=300, required=False, label="Description")
    cash = forms.CharField(
        max_length=24,
        error_messages={"max_length": f"This number {TOO_LONG}."},
        required=False,
        label="First deposit, USD",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        help_text="Leave empty to bring positions in from a file.",
    )
    allow_short = forms.BooleanField(required=False, label="Allow short positions")
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def clean_cash(self) -> Decimal | None:
        """Nothing, or an amount above zero."""
        text = self.cleaned_data["cash"]
        return _amount(text) if text else None


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
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class CloseForm(forms.Form):
    """Closing asks for the name, because it cannot be undone."""

    confirm = forms.CharField(max_length=120, label="Type the portfolio's name")
    reason = forms.CharField(max_length=300, required=False, label="Reason")


class CashForm(forms.Form):
    """Cash in or out."""

    type = forms.ChoiceField(
        choices=[("deposit", "Deposit"), ("withdrawal", "Withdraw")],
        initial="deposit",
        widget=forms.RadioSelect,
        label="Direction",
    )
    amount = forms.CharField(
        max_length=24,
        error_messages={"max_length": f"This number {TOO_LONG}."},
        label="Amount, USD",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    reason = forms.CharField(max_length=300, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=KEY, widget=forms.HiddenInput)

    def clean_amount(self) -> Decimal:
        """An amount above zero."""
        return _amount(self.cleaned_data["amount"])


class FileForm(forms.Form):
    """A file of positions and how to read it."""

    portfolio = forms.ModelChoiceField(
        Portfolio.objects.none(), label="Portfolio", empty_label="Choose a portfolio"
    )
    file = forms.FileField(
        label="CSV file",
        widget=forms.FileInput(attrs={"accept": ".csv,text/csv"}),
        help_text="Columns ticker, quantity, entry_price, entry_date; tags if you like. 10 MB.",
    )
    encoding = forms.ChoiceField(
        choices=[("utf-8", "UTF-8"), ("cp1252", "Western European (cp1252)")],
        required=False,
        label="Encoding",
    )

    def __init__(self, *args, portfolios, **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(*args, **kwargs)
        self.fields["portfolio"].queryset = portfolios  # type: ignore[attr-defined]

    def clean_file(self):  # type: ignore[no-untyped-def]
        """A CSV within the size we read."""
        file = self.cleaned_data["file"]
        if not file.name.lower().endswith(".csv"):
            raise forms.ValidationError("Only .csv files are read.")
        if file.size > MAX_BYTES:
            raise forms.ValidationError("A file may have 10 MB.")
        return file


def _amount(text: str) -> Decimal:
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
