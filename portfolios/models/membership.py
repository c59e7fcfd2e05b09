"""Who belongs to a portfolio, and as what."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity
from portfolios.choices import Role
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class Membership(Entity):
    """One person's part in one portfolio; revoked, never deleted."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="memberships")
    role = models.CharField(max_length=8, choices=Role.choices)
    can_trade = models.BooleanField(default=False)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = OwnedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "user"],
                condition=Q(revoked_at__isnull=True),
                name="one_part_per_person",
            )
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.role} #{self.pk}"
