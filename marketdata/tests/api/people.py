"""Who asks in the tests of what operators and owners keep."""

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from rest_framework.test import APIClient

V1 = "/api/v1"


def client(name, *groups):
    """A signed-in client; its user stands beside it."""
    user = get_user_model().objects.create_user(email=f"{name}@example.com", password="x" * 12)
    user.groups.add(*(Group.objects.get_or_create(name=each)[0] for each in groups))
    found = APIClient()
    found.force_authenticate(user)
    found.user = user
    return found


def fields(answer):
    """The places of a problem document's errors."""
    return [each["attr"] for each in answer.json()["errors"]]
