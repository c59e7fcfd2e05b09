"""Words people put on their positions."""

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower

from etftrader.core.models import Entity, PersonalQuerySet
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.position import Position


class Tag(Entity):
    """One word of one user; strategy tags group legs."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=50)
    kind = models.CharField(max_length=8, default="regular")  # regular, strategy
    colour = models.CharField(max_length=7, default="#6B7280")

    objects = PersonalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("user", Lower("name"), "kind", name="tag_once_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class PositionTagQuerySet(OwnedQuerySet):
    """Tags of positions."""

    portfolio_path = "position__portfolio"


class PositionTag(models.Model):
    """One tag on one position."""

    id = models.BigAutoField(primary_key=True)
    position = models.ForeignKey(Position, models.CASCADE, related_name="tagged")
    tag = models.ForeignKey(Tag, models.CASCADE, related_name="tagged")

    objects = PositionTagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["position", "tag"], name="a_tag_once_per_position")
        ]

    def __str__(self) -> str:
        return f"{self.tag_id} on {self.position_id} #{self.pk}"
