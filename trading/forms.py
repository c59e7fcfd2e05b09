"""Forms of the trading pages: the tickets, other terms for an order, reasons, costs."""

from decimal import Decimal
from typing import Any

from django import forms

from etftrader.core.money import TOO_LONG, parse_amount, plain
from trading.calculations import basket_lines
from trading.choices import BasketKind, CostPreset, OrderType, Side, TimeInForce
from trading.constants import CLIENT_ORDER_ID_LENGTH, NOTE_LENGTH
from trading.models import Order
from trading.services.amending import Changes
from trading.services.basket_tickets import BasketTicket
from trading.services.tickets import Ticket

UNITS, AMOUNT, WEIGHT = "units", "amount", "weight"
SIZED_BY = ((UNITS, "Units"), (AMOUNT, "Amount"), (WEIGHT, "Target weight, %"))
# where the service's word for a field stands on the page
FIELDS = {"amount": "quantity", "target_weight": "quantity"}


class AmountField(forms.CharField):
    """A plain decimal number; thousands separators are a common paste and are dropped."""

    def __init__(self, *, example: str = "100", **kwargs: Any) -> None:
        self.example = example
        number = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        too_long = {"max_length": f"This number {TOO_LONG}."}
        super().__init__(max_length=24, error_messages=too_long, widget=number, **kwargs)

    def clean(self, value: Any) -> Any:
        """The amount; None where nothing was typed and nothing has to be."""
        text = super().clean(value).replace(",", "")
        if not text:
            return None
        try:
            return parse_amount(text)
        except ValueError as error:
            why = f"{error}. Give a number such as {self.example}."
            raise forms.ValidationError(why) from error


class TicketForm(forms.Form):
    """An order as typed; the service checks what needs the books."""

    symbol = forms.CharField(max_length=32, label="Symbol")
    side = forms.ChoiceField(
        choices=[(Side.BUY.value, "Buy"), (Side.SELL.value, "Sell")],
        initial=Side.BUY.value,
        widget=forms.RadioSelect,
        label="Side",
    )
    quantity = AmountField(label="Quantity")
    sized_by = forms.ChoiceField(
        choices=SIZED_BY,
        initial=UNITS,
        widget=forms.RadioSelect,
        label="Counted in",
        help_text="The check shows the other two. A target weight finds its side.",
    )
    order_type = forms.ChoiceField(
        choices=OrderType.choices, initial=OrderType.MARKET.value, label="Order type"
    )
    limit_price = AmountField(
        required=False,
        example="98.50",
        label="Limit price",
        help_text="The worst price you take, spread and impact included. Limit and stop-limit.",
    )
    stop_price = AmountField(
        required=False,
        example="95",
        label="Stop price",
        help_text="The order starts to trade once the market reaches it. Stop and stop-limit.",
    )
    time_in_force = forms.ChoiceField(
        choices=TimeInForce.choices, initial=TimeInForce.DAY.value, label="Good for"
    )
    note = forms.CharField(max_length=NOTE_LENGTH, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=CLIENT_ORDER_ID_LENGTH, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, **kwargs: Any) -> None:
        # a field that is not shown is not sent: a market order for the day, in units
        given = data if data is None else {**self._usual(), **dict(data.items())}
        super().__init__(given, **kwargs)

    @classmethod
    def _usual(cls) -> dict[str, str]:
        names = ("sized_by", "order_type", "time_in_force")
        return {name: cls.base_fields[name].initial for name in names}

    def said(self) -> dict[str, str]:
        """What was typed, for the print of the request."""
        names = [name for name in self.fields if name != "idempotency_key"]
        return {name: str(self.cleaned_data[name]) for name in names}

    def ticket(self) -> Ticket:
        """What the form says, for the service; the form's key names the order."""
        said: dict[str, Any] = self.cleaned_data
        by, size = said["sized_by"], said["quantity"]
        return Ticket(
            symbol=said["symbol"],
            # a target weight finds its side
            side="" if by == WEIGHT else said["side"],
            quantity=size if by == UNITS else None,
            amount=size if by == AMOUNT else None,
            target_weight=size / Decimal(100) if by == WEIGHT else None,
            order_type=said["order_type"],
            limit_price=said["limit_price"],
            stop_price=said["stop_price"],
            time_in_force=said["time_in_force"],
            client_order_id=said["idempotency_key"],
            note=said["note"],
        )


class BasketForm(forms.Form):
    """Several orders as typed, a line each; the service checks what needs the books."""

    kind = forms.ChoiceField(
        choices=BasketKind.choices,
        initial=BasketKind.BASKET.value,
        widget=forms.RadioSelect,
        label="Traded as",
        help_text="A spread is 2 to 4 options on one underlying: they fill together or not at all.",
    )
    lines = forms.CharField(
        widget=forms.Textarea(
            attrs={
                "rows": 8,
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "sell 40 TLT\nbuy 25 SPY 203.50",
            }
        ),
        max_length=6_000,
        label="Legs",
        help_text="A line each: side, quantity, symbol and perhaps a limit. The order counts: "
        "what is sold first pays for what is bought after it.",
    )
    time_in_force = forms.ChoiceField(
        choices=TimeInForce.choices, initial=TimeInForce.DAY.value, label="Good for"
    )
    note = forms.CharField(max_length=NOTE_LENGTH, required=False, label="Reason")
    idempotency_key = forms.CharField(max_length=CLIENT_ORDER_ID_LENGTH, widget=forms.HiddenInput)

    def clean_lines(self) -> list[basket_lines.Line]:
        """The legs; a line that is none is named."""
        lines, errors = basket_lines.read(self.cleaned_data["lines"])
        if errors:
            raise forms.ValidationError(errors)
        return lines

    def said(self) -> dict[str, str]:
        """What was typed, for the print of the request."""
        names = [name for name in self.fields if name != "idempotency_key"]
        return {name: str(self.cleaned_data[name]) for name in names}

    def ticket(self) -> BasketTicket:
        """What the form says, for the service; the form's key names the basket."""
        said: dict[str, Any] = self.cleaned_data
        return BasketTicket(
            legs=tuple(self._leg(each) for each in said["lines"]),
            kind=said["kind"],
            client_basket_id=said["idempotency_key"],
            note=said["note"],
        )

    def _leg(self, line: basket_lines.Line) -> Ticket:
        limited = line.limit_price is not None
        return Ticket(
            symbol=line.symbol,
            side=line.side,
            quantity=line.quantity,
            order_type=OrderType.LIMIT if limited else OrderType.MARKET,
            limit_price=line.limit_price,
            time_in_force=self.cleaned_data["time_in_force"],
            note=self.cleaned_data["note"],
        )


class ReplaceForm(forms.Form):
    """Other terms for an order that waits; it shows the prices its type has."""

    quantity = AmountField(label="Quantity", help_text="With what is filled already.")
    limit_price = AmountField(label="Limit price", example="98.50")
    stop_price = AmountField(label="Stop price", example="95")
    time_in_force = forms.ChoiceField(choices=TimeInForce.choices, label="Good for")
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def __init__(self, order: Order, data: Any = None) -> None:
        shown = ("quantity", "limit_price", "stop_price", "time_in_force", "version")
        initial = {name: getattr(order, name) for name in shown}
        for name in ("quantity", "limit_price", "stop_price"):
            initial[name] = plain(initial[name])
        super().__init__(data, initial=initial, auto_id="replace_%s")
        for name in ("limit_price", "stop_price"):
            if getattr(order, name) is None:
                del self.fields[name]
        if order.order_type == OrderType.MARKET_ON_CLOSE:
            del self.fields["time_in_force"]

    def changes(self) -> Changes:
        """What is to be different."""
        said = self.cleaned_data
        return Changes(**{name: value for name, value in said.items() if name != "version"})


class BustForm(forms.Form):
    """Why a filled order is taken back."""

    reason = forms.CharField(max_length=NOTE_LENGTH, label="Reason")


class CostsForm(forms.Form):
    """A preset; the figures count for figures of one's own."""

    preset = forms.ChoiceField(choices=CostPreset.choices, widget=forms.RadioSelect, label="Costs")
    commission_per_trade = AmountField(label="Commission a trade", example="1.00", required=False)
    commission_per_share = AmountField(label="Commission a share", example="0.005", required=False)
    commission_minimum = AmountField(
        label="Least commission a trade", example="1.00", required=False
    )
    commission_per_contract = AmountField(
        label="Commission an option contract",
        example="0.65",
        required=False,
        help_text="Options pay this and no other commission.",
    )
    half_spread_bp = forms.FloatField(
        label="Half-spread, bp",
        required=False,
        help_text="Empty: that of the instrument's own class.",
    )
    impact_y = forms.FloatField(
        label="Impact",
        required=False,
        help_text="Multiplier of volatility x square root of the share of a day's volume.",
    )
    max_participation = forms.FloatField(
        label="Largest share of a bar's volume", required=False, help_text="0.1 is a tenth."
    )
    version = forms.IntegerField(widget=forms.HiddenInput, min_value=0)

    def figures(self) -> dict[str, Any]:
        """The figures, where they count; an empty half-spread means the class's own."""
        if self.cleaned_data["preset"] != CostPreset.CUSTOM:
            return {}
        named = {
            name: value
            for name, value in self.cleaned_data.items()
            if name not in ("preset", "version")
        }
        return {
            name: value
            for name, value in named.items()
            if value is not None or name == "half_spread_bp"
        }
