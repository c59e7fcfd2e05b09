"""People: signed in by e-mail."""

import uuid
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.db import models
from django.db.models.functions import Lower

from etftrader.core.actor import Actor
from etftrader.core.models import PersonalQuerySet


class UserQuerySet(models.QuerySet):
    """Users: oneself; everybody for staff who may read."""

    def for_actor(self, actor: Actor, action: str = "view") -> "UserQuerySet":
        """What the actor may see."""
        if actor.reads_all:
            return self
        return self.filter(pk=actor.user_id) if actor.user_id else self.none()


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    """Makes users with a hashed password."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who may sign in."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        """A person who may do everything in the admin."""
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        """Sign-in ignores the case of an address."""
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """One person. `session_version` ends every session and token when it is raised."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_active = models.BooleanField(default=True)
    is_staff = models.BooleanField(default=False)
    is_demo = models.BooleanField(default=False)
    session_version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="one_user_per_address")]

    def __str__(self) -> str:
        return f"{self.email} #{self.pk}"

    @property
    def initials(self) -> str:
        """Two letters for the account mark."""
        words = (self.name or self.email.split("@")[0].replace("_", " ")).split()
        return "".join(word[0] for word in words[:2]).upper()


class UserPreference(models.Model):
    """How one person likes it."""

    user = models.OneToOneField(User, models.CASCADE, primary_key=True, related_name="preference")
    theme = models.CharField(max_length=8, default="auto")
    density = models.CharField(max_length=12, default="compact")
    palette = models.CharField(max_length=20, default="teal-vermilion")
    language = models.CharField(max_length=8, default="en")
    notifications_enabled = models.BooleanField(default=True)
    shortcuts_enabled = models.BooleanField(default=True)
    privacy = models.BooleanField(default=False)
    default_portfolio = models.ForeignKey(
        "portfolios.Portfolio", models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = PersonalQuerySet.as_manager()

    def __str__(self) -> str:
        return f"preferences #{self.pk}"
