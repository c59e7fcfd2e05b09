"""Words people put on their positions."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from etftrader.core.models import Entity, PersonalQuerySet
from portfolios.choices import TagKind
from portfolios.constants import TAG_COLOUR
from portfolios.models.owned import OwnedQuerySet
from portfolios.models.position import Position


class TagQuerySet(PersonalQuerySet):
    """Tags."""

    def active(self) -> "TagQuerySet":
        """Those that are not put away."""
        return self.filter(archived_at__isnull=True)


class Tag(Entity):
    """One word of one user; strategy tags group legs. An archived one keeps its positions."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="tags")
    name = models.CharField(max_length=50)
    kind = models.CharField(max_length=8, choices=TagKind.choices, default=TagKind.REGULAR)
    colour = models.CharField(max_length=7, default=TAG_COLOUR)  # #RRGGBB
    description = models.CharField(max_length=200, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)  # when last put on a position
    archived_at = models.DateTimeField(null=True, blank=True)

    objects = TagQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "user",
                Lower("name"),
                "kind",
                condition=Q(archived_at__isnull=True),
                name="tag_once_per_user",
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"


class PositionTagQuerySet(OwnedQuerySet):
    """Tags of positions."""

    portfolio_path = "position__portfolio"

    def active(self) -> "PositionTagQuerySet":
        """Without those of archived tags."""
        return self.filter(tag__archived_at__isnull=True)


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
