"""Customers and their accounts."""

from typing import Self

from django.conf import settings
from django.db import models

from etftrader.core.actor import Actor
from etftrader.core.models import Entity, EstimateField, PersonalQuerySet
from portfolios.choices import AccountStatus, AccountType


class CustomerQuerySet(PersonalQuerySet):
    """Customers: oneself; everybody for staff who may read."""

    def for_actor(self, actor: Actor, action: str = "view") -> Self:
        """What the actor may see."""
        return self if actor.reads_all else super().for_actor(actor, action)


class AccountQuerySet(CustomerQuerySet):
    """Accounts, through their customer."""

    user_path = "customer__user"


class Customer(Entity):
    """Whose accounts they are."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="customer"
    )
    name = models.CharField(max_length=120)
    email = models.EmailField(blank=True)
    kyc_status = models.CharField(max_length=20, default="pending")
    identity_score = EstimateField(null=True, blank=True)

    objects = CustomerQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class Account(Entity):
    """A place where portfolios are kept."""

    customer = models.ForeignKey(Customer, models.PROTECT, related_name="accounts")
    name = models.CharField(max_length=120)
    account_type = models.CharField(
        max_length=12, choices=AccountType.choices, default=AccountType.PAPER
    )
    currency = models.CharField(max_length=3, default="USD")
    status = models.CharField(
        max_length=8, choices=AccountStatus.choices, default=AccountStatus.ACTIVE
    )
    opened_at = models.DateTimeField(null=True, blank=True)

    objects = AccountQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"
