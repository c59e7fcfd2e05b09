"""Guards the append-only tables."""

from django.db import migrations

from etftrader.core.triggers import append_only


class Migration(migrations.Migration):
    dependencies = [("etftrader", "0001_initial")]
    operations = [append_only("etftrader_auditevent")]
