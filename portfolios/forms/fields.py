"""Fields that several forms have."""

from django import forms

from portfolios.models import Portfolio


class PortfolioField(forms.ModelChoiceField):
    """A choice among portfolios by name: their ids are for programs."""

    def __init__(self, *, empty_label: str = "Choose a portfolio", **kwargs) -> None:  # type: ignore[no-untyped-def]
        super().__init__(Portfolio.objects.none(), empty_label=empty_label, **kwargs)

    def label_from_instance(self, obj) -> str:  # type: ignore[no-untyped-def]
        """Its name."""
        return obj.name  # type: ignore[no-any-return]
