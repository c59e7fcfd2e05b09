"""What a tear sheet is asked for: a period, days of one's own, benchmarks."""

from datetime import date
from typing import Any

from django import forms

from portfolios.calculations.periods import CUSTOM, OPENING, PRESETS, Period

LABELS = {OPENING: "Since opening", CUSTOM: "Own days"}


class PeriodForm(forms.Form):
    """Kept in the address; empty is everything since opening, beside the chosen benchmarks."""

    period = forms.ChoiceField(
        choices=[(each, LABELS.get(each, each)) for each in (*PRESETS, CUSTOM)], required=False
    )
    start = forms.DateField(
        required=False, label="From", widget=forms.DateInput(attrs={"type": "date"})
    )
    end = forms.DateField(
        required=False, label="To", widget=forms.DateInput(attrs={"type": "date"})
    )
    benchmark = forms.CharField(
        required=False,
        max_length=120,
        label="Against",
        widget=forms.TextInput(attrs={"placeholder": "SPY, QQQ", "autocomplete": "off"}),
    )

    def clean(self) -> dict[str, Any]:
        """Days make a period of its own, whatever preset stood there."""
        said = super().clean() or self.cleaned_data
        start, end = said.get("start"), said.get("end")
        if start and end and start > end:
            self.add_error("end", "It ends before it begins.")
        return said

    def period_asked(self) -> Period:
        """The period of a form that is valid."""
        said = self.cleaned_data
        start: date | None = said.get("start")
        end: date | None = said.get("end")
        if start or end:
            return Period(CUSTOM, start, end)
        name = said.get("period") or OPENING
        return Period(OPENING if name == CUSTOM else name)

    def symbols(self) -> list[str]:
        """Benchmarks named in the address; empty means those of the portfolio."""
        return [each.strip() for each in self.cleaned_data["benchmark"].split(",") if each.strip()]


class BenchmarksForm(forms.Form):
    """What a portfolio is compared with from now on."""

    symbols = forms.CharField(
        required=False,
        max_length=120,
        label="Benchmarks of this portfolio",
        help_text="Up to three symbols, the first one first; empty is SPY.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
