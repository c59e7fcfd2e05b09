"""What models share: identity, versions, and the filters every door goes through."""

import uuid
from typing import TYPE_CHECKING, Self

from django.db import models

from etftrader.core.fields import EstimateField, ExactField, VectorField

if TYPE_CHECKING:
    from etftrader.core.actor import Actor

__all__ = [
    "Entity",
    "EstimateField",
    "ExactField",
    "PersonalQuerySet",
    "SharedQuerySet",
    "VectorField",
]


class Entity(models.Model):
    """A thing people name: UUID key, a version for ETags, times for audit."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        abstract = True


class SharedQuerySet(models.QuerySet):
    """Market facts: for anybody who is signed in."""

    def for_actor(self, actor: "Actor", action: str = "view") -> Self:
        """Everything for a known person, nothing for a stranger."""
        return self if actor.is_authenticated else self.none()


class PersonalQuerySet(models.QuerySet):
    """Rows of one user; `user_path` leads there."""

    user_path = "user"

    def for_actor(self, actor: "Actor", action: str = "view") -> Self:
        """Only the actor's own rows."""
        if not actor.is_authenticated:
            return self.none()
        return self.filter(**{f"{self.user_path}_id": actor.user_id})


class StaffQuerySet(models.QuerySet):
    """Rows of the house: staff who may read, and services, see them."""

    def for_actor(self, actor: "Actor", action: str = "view") -> Self:
        """Everything for those, nothing for others."""
        return self if actor.reads_all else self.none()
