"""Delta exposures of positions, and alerts that concern no portfolio."""

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import F

import etftrader.core.fields


def linear(apps, schema_editor):
    """Books held no options so far: what risk counted is what positions were worth."""
    apps.get_model("risk", "PositionRisk").objects.update(delta_exposure=F("exposure"))


class Migration(migrations.Migration):
    dependencies = [("portfolios", "0006_options"), ("risk", "0002_append_only")]

    operations = [
        migrations.AddField(
            model_name="positionrisk",
            name="delta_exposure",
            field=etftrader.core.fields.EstimateField(blank=True, null=True),
        ),
        migrations.AlterField(
            model_name="alert",
            name="portfolio",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to="portfolios.portfolio",
            ),
        ),
        migrations.AddConstraint(
            model_name="alert",
            constraint=models.UniqueConstraint(
                condition=models.Q(
                    ("portfolio__isnull", True), models.Q(("state", "resolved"), _negated=True)
                ),
                fields=("key",),
                name="a_condition_of_the_house_is_raised_once",
            ),
        ),
        migrations.RunPython(linear, migrations.RunPython.noop, elidable=True),
    ]
