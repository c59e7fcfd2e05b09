"""Imports remember their mapping, can be undone and bring more than positions."""

import uuid
from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

# kind, spelling, field: what the table of spellings begins with
SPELLINGS = (
    ("positions", "symbol", "ticker"),
    ("positions", "qty", "quantity"),
    ("positions", "shares", "quantity"),
    ("positions", "price", "entry_price"),
    ("positions", "cost", "entry_price"),
    ("positions", "trade date", "entry_date"),
    ("positions", "date", "entry_date"),
    ("positions", "strategy", "tags"),
    ("positions", "type", "position_type"),
    ("trades", "symbol", "ticker"),
    ("trades", "qty", "quantity"),
    ("trades", "shares", "quantity"),
    ("trades", "trade price", "price"),
    ("trades", "date", "trade_date"),
    ("trades", "action", "side"),
    ("trades", "type", "side"),
    ("trades", "commission", "fee"),
    ("trades", "fees", "fee"),
    ("trades", "strategy", "tags"),
    ("trades", "order id", "reference"),
    ("cash", "value date", "date"),
    ("cash", "transaction type", "type"),
    ("cash", "value", "amount"),
    ("cash", "description", "reason"),
    ("cash", "symbol", "ticker"),
    ("cash", "transaction id", "reference"),
)
DUPLICATES = [("skip", "Skip"), ("import", "Import"), ("merge", "Merge")]


def spell(apps, schema_editor):
    """Fill the table of spellings."""
    aliases = apps.get_model("portfolios", "ImportAlias").objects
    for kind, alias, field in SPELLINGS:
        aliases.get_or_create(kind=kind, alias=alias, defaults={"field": field})


class Migration(migrations.Migration):
    """Imports remember their mapping, can be undone and bring more than positions."""

    dependencies: ClassVar = [
        ("portfolios", "0006_options"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations: ClassVar = [
        migrations.CreateModel(
            name="ImportAlias",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("kind", models.CharField(max_length=12)),
                ("alias", models.CharField(max_length=60)),
                ("field", models.CharField(max_length=24)),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(fields=("kind", "alias"), name="alias_once_per_kind")
                ]
            },
        ),
        migrations.CreateModel(
            name="ImportMapping",
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
                ("kind", models.CharField(max_length=12)),
                ("header_hash", models.CharField(max_length=64)),
                ("columns", models.JSONField()),
                ("decimal_comma", models.BooleanField(blank=True, null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user", "kind", "header_hash"), name="mapping_once_per_header"
                    )
                ]
            },
        ),
        migrations.AddField(
            model_name="importbatch", name="totals", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name="importbatch",
            name="duplicates",
            field=models.CharField(choices=DUPLICATES, default="skip", max_length=6),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="undone_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
        migrations.AddField(
            model_name="importbatch",
            name="undo_reason",
            field=models.CharField(blank=True, default="", max_length=300),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="importbatch",
            name="status",
            field=models.CharField(
                choices=[
                    ("checked", "Checked"),
                    ("committed", "Committed"),
                    ("discarded", "Discarded"),
                    ("undone", "Undone"),
                ],
                default="checked",
                max_length=10,
            ),
        ),
        migrations.AddField(
            model_name="importrow", name="fixed", field=models.JSONField(default=dict)
        ),
        migrations.AddField(
            model_name="importrow",
            name="decision",
            field=models.CharField(blank=True, choices=DUPLICATES, default="", max_length=6),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name="importrow",
            name="version",
            field=models.PositiveIntegerField(default=1),
        ),
        migrations.AlterField(
            model_name="importrow",
            name="verdict",
            field=models.CharField(
                choices=[
                    ("new", "New"),
                    ("update", "Update"),
                    ("unchanged", "Unchanged"),
                    ("warning", "Warning"),
                    ("duplicate", "Duplicate"),
                    ("error", "Error"),
                ],
                max_length=10,
            ),
        ),
        migrations.RunPython(spell, migrations.RunPython.noop, elidable=False),
    ]
