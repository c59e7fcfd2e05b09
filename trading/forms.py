"""Forms of the trading pages: the ticket."""

from decimal import Decimal
from typing import Any

from django import forms

from etftrader.core.money import TOO_LONG, parse_amount
from trading.choices import Side
from trading.constants import CLIENT_ORDER_ID_LENGTH, NOTE_LENGTH
from trading.services.tickets import Ticket


class TicketForm(forms.Form):
    """A market order as typed; the service checks what needs the books."""

    symbol = forms.CharField(max_length=32, label="Symbol")
    side = forms.ChoiceField(
        choices=[(Side.BUY.value, "Buy"), (Side.SELL.value, "Sell")],
        initial=Side.BUY.value,
        widget=forms.RadioSelect,
        label="Side",
    )
    quantity = forms.CharField(
        max_length=24,
        error_messages={"max_length": f"This number {TOO_LONG}."},
        label="Quantity",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    note = forms.CharField(max_length=NOTE_LENGTH, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=CLIENT_ORDER_ID_LENGTH, widget=forms.HiddenInput)

    def clean_quantity(self) -> Decimal:
        """Plain decimal digits; thousands separators are a common paste and are dropped."""
        try:
            return parse_amount(self.cleaned_data["quantity"].replace(",", ""))
        except ValueError as error:
            raise forms.ValidationError(f"{error}. Give a number such as 100.") from error

    def ticket(self) -> Ticket:
        """What the form says, for the service; the form's key names the order."""
        said: dict[str, Any] = self.cleaned_data
        return Ticket(
            symbol=said["symbol"],
            side=said["side"],
            quantity=said["quantity"],
            client_order_id=said["idempotency_key"],
            note=said["note"],
        )
