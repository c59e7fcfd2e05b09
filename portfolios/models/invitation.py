"""Parts in a portfolio that are offered to an address, and not taken yet."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from etftrader.core.models import Entity
from portfolios.choices import InvitationState, Role
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.portfolio import Portfolio


class Invitation(Entity):
    """One offer of a part; `owner` hands the portfolio over. Only a hash of its link is kept."""

    portfolio = models.ForeignKey(Portfolio, models.PROTECT, related_name="invitations")
    email = models.EmailField()  # in small letters, whether anybody has it or not
    role = models.CharField(max_length=8, choices=Role.choices)
    can_trade = models.BooleanField(default=False)
    message = models.CharField(max_length=500, blank=True)
    state = models.CharField(
        max_length=9, choices=InvitationState.choices, default=InvitationState.OPEN
    )
    hash = models.CharField(max_length=64, unique=True)
    sent_at = models.DateTimeField()
    sendings = models.JSONField(default=list)  # moments of the last day, in epoch seconds
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    objects = OwnedQuerySet.as_manager()

    class Meta:
        indexes = [
            models.Index(fields=["email", "state"], name="invitations_of_an_address"),
            models.Index(fields=["invited_by", "sent_at"], name="invitations_of_a_person"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["portfolio", "email"],
                condition=Q(state=InvitationState.OPEN),
                name="one_open_invitation_an_address",
            )
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.state} #{self.pk}"
