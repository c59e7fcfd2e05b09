"""Benchmarks of a portfolio."""

from typing import ClassVar

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """Benchmarks of a portfolio."""

    dependencies: ClassVar = [
        ("marketdata", "0001_initial"),
        ("portfolios", "0008_books"),
    ]
    operations: ClassVar = [
        migrations.CreateModel(
            name="PortfolioBenchmark",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("place", models.PositiveSmallIntegerField()),
                (
                    "instrument",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to="marketdata.instrument",
                    ),
                ),
                (
                    "portfolio",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="benchmarks",
                        to="portfolios.portfolio",
                    ),
                ),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("portfolio", "place"), name="one_benchmark_a_place"
                    ),
                    models.UniqueConstraint(
                        fields=("portfolio", "instrument"), name="each_benchmark_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("place__gte", 1), ("place__lte", 3)),
                        name="three_benchmarks_at_most",
                    ),
                ],
            },
        ),
    ]
