from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("marketdata", "0004_contracts_in_order"),
    ]

    operations = [
        migrations.AddField(
            model_name="bond",
            name="basis",
            field=models.CharField(
                choices=[("act/act", "act/act (ICMA)"), ("30/360", "30/360")],
                default="act/act",
                max_length=8,
            ),
        ),
        migrations.AddConstraint(
            model_name="bond",
            constraint=models.CheckConstraint(
                condition=models.Q(("basis__in", ["act/act", "30/360"])),
                name="day_count_is_known",
            ),
        ),
    ]
