"""The filter of everything that belongs to a portfolio."""

from typing import Self

from django.apps import apps
from django.db import models
from django.db.models import Q

from etftrader.core.actor import Actor
from portfolios.constants import PERMISSIONS, READING, Action


class OwnedQuerySet(models.QuerySet):
    """Rows of portfolios; `portfolio_path` leads to the portfolio, empty for itself."""

    portfolio_path = "portfolio"

    def for_actor(self, actor: Actor, action: str = Action.VIEW) -> Self:
        """Rows of portfolios in which the actor may do this.

        Members by role, site group and scope; staff of a reading group see everything and never
        act for a user.
        """
        if actor.user_id is None:
            return self.none()
        if actor.reads_all and action in READING:
            return self
        rule = PERMISSIONS[Action(action)]
        if rule.scope not in actor.scopes or (rule.groups and not actor.groups & rule.groups):
            return self.none()
        # by name: the membership's own table is one of ours
        membership = apps.get_model("portfolios", "Membership")
        members = membership.objects.filter(user_id=actor.user_id, revoked_at__isnull=True)
        allowed = Q(role__in=rule.roles)
        if rule.if_can_trade:
            allowed &= Q(role="owner") | Q(can_trade=True)
        path = f"{self.portfolio_path}__in" if self.portfolio_path else "pk__in"
        return self.filter(**{path: members.filter(allowed).values("portfolio_id")})
