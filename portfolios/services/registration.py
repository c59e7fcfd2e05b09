"""Open registration: a person with everything needed to begin."""

from datetime import date

from django.db import transaction

from etftrader.core.actor import Actor, system
from portfolios.models import Account, User
from portfolios.services import accounts, portfolios


@transaction.atomic
def register(
    *, email: str, password: str, name: str, session_date: date, request_id: str = ""
) -> User:
    """A user with customer, paper account and an empty paper portfolio."""
    user = accounts.create_user(
        email=email, password=password, name=name, by=system("registration")
    )
    portfolios.create(
        user=user,
        name="My portfolio",
        account=Account.objects.get(customer__user=user),
        opened_on=session_date,
        by=Actor.of_user(user, request_id=request_id),
    )
    return user
