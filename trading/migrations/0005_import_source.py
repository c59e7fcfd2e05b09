"""Orders of fills that a file has brought."""

from typing import ClassVar

from django.db import migrations, models

SOURCES = [("user", "User"), ("demo", "Demo"), ("import", "Import")]


class Migration(migrations.Migration):
    """One more source of orders."""

    dependencies: ClassVar = [("trading", "0004_baskets")]
    operations: ClassVar = [
        migrations.AlterField(
            model_name="order",
            name="source",
            field=models.CharField(choices=SOURCES, default="user", max_length=10),
        )
    ]
