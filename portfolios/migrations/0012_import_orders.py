"""Long imports are booked and undone in parts; spellings of exported trades."""

from typing import ClassVar

from django.db import migrations, models

SPELLINGS = (
    ("trades", "id", "reference"),
    ("trades", "session date", "trade_date"),
    ("trades", "time", "executed_at"),
    ("trades", "trade time", "executed_at"),
)
STATUS = [
    ("checked", "Checked"),
    ("booking", "Booking"),
    ("committed", "Committed"),
    ("discarded", "Discarded"),
    ("undoing", "Undoing"),
    ("undone", "Undone"),
]


def spell(apps, schema_editor):
    """Add to the table of spellings what is not there yet."""
    aliases = apps.get_model("portfolios", "ImportAlias").objects
    for kind, alias, field in SPELLINGS:
        aliases.get_or_create(kind=kind, alias=alias, defaults={"field": field})


class Migration(migrations.Migration):
    """States of a long import, and spellings."""

    dependencies: ClassVar = [("portfolios", "0011_invitations")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="importbatch",
            name="status",
            field=models.CharField(choices=STATUS, default="checked", max_length=10),
        ),
        migrations.RunPython(spell, migrations.RunPython.noop),
    ]
