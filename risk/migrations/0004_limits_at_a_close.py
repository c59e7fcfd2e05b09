"""Limits know the market clock's moments between which they bound."""

from datetime import UTC, datetime
from typing import ClassVar

from django.db import migrations, models
from django.db.models import F

# nobody kept when a first row began to bind: it counts for every close there is
ALWAYS = datetime(2000, 1, 1, tzinfo=UTC)


def dated(apps, schema_editor):
    """Rows kept so far: the first of a chain bound from the start, the others as they were made."""
    rows = apps.get_model("risk", "RiskLimit").objects
    rows.filter(replaces__isnull=False).update(binds_as_of=F("valid_from"))
    rows.filter(closed_at__isnull=False).update(ended_as_of=F("closed_at"))


class Migration(migrations.Migration):
    """Two columns of limits."""

    dependencies: ClassVar = [("risk", "0003_options")]
    operations: ClassVar = [
        migrations.AddField(
            "risklimit", "binds_as_of", models.DateTimeField(default=ALWAYS), False
        ),
        migrations.AddField(
            "risklimit", "ended_as_of", models.DateTimeField(null=True, blank=True)
        ),
        migrations.RunPython(dated, migrations.RunPython.noop),
    ]
