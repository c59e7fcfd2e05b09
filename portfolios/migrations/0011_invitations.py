"""Invitations to a portfolio, and the group of staff who only read."""

import uuid
from typing import Any, ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

AUDITOR = "Auditor"


def add(apps: Any, editor: Any) -> None:
    """Create the group if it is not there."""
    apps.get_model("auth", "Group").objects.get_or_create(name=AUDITOR)


class Migration(migrations.Migration):
    """Invitations to a portfolio, and the group of staff who only read."""

    dependencies: ClassVar = [
        ("portfolios", "0010_tags"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]
    operations: ClassVar = [
        migrations.RunPython(add, migrations.RunPython.noop),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("version", models.PositiveIntegerField(default=1, editable=False)),
                ("created_at", models.DateTimeField(auto_now_add=True)),
                ("updated_at", models.DateTimeField(auto_now=True)),
                ("email", models.EmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("editor", "Editor"), ("viewer", "Viewer")],
                        max_length=8,
                    ),
                ),
                ("can_trade", models.BooleanField(default=False)),
                ("message", models.CharField(blank=True, max_length=500)),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("open", "Open"),
                            ("accepted", "Accepted"),
                            ("declined", "Declined"),
                            ("withdrawn", "Withdrawn"),
                        ],
                        default="open",
                        max_length=9,
                    ),
                ),
                ("hash", models.CharField(max_length=64, unique=True)),
                ("sent_at", models.DateTimeField()),
                ("sendings", models.JSONField(default=list)),
                ("expires_at", models.DateTimeField()),
                ("ended_at", models.DateTimeField(blank=True, null=True)),
                (
                    "invited_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "portfolio",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="invitations",
                        to="portfolios.portfolio",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["email", "state"], name="invitations_of_an_address"),
                    models.Index(fields=["invited_by", "sent_at"], name="invitations_of_a_person"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=models.Q(("state", "open")),
                        fields=("portfolio", "email"),
                        name="one_open_invitation_an_address",
                    )
                ],
            },
        ),
    ]
