"""Forms of risk: one limit with its reason, an acknowledgement."""

from decimal import Decimal, InvalidOperation

from django import forms

from risk.choices import Measure, Unit


class LimitForm(forms.Form):
    """One limit; the version says on which state the change was thought out."""

    measure = forms.ChoiceField(choices=Measure.choices, widget=forms.HiddenInput)
    version = forms.IntegerField(min_value=0, widget=forms.HiddenInput)
    value = forms.CharField(max_length=24, label="Limit")
    unit = forms.ChoiceField(
        choices=[(Unit.FRACTION, "percent of equity"), (Unit.CURRENCY, "dollars")], label="Unit"
    )
    watch = forms.FloatField(min_value=1, max_value=99, label="Watch from, % of the limit")
    hard = forms.BooleanField(required=False, label="Hard: refuse trades beyond it")
    reason = forms.CharField(max_length=300, label="Reason")

    def clean_value(self) -> Decimal:
        """A plain positive number; percent becomes a fraction in `clean`."""
        text = self.cleaned_data["value"].strip().rstrip("%").replace(",", "")
        try:
            value = Decimal(text)
        except InvalidOperation as error:
            raise forms.ValidationError("Enter a plain number.") from error
        if not value.is_finite() or not 0 < value < Decimal("1e12"):
            raise forms.ValidationError("A limit is a positive number.")
        return value

    def clean(self) -> dict:
        """Percent of equity is stored as a fraction."""
        given = super().clean() or {}
        if given.get("unit") == Unit.FRACTION and given.get("value") is not None:
            given["value"] = (given["value"] / 100).quantize(Decimal("0.000001"))
            if given["value"] <= 0:
                self.add_error("value", "A limit is a positive number.")
        return given


class AcknowledgeForm(forms.Form):
    """What a person says to an alert."""

    note = forms.CharField(max_length=500, required=False)
    next = forms.CharField(max_length=300, required=False, widget=forms.HiddenInput)
