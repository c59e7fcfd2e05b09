"""Orders that are judged together: a basket, or a spread of options that also fills together."""

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from portfolios.models import Portfolio
from portfolios.models.owned import OwnedQuerySet
from risk.models import PreTradeCheck
from trading.choices import BasketKind, SpreadName


class Basket(models.Model):
    """What its orders have in common. Append-only: where it stands is where its orders stand."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="+")
    client_basket_id = models.CharField(max_length=60)  # a leg's own name adds its place
    kind = models.CharField(max_length=8, choices=BasketKind.choices)
    spread_name = models.CharField(max_length=10, choices=SpreadName.choices, blank=True)
    note = models.CharField(max_length=300, blank=True)
    check_made = models.ForeignKey(PreTradeCheck, models.PROTECT, related_name="+")
    placed_as_of = models.DateTimeField()  # market clock
    session_date = models.DateField()
    placed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField()

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "client_basket_id"], name="client_basket_id_once"
            ),
            models.CheckConstraint(
                condition=Q(kind=BasketKind.BASKET, spread_name="")
                | Q(kind=BasketKind.SPREAD, spread_name__in=SpreadName.values),
                name="a_spread_has_a_name",
            ),
        ]
        indexes = [models.Index(fields=["portfolio", "-created_at"], name="newest_baskets")]

    def __str__(self) -> str:
        return f"{self.spread_name or self.kind} #{self.pk}"
