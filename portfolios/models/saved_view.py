"""Ways of looking at positions that people keep under a name."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from etftrader.core.models import Entity, PersonalQuerySet


class SavedView(Entity):
    """Filters, grouping, order and columns of the positions page, of one user."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="saved_views")
    name = models.CharField(max_length=60)
    query = models.JSONField(default=dict)  # parameters of the address, each a text
    is_default = models.BooleanField(default=False)

    objects = PersonalQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint("user", Lower("name"), name="saved_view_once_per_user"),
            models.UniqueConstraint(
                fields=["user"], condition=Q(is_default=True), name="one_default_view"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} #{self.pk}"
