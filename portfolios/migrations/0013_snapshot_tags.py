"""The tags of a position stand in its snapshot; rows from before have none kept."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portfolios", "0012_import_orders")]

    operations = [
        migrations.AddField(
            model_name="positionsnapshot",
            name="tags",
            field=models.JSONField(default=None, null=True),
        ),
    ]
