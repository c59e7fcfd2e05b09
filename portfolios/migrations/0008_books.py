"""Corrections, transfers and receivables of the books."""

import uuid
from typing import ClassVar

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import etftrader.core.fields
from etftrader.core.triggers import append_only


def choices(*values: str) -> list[tuple[str, str]]:
    """Values with the labels Django gives them."""
    return [(value, value.replace("_", " ").title()) for value in values]


class Migration(migrations.Migration):
    """Corrections, transfers and receivables of the books."""

    dependencies: ClassVar = [
        ("portfolios", "0007_import_wizard"),
        ("marketdata", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="cashtransaction",
            name="type",
            field=models.CharField(
                choices=choices(
                    "deposit",
                    "withdrawal",
                    "fee",
                    "dividend",
                    "interest",
                    "tax",
                    "borrow_fee",
                    "transfer",
                ),
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="account",
            field=models.CharField(
                choices=choices(
                    "cash",
                    "holding",
                    "market",
                    "fees",
                    "external",
                    "carried",
                    "accrued",
                    "income",
                ),
                max_length=8,
            ),
        ),
        migrations.AlterField(
            model_name="ledgerentry",
            name="kind",
            field=models.CharField(
                choices=choices(
                    "deposit",
                    "withdrawal",
                    "opening",
                    "fill",
                    "fee",
                    "reversal",
                    "split",
                    "dividend",
                    "payment",
                    "settlement",
                    "interest",
                    "tax",
                    "borrow_fee",
                    "transfer",
                ),
                max_length=12,
            ),
        ),
        migrations.AlterField(
            model_name="portfolio",
            name="status",
            field=models.CharField(
                choices=choices("active", "closed", "archived"), default="active", max_length=8
            ),
        ),
        migrations.CreateModel(
            name="Transfer",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("quantity", etftrader.core.fields.ExactField(blank=True, null=True)),
                ("price", etftrader.core.fields.ExactField(blank=True, null=True)),
                ("amount", etftrader.core.fields.ExactField()),
                ("cost_basis", etftrader.core.fields.ExactField(blank=True, null=True)),
                ("currency", models.CharField(max_length=3)),
                ("session_date", models.DateField()),
                ("origin_seq", models.PositiveIntegerField()),
                ("target_seq", models.PositiveIntegerField()),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("created_at", models.DateTimeField()),
                (
                    "created_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "instrument",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrument",
                    ),
                ),
                (
                    "origin",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers_out",
                        to="portfolios.portfolio",
                    ),
                ),
                (
                    "target",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="transfers_in",
                        to="portfolios.portfolio",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("origin", models.F("target")), _negated=True),
                        name="transfer_between_two",
                    )
                ],
            },
        ),
        append_only("portfolios_transfer"),
    ]
