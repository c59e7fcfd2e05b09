from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("marketdata", "0002_live_market")]

    operations = [
        migrations.AddField(
            model_name="replayclock",
            name="calendar_stamp",
            field=models.UUIDField(blank=True, null=True),
        ),
    ]
