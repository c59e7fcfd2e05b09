"""What books are compared by: which, over what period."""

from typing import Any

from django import forms

from portfolios.forms.performance import PeriodForm
from portfolios.selectors.comparison import MOST

PLACES = tuple(f"book{number}" for number in range(1, MOST + 1))


class CompareForm(PeriodForm):
    """Kept in the address: up to four books, the first one the one others are measured by."""

    def __init__(self, *args: Any, portfolios: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        del self.fields["benchmark"]
        names = [("", "none"), *((str(each.pk), each.name) for each in portfolios)]
        for number, name in enumerate(PLACES, start=1):
            self.fields[name] = forms.ChoiceField(
                choices=names, required=False, label=f"Portfolio {number}"
            )

        self.order_fields([*PLACES, "start", "end"])

    def chosen(self) -> list[str]:
        """Ids of the books, in their order; none where the form is not valid."""
        said = getattr(self, "cleaned_data", {})
        return [said[name] for name in PLACES if said.get(name)]
