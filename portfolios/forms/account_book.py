"""Forms of accounts: opened or changed, closed or opened again."""

from django import forms

from portfolios.choices import AccountType
from portfolios.services.account_book import MAX_NAME


class NewAccountForm(forms.Form):
    """A name and what kind of account it is."""

    name = forms.CharField(max_length=MAX_NAME, label="Name")
    account_type = forms.ChoiceField(choices=AccountType.choices, label="Type", initial="brokerage")


class AccountForm(NewAccountForm):
    """The same, and the version it was thought out on."""

    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)


class StatusForm(forms.Form):
    """Closing and opening again, with a reason."""

    reason = forms.CharField(max_length=300, required=False, label="Reason")
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)
