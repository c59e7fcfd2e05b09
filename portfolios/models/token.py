"""Tokens of programs, and families of refresh tokens that end together."""

import uuid

from django.conf import settings
from django.db import models

from etftrader.core.models import Entity, PersonalQuerySet


class ApiToken(Entity):
    """A personal token: only its hash is kept, the text is shown once."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=80)
    prefix = models.CharField(max_length=12)
    hash = models.CharField(max_length=64, unique=True)
    scopes = models.JSONField(default=list)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonalQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} {self.prefix}… #{self.pk}"


class TokenFamily(models.Model):
    """All refresh tokens that descend from one sign-in."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="families")
    label = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonalQuerySet.as_manager()

    def __str__(self) -> str:
        return f"family #{self.pk}"
